"""What a policy decided and spent in a replay."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from bank_assets.core.arrays import BoolArray, FloatArray


@dataclass(slots=True, eq=False)
class Trace:
    """What a policy decided, contact by contact; every array is (n,), NaN or False where nothing was decided.

    Attributes:
        proba: probability of the decision.
        unshifted: before the intercept.
        low: lower end of the range.
        high: upper end of the range.
        called: decisions, exploration included.
        weight: inverse probability of having called each contact, 0 where it was not called.
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
    """An event of a day of the data: `model`, `refused`, `search`, `alert` or `recalibration`, and its reason."""

    day: str
    kind: str
    reason: str


@dataclass(slots=True)
class ReplayCounts:
    """What a policy spent, and the events in order.

    Attributes:
        trainings: estimator fits that could reach production.
        searches: comparisons of all candidates.
        recalibrations: days on which the intercept moved materially.
        alerts: alerts to a person.
    """

    trainings: int = 0
    searches: int = 0
    recalibrations: int = 0
    alerts: int = 0
    events: list[Event] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return asdict(self)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> ReplayCounts:
        """Read the JSON form."""
        return cls(**{**content, "events": [Event(**event) for event in content["events"]]})
