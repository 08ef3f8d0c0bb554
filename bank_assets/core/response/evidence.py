"""Measures what the response policy judges, on a day, from scored contacts and daily profiles.

What lives here: `gather`, from arrays to `Evidence`.
What must not: limits and answers (`core.response.assessment`), scoring.
Called by the response sensor (from `contact_scores` and the stored daily profiles) and by the replay.

The probabilities are those before the day's intercept (`unshifted_proba`): the intercept would hide that the model
itself has moved away, and it is the model that a refit replaces.
"""

from __future__ import annotations

import math
from datetime import date, timedelta

import numpy as np

from bank_assets.core.arrays import BoolArray, FloatArray
from bank_assets.core.drift.covariate_shift import Reference, excess_variation
from bank_assets.core.drift.daily_profiles import DailyProfiles
from bank_assets.core.model.calibration import intercept_as_of
from bank_assets.core.quality import metrics
from bank_assets.core.quality.performance import ScoredContacts
from bank_assets.core.response.policy import Evidence, ResponsePolicy, ResponseState


def gather(
    scored: ScoredContacts,
    daily: DailyProfiles,
    reference: Reference,
    state: ResponseState,
    as_of: np.datetime64,
    *,
    shift_before: float = 0.0,
    weights: FloatArray | None = None,
    policy: ResponsePolicy | None = None,
) -> Evidence:
    """Measure calibration, ranking and covariates of the model in force.

    Args:
        scored: contacts with the unshifted probability they had on their day, and their outcomes.
        daily: contacts per day, column and value.
        reference: what the model in force learned from.
        state: tells since when which model decides.
        as_of: the as-of day; nothing of it or later enters.
        shift_before: intercept in force until now.
        weights: inverse probability of having learned the outcome, (n,), 0 for never; default 1.
        policy: windows and minimum samples.

    Returns:
        The evidence; without a model only the intercept is measured.
    """
    limits = policy or ResponsePolicy()
    usable, weight = _usable(scored, weights, as_of)
    shift_now = known_intercept(scored, weights, as_of)
    if state.deployed_on is None or state.first_deployed_on is None:
        return Evidence(as_of, shift_before=shift_before, shift_now=shift_now)
    start = as_of - np.timedelta64(limits.window_days, "D")
    own = usable & (scored.contact_dates >= max(start, np.datetime64(state.deployed_on, "D")))
    proba, observed, w = scored.proba[own], scored.is_subscribed[own].astype(np.float64), weight[own]
    yes = int(observed.sum())
    ranked = len(proba) >= limits.minimum_ranked and min(yes, len(proba) - yes) >= limits.minimum_of_class
    contacts, excess = _covariates(
        daily, reference, max(start, np.datetime64(state.first_deployed_on, "D")), as_of, limits
    )
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
    """The intercept for decisions of a day, from the outcomes known on it.

    Args:
        scored: as for `gather`.
        weights: as for `gather`.
        as_of: the day.
    """
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
