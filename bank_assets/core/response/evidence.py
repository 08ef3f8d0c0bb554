"""Measures what the response policy judges on a day, from scored contacts and daily profiles.

It uses the probabilities before the day's intercept, because that intercept would hide a decay of the model itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from bank_assets.core.arrays import BoolArray, FloatArray
from bank_assets.core.drift.covariate_shift import Reference, excess_variation
from bank_assets.core.drift.daily_profiles import DailyProfiles
from bank_assets.core.model.calibration import intercept_as_of
from bank_assets.core.quality import metrics
from bank_assets.core.quality.performance import ScoredContacts
from bank_assets.core.response.policy import Evidence, ResponsePolicy, ResponseState


@dataclass(frozen=True, slots=True)
class KnownFacts:
    """What is known as of a day.

    Attributes:
        scored: contacts with the unshifted probability of their day, and their outcomes.
        daily: contacts per day, column and value.
        reference: what the model in force learned from.
        weights: inverse probability of having learned each outcome, (n,), 0 for never; None for 1.
    """

    scored: ScoredContacts
    daily: DailyProfiles
    reference: Reference
    weights: FloatArray | None = None


def gather(
    known: KnownFacts,
    state: ResponseState,
    as_of: np.datetime64,
    *,
    shift_before: float = 0.0,
    policy: ResponsePolicy | None = None,
) -> Evidence:
    """Measure calibration, ranking and covariates of the model in force; without a model only the intercept.

    Nothing of the day `as_of` or later enters. `shift_before` is the intercept in force until now, log-odds.
    """
    limits, scored = policy or ResponsePolicy(), known.scored
    usable, weight = _usable(scored, known.weights, as_of)
    shift_now = known_intercept(scored, known.weights, as_of)
    if state.deployed_on is None or state.first_deployed_on is None:
        return Evidence(as_of, shift_before=shift_before, shift_now=shift_now)
    start = as_of - np.timedelta64(limits.window_days, "D")
    own = usable & (scored.contact_dates >= max(start, np.datetime64(state.deployed_on, "D")))
    proba, observed, w = scored.proba[own], scored.is_subscribed[own].astype(np.float64), weight[own]
    yes = int(observed.sum())
    ranked = len(proba) >= limits.minimum_ranked and min(yes, len(proba) - yes) >= limits.minimum_of_class
    first = max(start, np.datetime64(state.first_deployed_on, "D"))
    contacts, excess = _covariates(known.daily, known.reference, first, as_of, limits)
    return Evidence(
        as_of=as_of,
        outcomes=len(proba),
        observed=float((w * observed).sum()),
        expected=float((w * proba).sum()),
        standard_error=math.sqrt(float((w**2 * proba * (1.0 - proba)).sum())),
        contacts=contacts,
        excess=excess,
        roc_auc=metrics.roc_auc(observed, proba) if ranked else None,
        roc_auc_error=metrics.roc_auc_standard_error(observed, proba) if ranked else None,
        shift_before=shift_before,
        shift_now=shift_now,
    )


def known_intercept(scored: ScoredContacts, weights: FloatArray | None, as_of: np.datetime64) -> float:
    """The intercept, log-odds, for the decisions of a day, from the outcomes known on it; weights: see `KnownFacts`."""
    usable, weight = _usable(scored, weights, as_of)
    return intercept_as_of(
        scored.proba[usable],
        scored.is_subscribed[usable],
        scored.known_on[usable],
        scored.contact_dates[usable],
        as_of,
        weights=weight[usable],
    )


def _usable(scored: ScoredContacts, weights: FloatArray | None, as_of: np.datetime64) -> tuple[BoolArray, FloatArray]:
    weight = np.ones(len(scored.proba)) if weights is None else weights
    known = (scored.known_on <= as_of) & (scored.contact_dates < as_of)
    return ~np.isnan(scored.proba) & known & (weight > 0.0), weight


def _covariates(
    daily: DailyProfiles, reference: Reference, first: np.datetime64, as_of: np.datetime64, policy: ResponsePolicy
) -> tuple[int, dict[str, float]]:
    begin, end = np.searchsorted(daily.days, first, "left"), np.searchsorted(daily.days, as_of, "left")
    contacts = int(daily.rows[begin:end].sum()) if begin < end else 0
    if contacts < policy.minimum_contacts:
        return contacts, {}
    first_day: date = first.astype(date)
    last_day: date = as_of.astype(date) - timedelta(days=1)
    return contacts, excess_variation(reference, daily.window(first_day, last_day))
