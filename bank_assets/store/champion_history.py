"""Which model was champion on which day of data time, from the append-only promotions.

The registry cannot answer this: it keeps no history (mlflow #2169), and its client takes seconds to import.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine

from bank_assets.ledger import promotions

ROWS = 100_000


@dataclass(frozen=True, slots=True)
class ChampionHistory:
    """Champions in the order in which they came into force."""

    starts: NDArray[np.datetime64]  # first day of each, (n,), datetime64[D], ascending
    versions: tuple[str, ...]  # (n,)

    @classmethod
    def of(cls, engine: Engine) -> ChampionHistory:
        """Read it from the ledger; a rollback without a data time starts with the champion before it.

        A champion that rests on an earlier day than those before it replaces them from that day on: data time went
        back, because wrong dates were corrected.
        """
        starts: list[np.datetime64] = []
        versions: list[str] = []
        for row in reversed(promotions.history(engine, limit=ROWS, promoted_only=True)):
            if row.to_version is None or (versions and row.to_version == versions[-1]):
                continue
            start = np.datetime64(row.as_of, "D") if row.as_of else (starts[-1] if starts else None)
            if start is None:
                continue
            starts = [*(min(earlier, start) for earlier in starts), start]
            versions.append(row.to_version)
        return cls(np.asarray(starts, "datetime64[D]"), tuple(versions))

    @property
    def current(self) -> str | None:
        """The current champion."""
        return self.versions[-1] if self.versions else None

    def version_on(self, days: NDArray[np.datetime64]) -> NDArray[np.object_]:
        """Champion of each day, (n,); None before the first champion."""
        position = np.searchsorted(self.starts, days, side="right") - 1
        table = np.asarray([None, *self.versions], dtype=object)
        return table[position + 1]
