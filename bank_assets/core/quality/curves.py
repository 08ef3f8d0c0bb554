"""Realised profit by share of contacts called, with bootstrap intervals.

Contacts of equal probability are called in random order, and the curve is the mean over those orders: the order of the
rows, which may follow the outcomes, must not leak into it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

from bank_assets.core.arrays import FloatArray, Rows, central_interval
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
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in values.items()}


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

    With `day`, (n,), whole days are resampled: wider intervals, and correct ones where the contacts of a day err
    together.
    """
    scores, outcomes = _checked(proba, is_subscribed, day)
    gains, shares = economics.profit(np.ones(len(scores)), outcomes, rows), np.asarray(SHARES)
    # Equal scores have one code, so that they are called together
    codes = np.unique(-scores, return_inverse=True)[1]

    def at_shares(weights: FloatArray) -> FloatArray:
        called = np.append(0.0, np.cumsum(np.bincount(codes, weights)))
        earned = np.append(0.0, np.cumsum(np.bincount(codes, weights * gains)))
        return np.interp(shares * called[-1], called, earned)

    value = at_shares(np.ones(len(scores)))
    draws = [at_shares(weights) for weights in _resampled(len(scores), day, n_resamples)]
    low, high = central_interval(draws, LEVEL) if draws else (value, value)
    return Curve(shares, value, np.minimum(low, value), np.maximum(high, value), "EUR")
