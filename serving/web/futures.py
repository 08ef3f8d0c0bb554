"""Answering those who wait for a future."""

from __future__ import annotations

import asyncio
from typing import TypeVar

T = TypeVar("T")


def settle(waiting: asyncio.Future[T], result: T | None, error: Exception | None) -> None:
    """Give a waiting client its result or its error; one that has hung up gets neither."""
    if waiting.done():
        return
    if error is None:
        waiting.set_result(result)  # type: ignore[arg-type]
    else:
        waiting.set_exception(error)
