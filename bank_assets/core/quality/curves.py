"""Realised profit by share of contacts called, with bootstrap intervals.

Contacts of equal probability are called in random order: the curve is the mean over those orders, so the order of the
rows, which may follow the outcomes, cannot leak into it. Resampling whole days gives wider intervals than resampling
contacts, and correct ones where the contacts of a day err together.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

from bank_assets.core.arrays import FloatArray, Rows
from bank_assets.core.economics.economics import Economics

SHARES: Final = tuple(round(0.025 * k, 3) for k in range(41))
RESAMPLES: Final = 200
LEVEL: Final = 0.9
SEED: Final = 0


class CurveError(ValueError):
    """Scores and outcomes do not fit together."""


@dataclass(frozen=True, slots=True)
class Curve:
    """A curve over the share of contacts called, best first, with a pointwise interval; arrays are (n_points,)."""

    share_called: FloatArray
    value: FloatArray
    low: FloatArray
    high: FloatArray
    unit: str
    level: float = LEVEL

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "share_called": self.share_called.tolist(),
            "value": self.value.tolist(),
            "low": self.low.tolist(),
            "high": self.high.tolist(),
            "unit": self.unit,
            "level": self.level,
        }


def _checked(proba: ArrayLike, is_subscribed: ArrayLike, day: ArrayLike | None) -> tuple[FloatArray, FloatArray]:
    scores = np.asarray(proba, dtype=np.float64)
    outcomes = np.asarray(is_subscribed).astype(np.float64)
    n_days = len(outcomes) if day is None else len(np.asarray(day))
    if scores.ndim != 1 or scores.shape != outcomes.shape or n_days != len(scores) or np.isnan(scores).any():
        raise CurveError(
            f"curve: expected one probability, outcome and day per contact, found {scores.shape}, {outcomes.shape} and "
            f"{n_days}, {int(np.isnan(scores).sum())} probabilities missing."
        )
    return scores, outcomes


def _resampled(n_contacts: int, day: ArrayLike | None, n_resamples: int) -> Iterator[FloatArray]:
    """Yield weights of contacts in bootstrap samples, each (n_contacts,)."""
    random = np.random.Generator(np.random.PCG64(SEED))
    unit = np.arange(n_contacts) if day is None else np.unique(np.asarray(day), return_inverse=True)[1]
    n_units = int(unit.max(initial=-1)) + 1
    for _ in range(n_resamples if n_units else 0):
        counts = np.bincount(random.integers(0, n_units, n_units), minlength=n_units)
        yield counts[unit].astype(np.float64)


class _Ranking:
    """Contacts from the highest score down, equal scores together."""

    def __init__(self, scores: FloatArray) -> None:
        self.order = np.argsort(-scores, kind="stable")
        ordered = scores[self.order]
        self.starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1])) if len(ordered) else np.empty(0, int)

    def cumulative(self, gains: FloatArray, weights: FloatArray) -> FloatArray:
        """Sum of the gains of the best share of contacts, at each of `SHARES`."""
        if not len(self.order):
            return np.zeros(len(SHARES))
        w = np.add.reduceat(weights[self.order], self.starts)
        g = np.add.reduceat((weights * gains)[self.order], self.starts)
        called = np.append(0.0, np.cumsum(w))
        return np.interp(np.asarray(SHARES) * called[-1], called, np.append(0.0, np.cumsum(g)))


def _band(point: FloatArray, draws: list[FloatArray], unit: str) -> Curve:
    shares = np.asarray(SHARES)
    if not draws:
        return Curve(shares, point, point, point, unit)
    tail = (1.0 - LEVEL) / 2.0
    low, high = np.quantile(np.asarray(draws), [tail, 1.0 - tail], axis=0)
    return Curve(shares, point, np.minimum(low, point), np.maximum(high, point), unit)


def profit_curve(
    proba: ArrayLike,
    is_subscribed: ArrayLike,
    economics: Economics,
    rows: Rows,
    *,
    day: ArrayLike | None = None,
    n_resamples: int = RESAMPLES,
) -> Curve:
    """Compute realised profit in EUR at each of `SHARES`; zeros without contacts.

    Args:
        proba: probabilities made before the outcomes, (n,).
        is_subscribed: outcomes, (n,).
        economics: cost and value.
        rows: columns that the economics read, each (n,).
        day: day of each contact, (n,), to resample whole days.
        n_resamples: bootstrap samples; 0 gives no interval.

    Raises:
        CurveError: lengths differ or a probability is missing.
    """
    scores, outcomes = _checked(proba, is_subscribed, day)
    ranking, gains = _Ranking(scores), economics.profit(np.ones(len(scores)), outcomes, rows)
    draws = [ranking.cumulative(gains, w) for w in _resampled(len(scores), day, n_resamples)]
    return _band(ranking.cumulative(gains, np.ones(len(scores))), draws, "EUR")
