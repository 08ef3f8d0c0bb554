"""Fits calibrators: Platt scaling with shrinkage, and the recency-weighted intercept ("recalibration") of each day.

Each day gets an intercept and not a full calibrator: a subscription rate that moves from 3 % to 55 % moves all log-odds
alike, while slope and shape change slowly. One number needs few outcomes (measured in the replay, docs/adr/).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from bank_assets.core.arrays import BoolArray, DayArray, FloatArray
from bank_assets.core.model.scorer import expit, logit
from bank_assets.core.quality.metrics import log_loss_rows

INTERCEPT_HALF_LIFE_DAYS: Final = 10.0
INTERCEPT_PRIOR: Final = 3.0
"""Precision of the prior that the intercept is zero, in units of Fisher information (p(1-p) summed over contacts)."""
SLOPE_PRIOR: Final = 20.0
"""Precision of the prior that the slope is one, in the same units times the variance of the log-odds."""
SLOPE_BOUNDS: Final = (0.2, 3.0)
"""A slope outside says that the sample ranks by chance; the bound keeps the ranking and the intercept does the rest."""
MAXIMUM_SHIFT: Final = 3.0
"""Largest |intercept|: beyond a factor of 20 in the odds a refit is due, not a shift."""


def fit_intercept(
    raw: FloatArray, is_subscribed: BoolArray, weights: FloatArray, *, maximum: float = MAXIMUM_SHIFT
) -> float:
    """Fit the shift of the log-odds that makes expected equal observed, shrunk to zero; 0 without contacts.

    `raw` holds probabilities made before the outcomes, (n,). Newton's method on the penalised likelihood.
    """
    if len(raw) == 0:
        return 0.0
    log_odds = logit(raw)
    target = is_subscribed.astype(np.float64)
    shift = 0.0
    for _ in range(25):
        proba = expit(log_odds + shift)
        gradient = float((weights * (target - proba)).sum()) - INTERCEPT_PRIOR * shift
        curvature = float((weights * proba * (1.0 - proba)).sum()) + INTERCEPT_PRIOR
        step = float(np.clip(gradient / curvature, -1.0, 1.0))
        shift = float(np.clip(shift + step, -maximum, maximum))
        if abs(step) < 1e-10:
            break
    return shift


def intercept_as_of(
    raw: FloatArray,
    is_subscribed: BoolArray,
    known_on: DayArray,
    contact_dates: DayArray,
    as_of: np.datetime64,
    half_life_days: float = INTERCEPT_HALF_LIFE_DAYS,
    *,
    weights: FloatArray | None = None,
) -> float:
    """Fit the intercept (log-odds) for decisions of one day, from outcomes known on it, weighted by recency.

    Args:
        raw: probabilities made before the outcomes, (n,).
        is_subscribed: outcomes, (n,).
        known_on: first day on which each outcome is usable, (n,).
        contact_dates: day of each call, (n,).
        as_of: the day.
        half_life_days: age at which a contact counts half.
        weights: inverse probability of having learned each outcome, (n,); default 1.
    """
    recent, recency = _recent(known_on, contact_dates, as_of, half_life_days)
    return fit_intercept(raw[recent], is_subscribed[recent], recency if weights is None else recency * weights[recent])


def _recent(
    known_on: DayArray, contact_dates: DayArray, as_of: np.datetime64, half_life_days: float
) -> tuple[BoolArray, FloatArray]:
    """The contacts that an intercept of `as_of` rests on, (n,), and their recency weights, (n_recent,)."""
    age = (as_of - contact_dates).astype(np.float64)
    recent = (known_on <= as_of) & (contact_dates < as_of) & (age <= 8.0 * half_life_days)
    return recent, 0.5 ** (age[recent] / half_life_days)


@dataclass(frozen=True, slots=True)
class Recalibration:
    """One day's new intercept beside the former one, with their log losses weighted by recency.

    The new intercept was fitted on the outcomes of both losses, so they describe it and do not test it.
    """

    contacts: int
    shift_before: float
    shift_after: float
    log_loss_before: float | None
    log_loss_after: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form, part of the published as-of state."""
        return asdict(self)


def recalibrate(
    raw: FloatArray,
    is_subscribed: BoolArray,
    known_on: DayArray,
    contact_dates: DayArray,
    as_of: np.datetime64,
    shift_before: float,
    half_life_days: float = INTERCEPT_HALF_LIFE_DAYS,
) -> Recalibration:
    """Fit the intercept of a day and compare it with the former one; arguments as in `intercept_as_of`."""
    shift = intercept_as_of(raw, is_subscribed, known_on, contact_dates, as_of, half_life_days)
    recent, recency = _recent(known_on, contact_dates, as_of, half_life_days)

    def loss(by: float) -> float | None:
        rows = log_loss_rows(is_subscribed[recent], expit(logit(raw[recent]) + by))
        return float(np.average(rows, weights=recency)) if len(rows) else None

    return Recalibration(int(recent.sum()), shift_before, shift, loss(shift_before), loss(shift))


def recalibrated_day_by_day(
    raw: FloatArray, is_subscribed: BoolArray, known_on: DayArray, contact_dates: DayArray, days: DayArray
) -> FloatArray:
    """Apply each day's own intercept to that day's predictions, as production does.

    `raw` is NaN where nothing was predicted; `days` are sorted and unique. The result, (n,), is NaN outside `days`.
    """
    result = np.full(len(raw), np.nan)
    usable = ~np.isnan(raw)
    for day in days:
        today = usable & (contact_dates == day)
        shift = intercept_as_of(raw[usable], is_subscribed[usable], known_on[usable], contact_dates[usable], day)
        result[today] = expit(logit(raw[today]) + shift)
    return result


def fit_affine(raw: FloatArray, is_subscribed: BoolArray, weights: FloatArray | None = None) -> dict[str, Any]:
    """Fit Platt scaling on out-of-sample predictions, with the slope shrunk to one.

    Returns a step `{"kind": "affine", "slope": …, "intercept": …}` for the `calibrator` of decision.json: the identity
    without contacts or with one class only.
    """
    identity = {"kind": "affine", "slope": 1.0, "intercept": 0.0}
    if len(raw) == 0 or bool(is_subscribed.all()) or not bool(is_subscribed.any()):
        return identity
    weight = np.ones(len(raw)) if weights is None else weights
    log_odds = logit(raw)
    design = np.column_stack([log_odds, np.ones(len(raw))])
    penalty = np.diag([SLOPE_PRIOR * (float(np.var(log_odds)) or 1.0), INTERCEPT_PRIOR])
    prior = np.array([1.0, 0.0])
    sign = np.where(is_subscribed, -1.0, 1.0)

    def loss(beta: FloatArray) -> float:
        away = beta - prior
        return float((weight * np.logaddexp(0.0, sign * (design @ beta))).sum() + 0.5 * away @ penalty @ away)

    beta = prior.copy()
    for _ in range(50):
        proba = expit(design @ beta)
        gradient = design.T @ (weight * (is_subscribed - proba)) - penalty @ (beta - prior)
        curvature = (design * (weight * proba * (1.0 - proba))[:, None]).T @ design + penalty
        step = np.linalg.solve(curvature, gradient)
        # A full Newton step overshoots where the model is far off (a base rate that jumped), so it is halved until
        # the loss falls.
        size, before = 1.0, loss(beta)
        while loss(beta + size * step) > before and size > 1e-6:
            size /= 2.0
        beta = beta + size * step
        if float(np.abs(size * step).max()) < 1e-10:
            break
    slope, intercept = float(np.clip(beta[0], *SLOPE_BOUNDS)), float(beta[1])
    if slope != beta[0]:  # the intercept belonged to the other slope: mean 0.52 instead of 0.60 was seen
        intercept = fit_intercept(expit(slope * log_odds), is_subscribed, weight, maximum=np.inf)
    return {"kind": "affine", "slope": slope, "intercept": intercept}
