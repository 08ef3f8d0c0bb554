"""What a policy did and spent in a replay.

What lives here: `Trace`, contact by contact, and `ReplayCounts`.
What must not: decisions, figures (`replay.replay`).
Called by the policies, the walk, checkpoints and reports.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bank_assets.core.arrays import BoolArray, FloatArray


@dataclass(slots=True, eq=False)
class Trace:
    """What a policy did, contact by contact; NaN and False where it has not decided.

    Attributes:
        proba: probability decided with, (n,); NaN where a policy has none.
        unshifted: before the intercept, (n,).
        low: lower end of the range, (n,).
        high: upper end of the range, (n,).
        called: decisions, exploration included, (n,).
        weight: inverse probability of having called each, 0 where not called, (n,).
    """

    proba: FloatArray
    unshifted: FloatArray
    low: FloatArray
    high: FloatArray
    called: BoolArray
    weight: FloatArray

    @classmethod
    def empty(cls, n: int) -> Trace:
        """Nothing decided yet."""
        none = np.full(n, np.nan)
        return cls(none, none.copy(), none.copy(), none.copy(), np.zeros(n, bool), np.zeros(n))


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened on a day.

    Attributes:
        day: data time.
        kind: `model`, `refused`, `search`, `alert` or `recalibration`.
        reason: with the numbers.
    """

    day: str
    kind: str
    reason: str

    def to_dict(self) -> dict[str, str]:
        """JSON form."""
        return {"day": self.day, "kind": self.kind, "reason": self.reason}


@dataclass(slots=True)
class ReplayCounts:
    """What a policy spent.

    Attributes:
        trainings: estimator fits that could reach production.
        searches: comparisons of all candidates.
        recalibrations: days on which the intercept moved materially.
        alerts: times a person was told.
        events: what happened, in order.
    """

    trainings: int = 0
    searches: int = 0
    recalibrations: int = 0
    alerts: int = 0
    events: list[Event] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "trainings": self.trainings,
            "searches": self.searches,
            "recalibrations": self.recalibrations,
            "alerts": self.alerts,
            "events": [event.to_dict() for event in self.events],
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> ReplayCounts:
        """Read the JSON form."""
        numbers = {name: int(content[name]) for name in ("trainings", "searches", "recalibrations", "alerts")}
        return cls(**numbers, events=[Event(**event) for event in content["events"]])
