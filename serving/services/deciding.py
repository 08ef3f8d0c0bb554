"""Deciding single requests: those that arrive together are scored together and recorded together.

What lives here: the collector. What must not: HTTP, SQL. Called by the predictions route and the predict page.

Scoring one row costs about 0.4 ms, most of it per call and not per row (37 graph inputs; measured), while eight rows
cost hardly more. ONNX Runtime with one thread gives a row the same bits in any batch, so collecting changes no answer.
While the recorder writes, arrivals would wait for their commit anyway, so that is when they collect.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from bank_assets.core.economics import Economics
from serving.champion import ChampionStore
from serving.recorder import Recorder
from serving.services.scoring import Asked, Decided, decide

LARGEST_GROUP: Final = 64
"""Most requests scored in one call on the event loop: bounds the pause of everybody else (about 1 ms)."""


@dataclass(slots=True)
class _Waiting:
    asked: Asked
    decided: asyncio.Future[Decided]


class Decider:
    """Scores and records single requests."""

    def __init__(
        self, store: ChampionStore, recorder: Recorder | None, economics: Economics, code_version: str
    ) -> None:
        """Prepare.

        Args:
            store: model and as-of state in force.
            recorder: puts decisions on record; None answers without a record (benchmarks only).
            economics: the platform's.
            code_version: recorded.
        """
        self._store = store
        self._recorder = recorder
        self._economics = economics
        self._code_version = code_version
        self._collected: list[_Waiting] = []
        self._is_scheduled = False
        if recorder is not None:
            recorder.on_free = self._score

    async def decide(self, asked: Asked) -> Decided:
        """Score a request and put the decision on record.

        Args:
            asked: the request.

        Returns:
            The decision, on disk.

        Raises:
            ChampionUnavailableError: no model.
            StateUnavailableError: no as-of state.
            RecorderBusyError: too much waits; nothing was recorded.
            LedgerUnavailableError: the ledger cannot be written; nothing was acknowledged.
        """
        if self._recorder is not None:
            self._recorder.check()
        loop = asyncio.get_running_loop()
        item = _Waiting(asked, loop.create_future())
        self._collected.append(item)
        if not self._is_scheduled and (self._recorder is None or not self._recorder.is_writing):
            self._is_scheduled = True
            # Next turn of the loop: requests that arrived in the same turn are collected by then.
            loop.call_soon(self._score)
        return await item.decided

    def _score(self) -> None:
        self._is_scheduled = False
        if not self._collected:
            return
        group, self._collected = self._collected[:LARGEST_GROUP], self._collected[LARGEST_GROUP:]
        if self._collected:
            self._is_scheduled = True
            asyncio.get_running_loop().call_soon(self._score)
        try:
            results = decide(
                [item.asked for item in group],
                self._store.current,
                self._store.state,
                self._economics,
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
