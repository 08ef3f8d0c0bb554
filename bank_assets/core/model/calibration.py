"""Fits calibrators: Platt scaling with shrinkage, and the recency-weighted intercept ("recalibration") of each day.

Each day gets an intercept and not a full calibrator, because a rate that moves from 3 % to 55 % moves all log-odds
alike, while slope and shape change slowly. One number needs few outcomes (measured in the replay, docs/adr/).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from bank_assets.core.arrays import BoolArray, DayArray, FloatArray, effective_weights, weights_or_ones
from bank_assets.core.features.contacts import ScoredContacts
from bank_assets.core.model.scorer import expit, logit
from bank_assets.core.quality.metrics import log_loss_rows, logistic_fit

INTERCEPT_HALF_LIFE_DAYS: Final = 10.0
INTERCEPT_DAYS: Final = 80
"""Older contacts, eight half-lives, do not enter an intercept."""
INTERCEPT_PRIOR: Final = 3.0
"""Precision of the prior that the intercept is zero, in units of Fisher information (p(1-p) summed over contacts)."""
SLOPE_PRIOR: Final = 20.0
"""Precision of the prior that the slope is one, in the same units times the variance of the log-odds."""
SLOPE_BOUNDS: Final = (0.2, 3.0)
"""A slope outside means that the sample ranks by chance; the bound keeps the ranking."""
MAXIMUM_SHIFT: Final = 3.0
"""Largest |intercept|: beyond a factor of 20 in the odds a refit is due, not a shift."""


def fit_intercept(
    raw: FloatArray, is_subscribed: BoolArray, weights: FloatArray, *, maximum: float = MAXIMUM_SHIFT
) -> float:
    """Fit the shift of the log-odds that makes expected equal observed, shrunk to zero; 0 without contacts.

    `raw` holds probabilities made before the outcomes, (n,). Newton's method on the penalised likelihood.
    """
    log_odds, shift = logit(raw), 0.0
    for _ in range(25):
        proba = expit(log_odds + shift)
        gradient = float((weights * (is_subscribed - proba)).sum()) - INTERCEPT_PRIOR * shift
        curvature = float((weights * proba * (1.0 - proba)).sum()) + INTERCEPT_PRIOR
        step = float(np.clip(gradient / curvature, -1.0, 1.0))
        shift = float(np.clip(shift + step, -maximum, maximum))
        if abs(step) < 1e-10:
            break
    return shift


def intercept_as_of(scored: ScoredContacts, as_of: np.datetime64) -> float:
    """Fit the intercept (log-odds) for decisions of one day, from outcomes known on it, weighted by recency."""
    recent, weights = _recent(scored, as_of)
    return fit_intercept(recent.proba, recent.is_subscribed, weights)


def _recent(scored: ScoredContacts, as_of: np.datetime64) -> tuple[ScoredContacts, FloatArray]:
    """The contacts that an intercept of `as_of` rests on, and their weights, (n_recent,)."""
    age = (as_of - scored.contact_dates).astype(np.float64)
    is_recent = ~np.isnan(scored.proba) & scored.known_as_of(as_of) & (age <= INTERCEPT_DAYS)
    recent, recency = scored.rows(is_recent), 0.5 ** (age[is_recent] / INTERCEPT_HALF_LIFE_DAYS)
    if recent.weights is not None:
        return recent, recency * effective_weights(recent.weights)
    return recent, recency if recent.counts is None else recency * recent.counts


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


def recalibrate(scored: ScoredContacts, as_of: np.datetime64, shift_before: float) -> Recalibration:
    """Fit the intercept of a day and compare it with the former one."""
    recent, weights = _recent(scored, as_of)
    shift = fit_intercept(recent.proba, recent.is_subscribed, weights)

    def loss(by: float) -> float | None:
        rows = log_loss_rows(recent.is_subscribed, expit(logit(recent.proba) + by))
        return float(np.average(rows, weights=weights)) if len(rows) else None

    return Recalibration(recent.n_contacts, shift_before, shift, loss(shift_before), loss(shift))


def recalibrated_day_by_day(scored: ScoredContacts, days: DayArray, known: ScoredContacts | None = None) -> FloatArray:
    """Apply each day's own intercept to that day's predictions, as production does.

    `days` are sorted and unique. Intercepts rest on `known`, by default the same contacts. The result, (n,), is NaN
    outside `days` and where nothing was predicted.
    """
    result = np.full(len(scored.proba), np.nan)
    for day in days:
        today = scored.contact_dates == day
        result[today] = expit(logit(scored.proba[today]) + intercept_as_of(scored if known is None else known, day))
    return result


def fit_affine(raw: FloatArray, is_subscribed: BoolArray, weights: FloatArray | None = None) -> dict[str, Any]:
    """Fit Platt scaling on out-of-sample predictions, (n,), with the slope shrunk to one.

    Weights count as their effective number beside that prior. Returns a step `{"kind": "affine", "slope": …,
    "intercept": …}` for the `calibrator` of decision.json: the identity without contacts or with one class only.
    """
    if bool(is_subscribed.all()) or not bool(is_subscribed.any()):
        return {"kind": "affine", "slope": 1.0, "intercept": 0.0}
    log_odds, w = logit(raw), effective_weights(weights_or_ones(weights, len(raw)))
    design = np.column_stack([log_odds, np.ones(len(raw))])
    variance = float(np.average((log_odds - np.average(log_odds, weights=w)) ** 2, weights=w))
    penalty = np.diag([SLOPE_PRIOR * (variance or 1.0), INTERCEPT_PRIOR])
    beta, _ = logistic_fit(design, is_subscribed, np.array([1.0, 0.0]), precision=penalty, weights=w)
    slope, intercept = float(np.clip(beta[0], *SLOPE_BOUNDS)), float(beta[1])
    if slope != beta[0]:  # the intercept belonged to the other slope: mean 0.52 instead of 0.60 was seen
        intercept = fit_intercept(expit(slope * log_odds), is_subscribed, w, maximum=np.inf)
    return {"kind": "affine", "slope": slope, "intercept": intercept}
