"""Uploads of many customers, processed in chunks: good rows are scored and recorded, bad rows are named.

Memory stays flat: the upload is spooled to disk, and each chunk is parsed, scored (in a thread), recorded and answered
before the next. The answer is one JSON document: `predictions`, then `errors`, then totals. If the ledger fails midway,
it still closes, with `is_complete: false` and the problem; rows already answered are on record, the others are not.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import msgspec

from bank_assets.contract.names import MODEL_NAME
from bank_assets.ledger.ids import new_id
from serving.champion.champion import Champion, PublishedState
from serving.decisions.payloads import decoded
from serving.decisions.recorder import Recorder
from serving.decisions.schemas import EconomicsRequest, PredictionRequest, ReasonNotToCall
from serving.decisions.scoring import Decided, DecisionMaker, DecisionRequest, economics_of, reason_of
from serving.decisions.uploads import BatchError, Row, read_row
from serving.web.answers import from_record
from serving.web.problems import FieldError, PayloadError, problem_of

MAX_ROWS: Final = 100_000
CHUNK_ROWS: Final = 1_000
"""Rows of one transaction: single requests wait for one such commit at most (about 0.1 s)."""


class BatchRow(msgspec.Struct, frozen=True):
    """Answer to one good row."""

    line: int
    id: str
    contact_id: str | None
    probability: float
    probability_low: float
    probability_high: float
    prediction: str
    decision: str
    reason: ReasonNotToCall | None
    expected_profit_eur: float
    stale_features: bool
    flags: list[Any]


@dataclass(slots=True)
class Upload:
    """One upload on its way."""

    rows: Iterator[Row]
    is_csv: bool
    actor: str
    economics: EconomicsRequest | None
    default_date: Any = None


@dataclass(slots=True)
class _Chunk:
    lines: list[int]
    decided: list[Decided]
    errors: list[BatchError]
    n_rows: int


@dataclass(frozen=True, slots=True)
class Batches:
    """Scores uploads."""

    maker: DecisionMaker
    recorder: Recorder

    async def start(self, upload: Upload) -> AsyncIterator[bytes]:
        """Check that work can begin, read the first chunk, and return the streamed answer.

        Whatever is wrong with the whole upload is raised here, while the status can still say so.

        Raises:
            PayloadError: the file does not fit as a whole.
            ChampionUnavailableError: no model.
            StateUnavailableError: no as-of state.
            RecorderBusyError: too much waits.
        """
        champion, published = self.maker.store.current, self.maker.store.state
        economics_of(upload.economics, self.maker.economics)
        self.recorder.check()
        batch_id = new_id()
        first = await asyncio.to_thread(self._next_chunk, upload, champion, published, batch_id, 0)
        return self._answer(upload, champion, published, batch_id, first)

    def _next_chunk(
        self, upload: Upload, champion: Champion, published: PublishedState, batch_id: str, seen: int
    ) -> _Chunk:
        """Parse and score up to `CHUNK_ROWS` rows; runs in a thread."""
        chunk = _Chunk([], [], [], 0)
        requested: list[DecisionRequest] = []
        for row in upload.rows:
            chunk.n_rows += 1
            if seen + chunk.n_rows > MAX_ROWS:
                raise PayloadError(FieldError("", f"at most {MAX_ROWS} rows", "more; split the file"))
            found = read_row(row, partial(self._request, upload))
            if isinstance(found, BatchError):
                chunk.errors.append(found)
            else:
                requested.append(DecisionRequest(found, upload.actor, batch_id))
                chunk.lines.append(row.line)
            if chunk.n_rows >= CHUNK_ROWS:
                break
        if requested:
            chunk.decided = self.maker.decide(requested, champion, published, self.maker.suppressions.read())
        return chunk

    def _request(self, upload: Upload, raw: Any) -> PredictionRequest:
        payloads = self.maker.payloads
        if upload.is_csv:
            request = payloads.request_of_text(raw, upload.default_date)
        else:
            request = payloads.request_of(decoded(raw) if isinstance(raw, msgspec.Raw) else raw)
        changes: dict[str, Any] = {}
        if request.contact_date is None and upload.default_date is not None:
            changes["contact_date"] = upload.default_date
        if request.economics is None and upload.economics is not None:
            changes["economics"] = upload.economics
        return msgspec.structs.replace(request, **changes) if changes else request

    async def _answer(
        self, upload: Upload, champion: Champion, published: PublishedState, batch_id: str, chunk: _Chunk
    ) -> AsyncIterator[bytes]:
        head = {
            "batch_id": batch_id,
            "as_of": published.as_of,
            "model": {"name": MODEL_NAME, "version": champion.version, "digest": champion.digest},
        }
        yield _encode(head)[:-1] + b',"predictions":['
        errors: list[BatchError] = []
        rows = recorded = 0
        problem: Any = None
        while chunk.n_rows:
            rows += chunk.n_rows
            errors += chunk.errors
            # The next chunk is parsed and scored while this one is written: half of either is waiting for the other.
            coming = asyncio.ensure_future(
                asyncio.to_thread(self._next_chunk, upload, champion, published, batch_id, rows)
            )
            try:
                if chunk.decided:
                    await self.recorder.record([decided.draft for decided in chunk.decided])
                    yield (b"," if recorded else b"") + _encoded_rows(chunk)
                    recorded += len(chunk.decided)
                chunk = await coming
            except Exception as error:
                # The status has left already: the document itself must say what happened.
                problem = problem_of(error)
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


_encode = msgspec.json.Encoder().encode


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
