"""`POST /api/v1/predictions/batch`: uploads of many customers; good rows are decided and recorded, bad rows are named.

Memory stays flat: the upload is spooled to disk, and each chunk is parsed, scored (in a thread), recorded and answered
before the next. The answer is one JSON document: `predictions`, then `errors`, then totals. If the ledger fails midway,
it still closes, with `is_complete: false` and the problem; rows already answered are on record, the others are not.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import IO, Annotated, Any, Final

import msgspec
from litestar import Request, post
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter
from litestar.response import Stream

from bank_assets.contract.names import MODEL_NAME
from bank_assets.contract.sent_text import SentText
from bank_assets.core.economics.economics import MAXIMUM_EUR
from bank_assets.ledger.ids import new_id
from serving.champion.champion import Champion, PublishedState
from serving.decisions.payloads import Payloads, check_date
from serving.decisions.recorder import Recorder
from serving.decisions.schemas import MINIMUM_EUR, BatchRow, EconomicsRequest, PredictionRequest
from serving.decisions.scoring import Decided, DecisionMaker, DecisionRequest, economics_of, reason_of
from serving.decisions.uploads import MAX_ROWS, BatchError, Row, csv_rows, json_rows
from serving.web.access import Admission, identity_of
from serving.web.answers import from_record
from serving.web.bodies import JSON, check_format
from serving.web.openapi import body_of, inlined, secured
from serving.web.problems import problem_of

CSV: Final = "text/csv"
BATCH_BODY_BYTES: Final = 100_000_000
# Longer uploads go to a temporary file that has no name and vanishes with the request.
SPOOL_BYTES: Final = 2_000_000
# Rows of one transaction: single requests wait for one such commit at most (about 0.1 s).
CHUNK_ROWS: Final = 1_000
Amount = Annotated[float | None, QueryParameter(ge=MINIMUM_EUR, le=MAXIMUM_EUR)]
FileName = Annotated[str, QueryParameter(max_length=250, description="Name of the file, by which its sender is known.")]
_encode = msgspec.json.Encoder().encode


def batch_route(payloads: Payloads) -> HTTPRouteHandler:
    """The route, for rows under a contract."""
    customer = payloads.example
    content = {
        **body_of({"type": "string"}, f"{','.join(customer)}\n{','.join(map(str, customer.values()))}\n", CSV),
        **body_of({"type": "array", "maxItems": MAX_ROWS, "items": inlined(payloads.struct)}, [customer]),
    }

    @post(
        "/api/v1/predictions/batch",
        operation_id="create_predictions",
        **secured("predict", content=content),
        tags=["predictions"],
        request_max_body_size=BATCH_BODY_BYTES,
        status_code=201,
        summary="Decide about up to 100,000 customers",
        media_type="application/json",
    )
    async def create_batch(
        request: Request[Any, Any, Any],
        maker: NamedDependency[DecisionMaker],
        recorder: NamedDependency[Recorder],
        cost_eur: Amount = None,
        value_eur: Amount = None,
        contact_date: Annotated[
            dt.date | None, QueryParameter(description="Contact date of rows without one; default today.")
        ] = None,
        file_name: FileName = "",
    ) -> Stream:
        """Send CSV (`text/csv`, the delivery's column names) or a JSON array (`application/json`).

        Good rows are scored and recorded, bad rows are named with line, field, expected and found. The answer is one
        JSON document: batch_id, model, predictions, errors, rows, recorded, rejected, is_complete, problem.
        """
        for header, formats in (("content-type", (CSV, JSON)), ("content-encoding", ())):
            check_format(header, request.headers.get(header, ""), formats)
        check_date(contact_date)
        file = tempfile.SpooledTemporaryFile(max_size=SPOOL_BYTES)  # noqa: SIM115  closed when the answer has left
        try:
            async for part in request.stream():
                file.write(part)
            file.seek(0)
            stated = EconomicsRequest(cost_eur, value_eur) if cost_eur is not None or value_eur is not None else None
            is_csv = request.headers["content-type"].strip().lower().startswith(CSV)
            sent = SentText.of_file(payloads.contract, file_name)
            rows = _csv(file, payloads, contact_date, sent) if is_csv else json_rows(file, payloads, sent)
            actor = identity_of(request).name
            economics_of(stated, maker.economics)
            recorder.check()
            champion, published = maker.store.current, maker.store.state
            admission = request.scope["bank"]  # type: ignore[typeddict-item]
            upload = Upload(file, rows, actor, stated, contact_date, maker, recorder, champion, published, admission)
            # Whatever is wrong with the whole upload is raised here, while the status can still say so.
            first = await asyncio.to_thread(upload.next_chunk)
        except BaseException:
            file.close()
            raise
        return Stream(upload.answer(first), media_type="application/json", status_code=201)

    return create_batch


def _csv(file: IO[bytes], payloads: Payloads, contact_date: dt.date | None, sent: SentText) -> Iterator[Row]:
    def read(raw: Mapping[str, str]) -> PredictionRequest:
        return payloads.request_of_text(raw, contact_date)

    return csv_rows(file, payloads, read, sent)


@dataclass(slots=True)
class _Chunk:
    n_rows: int = 0
    lines: list[int] = field(default_factory=list)
    decided: list[Decided] = field(default_factory=list)
    errors: list[BatchError] = field(default_factory=list)


@dataclass(slots=True)
class Upload:
    """One upload on its way; all its rows are decided by one model and one as-of state."""

    file: IO[bytes]
    rows: Iterator[Row]
    actor: str
    economics: EconomicsRequest | None  # of rows that state none
    contact_date: dt.date | None  # of rows without one
    maker: DecisionMaker
    recorder: Recorder
    champion: Champion
    published: PublishedState
    admission: Admission
    batch_id: str = field(default_factory=new_id)

    def next_chunk(self) -> _Chunk:
        """Parse and score up to `CHUNK_ROWS` rows; call it in a thread."""
        chunk, requested = _Chunk(), []
        for line, found in islice(self.rows, CHUNK_ROWS):
            chunk.n_rows += 1
            if isinstance(found, BatchError):
                chunk.errors.append(found)
                continue
            day, economics = found.contact_date or self.contact_date, found.economics or self.economics
            if (day, economics) != (found.contact_date, found.economics):
                found = msgspec.structs.replace(found, contact_date=day, economics=economics)
            requested.append(DecisionRequest(found, self.actor, self.batch_id))
            chunk.lines.append(line)
        if requested:
            self.maker.protect(requested)
            suppression = self.maker.suppressions.read()
            chunk.decided = self.maker.decide(requested, self.champion, self.published, suppression)
        return chunk

    async def answer(self, chunk: _Chunk) -> AsyncIterator[bytes]:
        """Record and answer chunk by chunk, beginning with the first."""
        champion = self.champion
        head = {
            "batch_id": self.batch_id,
            "as_of": self.published.as_of,
            "model": {"name": MODEL_NAME, "version": champion.version, "digest": champion.digest},
        }
        errors: list[BatchError] = []
        rows = recorded = 0
        problem: Any = None
        with self.file:
            yield _encode(head)[:-1] + b',"predictions":['
            while chunk.n_rows:
                rows += chunk.n_rows
                errors += chunk.errors
                # The next chunk is scored while this one is written: half of either is waiting for the other.
                coming = asyncio.ensure_future(asyncio.to_thread(self.next_chunk))
                try:
                    if chunk.decided:
                        await self.recorder.record([decided.draft for decided in chunk.decided])
                        yield (b"," if recorded else b"") + _encoded_rows(chunk)
                        recorded += len(chunk.decided)
                    chunk = await coming
                except Exception as error:
                    # The status has left already, so the document itself must name the problem.
                    problem, self.admission.is_broken_off = problem_of(error), True
                    break
                finally:
                    # Also if the client hung up: the thread must be done with the file before it is closed.
                    await asyncio.wait([coming])
        tail = {
            "errors": errors,
            "rows": rows,
            "recorded": recorded,
            "rejected": len(errors),
            "is_complete": problem is None,
            "problem": problem,
        }
        yield b"]," + _encode(tail)[1:]


def _encoded_rows(chunk: _Chunk) -> bytes:
    rows = [
        from_record(
            BatchRow,
            decided.draft,
            line=line,
            reason=reason_of(decided.draft.decision, decided.flags),
            flags=decided.flags,
        )
        for line, decided in zip(chunk.lines, chunk.decided, strict=True)
    ]
    return _encode(rows)[1:-1]
