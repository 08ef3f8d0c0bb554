"""Deciding single requests: those that arrive together are scored together and recorded together.

What lives here: the collector. What must not: HTTP, SQL. Called by the predictions route and the predict page.

Scoring one row costs about 0.13 ms, most of it per call and not per row (31 graph inputs; measured), while eight rows
cost 0.16 ms. ONNX Runtime with one thread gives a row the same bits in any batch, so collecting changes no answer.
While the writer is at work, requests collect as long as each turn of the event loop brings more of them. An idle writer
gets half of those of one turn at once and the rest a turn later: it commits the first half while the second is scored,
and clients that wait for their answers stay in two groups that take turns. Waiting for more even then made one group of
all, in which app and writer wait for each other: a fifth less at 32 connections, some 5 % at 8.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from bank_assets.core.economics.economics import Economics
from serving.champion.champion import ChampionStore
from serving.customers.suppressions import Suppressions
from serving.decisions.payloads import Payloads
from serving.decisions.recorder import Recorder
from serving.decisions.scoring import Decided, DecisionRequest, decide

LARGEST_GROUP: Final = 64
"""Most requests scored in one call on the event loop: bounds the pause of everybody else (about 1 ms)."""

SMALLEST_SPLIT: Final = 8
"""Fewer requests are not split: each call of the model costs as much as scoring some ten rows."""


@dataclass(slots=True)
class _Waiting:
    requested: DecisionRequest
    decided: asyncio.Future[Decided]


class Decider:
    """Scores and records single requests."""

    def __init__(
        self,
        store: ChampionStore,
        suppressions: Suppressions,
        recorder: Recorder | None,
        economics: Economics,
        payloads: Payloads,
        code_version: str,
    ) -> None:
        """Prepare.

        Args:
            store: model and as-of state in force.
            suppressions: customers who objected.
            recorder: puts decisions on record; None answers without a record (benchmarks only).
            economics: the platform's.
            payloads: the contract that requests are read by.
            code_version: recorded.
        """
        self._store = store
        self._suppressions = suppressions
        self._recorder = recorder
        self._economics = economics
        self._payloads = payloads
        self._code_version = code_version
        self._collected: list[_Waiting] = []
        self._is_scheduled = False

    async def decide(self, requested: DecisionRequest) -> Decided:
        """Score a request and put the decision on record.

        Args:
            requested: the request.

        Returns:
            The decision, on disk.

        Raises:
            ChampionUnavailableError: no model.
            StateUnavailableError: no as-of state.
            RecorderBusyError: too much waits; nothing was recorded.
            LedgerUnavailableError: the ledger cannot be written or read; nothing was acknowledged.
        """
        if self._recorder is not None:
            self._recorder.check()
        loop = asyncio.get_running_loop()
        item = _Waiting(requested, loop.create_future())
        self._collected.append(item)
        if not self._is_scheduled:
            self._is_scheduled = True
            loop.call_soon(self._collect, len(self._collected))
        return await item.decided

    def _collect(self, n_before: int) -> None:
        """Wait for a turn of the loop in which nobody new arrives, unless the writer is idle; then score."""
        n = len(self._collected)
        if n_before < n < LARGEST_GROUP and not self._is_writer_idle():
            asyncio.get_running_loop().call_soon(self._collect, n)
        else:
            self._score()

    def _is_writer_idle(self) -> bool:
        return self._recorder is not None and self._recorder.n_waiting == 0

    def _score(self) -> None:
        self._is_scheduled = False
        n = min(len(self._collected), LARGEST_GROUP)
        if n >= SMALLEST_SPLIT and self._is_writer_idle():
            n //= 2
        group, self._collected = self._collected[:n], self._collected[n:]
        if self._collected:
            self._is_scheduled = True
            asyncio.get_running_loop().call_soon(self._score)
        try:
            results = decide(
                [item.requested for item in group],
                self._store.current,
                self._store.state,
                self._suppressions.current,
                self._economics,
                self._payloads,
                self._code_version,
            )
        except Exception as error:
            # Whatever it is, somebody waits for it; the exception table turns it into an answer.
            _fail(group, error)
            return
        if self._recorder is None:
            _answer(group, results)
            return
        self._recorder.submit([result.draft for result in results], lambda error: _settle(group, results, error))


def _answer(group: list[_Waiting], results: list[Decided]) -> None:
    for item, result in zip(group, results, strict=True):
        if not item.decided.done():
            item.decided.set_result(result)


def _fail(group: list[_Waiting], error: Exception) -> None:
    for item in group:
        if not item.decided.done():
            item.decided.set_exception(error)


def _settle(group: list[_Waiting], results: list[Decided], error: Exception | None) -> None:
    if error is None:
        _answer(group, results)
    else:
        _fail(group, error)
