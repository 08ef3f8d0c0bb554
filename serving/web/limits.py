"""Token buckets by name, for API keys and password guesses. Each process counts for itself and forgets when it ends."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

REMEMBERED: Final = 10_000  # buckets held; the oldest goes for a new one, so that a flood of names costs no memory


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


class Buckets:
    """A bucket of tokens for each name; it begins full and fills again steadily."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: dict[str, _Bucket] = {}

    def spend(self, name: str, size: int, per_minute: float) -> float | None:
        """Take a token.

        Returns:
            How many tokens were missing from a full bucket before; None if none is left, then nothing is taken.
        """
        now, bucket = self._clock(), self._buckets.get(name)
        if bucket is None:
            if len(self._buckets) >= REMEMBERED:
                del self._buckets[next(iter(self._buckets))]
            bucket = self._buckets[name] = _Bucket(float(size), now)
        bucket.tokens = min(float(size), bucket.tokens + (now - bucket.at) * per_minute / 60.0)
        bucket.at = now
        if bucket.tokens < 1.0:
            return None
        missing = size - bucket.tokens
        bucket.tokens -= 1.0
        return missing

    def give_back(self, name: str) -> None:
        """Return a token that was taken for nothing."""
        if name in self._buckets:
            self._buckets[name].tokens += 1.0
