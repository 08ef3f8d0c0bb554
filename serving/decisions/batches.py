"""Uploads: many customers at once, streamed in and out in chunks, good rows scored and recorded, bad rows named.

What lives here: reading uploaded CSV or JSON, chunking, the streamed answer. What must not: HTTP, SQL.
Called by `POST /predictions/batch`.

Memory stays flat: the upload is spooled to disk, a chunk of rows is parsed, scored (in a thread) and recorded, its
answers leave, then the next. The answer is one JSON document: `predictions` as they are made, then `errors`, then the
totals.
If the ledger fails midway the document still closes, with `is_complete: false` and the problem: rows already answered
are on record, the others are not.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from bank_assets.contract.names import MODEL_NAME
from bank_assets.core.economics.economics import Economics
from bank_assets.ledger.decisions import new_id
from serving.champion.champion import Champion, ChampionStore, PublishedState
from serving.customers.suppressions import Suppressions
from serving.decisions.payloads import Payloads, decoded
from serving.decisions.recorder import Recorder
from serving.decisions.schemas import EconomicsRequest, PredictionRequest, ReasonNotToCall
from serving.decisions.scoring import Decided, DecisionRequest, decide, economics_of, reason_of
from serving.decisions.uploads import Row
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


class BatchError(msgspec.Struct, frozen=True):
    """A row that was not scored, and why."""

    line: int
    errors: tuple[FieldError, ...]


@dataclass(slots=True)
class Upload:
    """One upload on its way.

    Attributes:
        rows: its rows.
        is_csv: numbers are text.
        actor: who uploads.
        economics: of every row.
        default_date: contact date of rows without one, ISO, or None for today.
    """

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


class Batches:
    """Scores uploads."""

    def __init__(
        self,
        store: ChampionStore,
        suppressions: Suppressions,
        recorder: Recorder,
        economics: Economics,
        payloads: Payloads,
        code_version: str,
    ) -> None:
        """Prepare.

        Args:
            store: model and as-of state in force.
            suppressions: customers who objected, read for each chunk.
            recorder: puts decisions on record.
            economics: the platform's.
            payloads: the contract that rows are read by.
            code_version: recorded.
        """
        self._store = store
        self._suppressions = suppressions
        self._recorder = recorder
        self._economics = economics
        self._payloads = payloads
        self._code_version = code_version

    async def start(self, upload: Upload) -> AsyncIterator[bytes]:
        """Check that work can begin, read the first chunk, and return the streamed answer.

        Whatever is wrong with the whole upload is raised here, while the status can still say so.

        Raises:
            PayloadError: the file does not fit as a whole.
            ChampionUnavailableError: no model.
            StateUnavailableError: no as-of state.
            RecorderBusyError: too much waits.
        """
        champion, published = self._store.current, self._store.state
        economics_of(upload.economics, self._economics)
        self._recorder.check()
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
                raise PayloadError((FieldError("", f"at most {MAX_ROWS} rows", "more; split the file"),))
            try:
                if row.fault is not None:
                    raise PayloadError((row.fault,))  # noqa: TRY301
                requested.append(DecisionRequest(self._request(row.raw, upload), upload.actor, batch_id))
                chunk.lines.append(row.line)
            except PayloadError as error:
                chunk.errors.append(BatchError(row.line, error.errors))
            if chunk.n_rows >= CHUNK_ROWS:
                break
        if requested:
            suppression = self._suppressions.read()
            chunk.decided = decide(
                requested, champion, published, suppression, self._economics, self._payloads, self._code_version
            )
        return chunk

    def _request(self, raw: Any, upload: Upload) -> PredictionRequest:
        if upload.is_csv:
            request = self._payloads.request_of_text(raw, upload.default_date)
        else:
            request = self._payloads.request_of(decoded(raw) if isinstance(raw, msgspec.Raw) else raw)
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
                    await self._recorder.record([decided.draft for decided in chunk.decided])
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
    rows = []
    for line, decided in zip(chunk.lines, chunk.decided, strict=True):
        draft = decided.draft
        rows.append(
            BatchRow(
                line,
                draft.id,
                draft.contact_id,
                draft.probability,
                draft.probability_low,
                draft.probability_high,
                draft.prediction,
                draft.decision,
                reason_of(draft.decision, decided.flags),
                draft.expected_profit_eur,
                draft.stale_features,
                decided.flags,
            )
        )
    return _encode(rows)[1:-1]
