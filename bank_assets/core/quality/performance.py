"""Realised performance on matured outcomes, by week and month, and whether the model has decayed.

All time is data time: days are UTC days, and nothing that became known after the as-of day is used.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import special

from bank_assets.core.arrays import (
    BoolArray,
    DayArray,
    FloatArray,
    effective_rarer,
    effective_size,
    none_if_nan,
)
from bank_assets.core.drift.report import Level, level_of, worst
from bank_assets.core.drift.statistics import observed_expected
from bank_assets.core.economics.economics import Economics
from bank_assets.core.features.contacts import ScoredContacts
from bank_assets.core.quality import metrics
from bank_assets.core.quality.off_policy import LoggedCalls, PolicyValue, policy_value
from bank_assets.core.quality.performance_report import (
    NO_BASELINE,
    Baseline,
    PerformanceReport,
    PerformanceStatus,
    WindowPerformance,
)
from bank_assets.core.words import pct, sample_size


@dataclass(frozen=True, slots=True)
class PerformancePolicy:
    """Thresholds of decay, which needs both an effect and certainty.

    At 300 contacts with 12 % subscribers the AUC has a standard error of 0.05, so a drop alone would raise an alarm in
    one window of six.
    """

    maturity_days: int = 30  # a contact without an outcome after so many days counts as not subscribed
    assumed_limit: float = 0.05  # share of such contacts above which there is no verdict: outcomes are late
    minimum_rows: int = 300  # effective contacts, as the other minimums are
    minimum_of_class: int = 20  # subscribers, and others, that a verdict on ranking needs
    maximum_days: int = 92
    # (moderate, heavy) fall of the AUC below validation; its upper bound must lie below validation too
    ranking_drop: tuple[float, float] = (0.05, 0.1)
    # (moderate, heavy) observed / expected or its inverse; its interval must exclude 1 too
    calibration_ratio: tuple[float, float] = (1.25, 1.5)
    confidence: float = 0.99  # of all intervals; 0.95 would call one window in twenty decayed by chance


def is_matured(contacts: ScoredContacts, as_of: np.datetime64, maturity_days: int) -> BoolArray:
    """Return which contacts have their final outcome on a day, (n,).

    A contact of an earlier day is matured if its outcome is usable by then, or if `maturity_days` passed without one.
    A contact of weight 0 was not called, so it never matures.
    """
    days, wait = contacts.contact_dates, np.timedelta64(maturity_days, "D")
    matured = (days < as_of) & ((contacts.known_on <= as_of) | (days + wait <= as_of))
    return np.asarray(matured if contacts.weights is None else matured & (contacts.weights > 0.0))


def measure_performance(
    contacts: ScoredContacts,
    as_of: Any,
    economics: Economics,
    baseline: Baseline = NO_BASELINE,
    policy: PerformancePolicy = PerformancePolicy(),
    model: str = "champion",
) -> PerformanceReport:
    """Measure realised performance by week and month, and judge the latest window.

    Without a `baseline` (the champion's validation), ranking is not judged. Without a matured contact the report has no
    window and says so.
    """
    day = np.datetime64(as_of, "D")
    before = contacts.contact_dates < day
    scored = ~np.isnan(contacts.proba)
    matured = contacts.rows(before & scored & is_matured(contacts, day, policy.maturity_days))
    listed = comparable(contacts, day, policy.maturity_days)
    listed = listed.rows(~np.isnan(listed.proba))

    def window(name: str, rows: ScoredContacts) -> WindowPerformance:
        measured = _measure(name, rows, day, economics, baseline, policy)
        span = rows.contact_dates.min(), rows.contact_dates.max()
        everyone = everyone_between(listed, *span, day, economics)
        if everyone is None:
            return measured
        profit = everyone.profit_eur.value if everyone.profit_eur and everyone.calls else None
        return replace(measured, everyone=everyone, profit_everyone_eur=profit)

    def windows(names: NDArray[np.str_]) -> tuple[WindowPerformance, ...]:
        return tuple(window(str(name), matured.rows(names == name)) for name in np.unique(names))

    latest = window("latest", _latest(matured, policy)) if len(matured.proba) else None
    return PerformanceReport(
        as_of=str(day),
        model=model,
        message=_message(latest, model, policy),
        level=latest.level if latest else Level.NONE,
        rows=contacts.rows(before & scored).n_contacts,
        matured=matured.n_contacts,
        unscored=contacts.rows(before & ~scored).n_contacts,
        latest=latest,
        weeks=windows(_iso_weeks(matured.contact_dates)),
        months=windows(matured.contact_dates.astype("datetime64[M]").astype(np.str_)),
        economics=economics.to_dict(),
        baseline=baseline,
    )


def comparable(
    contacts: ScoredContacts, as_of: np.datetime64, maturity_days: int = PerformancePolicy().maturity_days
) -> ScoredContacts:
    """Select contacts of lists, of days before `as_of` of which each called contact has its final outcome by then."""
    if contacts.propensity is None:
        return contacts.rows(np.zeros(len(contacts.proba), bool))
    waiting = (contacts.w > 0.0) & ~is_matured(contacts, as_of, maturity_days)
    is_known = ~np.isin(contacts.contact_dates, contacts.contact_dates[waiting]) & (contacts.contact_dates < as_of)
    return contacts.rows(is_known & ~np.isnan(contacts.propensity))


def everyone_between(
    listed: ScoredContacts, first: np.datetime64, last: np.datetime64, as_of: np.datetime64, economics: Economics
) -> PolicyValue | None:
    """Estimate what calling all `comparable` contacts of some days would have earned; None without lists."""
    rows = listed.rows((listed.contact_dates >= first) & (listed.contact_dates <= last))
    if rows.propensity is None:
        return None
    called, known = rows.w > 0.0, rows.is_subscribed & (rows.known_on <= as_of)
    amounts = (np.broadcast_to(one, len(called)) for one in (economics.cost(rows.frame), economics.value(rows.frame)))
    return policy_value(LoggedCalls(rows.propensity, called, known & called, *amounts), np.ones(len(called), bool))


def _iso_weeks(days: DayArray) -> NDArray[np.str_]:
    """ISO week of each day, `2009-W06`, (n,)."""
    distinct, codes = np.unique(days, return_inverse=True)
    names = ["{}-W{:02d}".format(*day.isocalendar()[:2]) for day in distinct.tolist()]
    return np.asarray(names, dtype=np.str_)[codes]


def _latest(matured: ScoredContacts, policy: PerformancePolicy) -> ScoredContacts:
    """Select whole days back from the last matured one until there are enough contacts of each kind."""
    days, codes = np.unique(matured.contact_dates, return_inverse=True)
    y, mass = matured.is_subscribed, matured.mass

    def sizes(of: BoolArray) -> FloatArray:
        """Effective number of such contacts from each day to the last, the last day first."""
        sums, squares = (np.bincount(codes, of * power)[::-1].cumsum() for power in (mass, mass * matured.w))
        return np.asarray(sums * np.divide(sums, squares, out=np.zeros(len(days)), where=squares > 0.0))

    wanted = policy.minimum_of_class
    enough = (sizes(np.ones_like(y)) >= policy.minimum_rows) & (sizes(y) >= wanted) & (sizes(~y) >= wanted)
    back = int(np.argmax(enough)) if enough.any() else days.size - 1
    first = max(days[days.size - 1 - back], days[-1] - np.timedelta64(policy.maximum_days - 1, "D"))
    return matured.rows(matured.contact_dates >= first)


def _measure(
    name: str,
    contacts: ScoredContacts,
    as_of: np.datetime64,
    economics: Economics,
    baseline: Baseline,
    policy: PerformancePolicy,
) -> WindowPerformance:
    proba, w = contacts.proba, contacts.mass
    known = contacts.known_on <= as_of  # False for NaT
    y = contacts.is_subscribed & known
    called = economics.decide(proba, contacts.frame)
    n, effective = contacts.n_contacts, effective_size(contacts.w, contacts.counts)
    subscribed, expected = float(w[y].sum()), float((w * proba).sum())
    scale = effective / float(w.sum())  # sums of weights are no sample size
    ratio, ratio_low, ratio_high = observed_expected(subscribed * scale, expected * scale, effective, policy.confidence)
    reach = float(special.ndtri(0.5 + policy.confidence / 2))
    auc = metrics.roc_auc(y, proba, w)
    half = reach * metrics.roc_auc_standard_error(y, proba, contacts.w, contacts.counts)
    assumed = contacts.rows(~known).n_contacts

    def profit(calls: BoolArray) -> float:
        return float((w * economics.profit(calls, y, contacts.frame)).sum())

    status = _status(effective, n, assumed, baseline, policy)
    ranking = calibration = Level.NONE
    if status in (PerformanceStatus.OK, PerformanceStatus.BASELINE_MISSING):
        calibration = _calibration_level(ratio, ratio_low, ratio_high, policy)
        if baseline.roc_auc is not None and effective_rarer(y, contacts.w, contacts.counts) >= policy.minimum_of_class:
            ranking = _ranking_level(baseline.roc_auc, auc, half, policy)
    return WindowPerformance(
        name=name,
        first_day=str(contacts.contact_dates.min()),
        last_day=str(contacts.contact_dates.max()),
        status=status,
        level=worst(ranking, calibration),
        ranking_level=ranking,
        calibration_level=calibration,
        rows=n,
        assumed_rows=assumed,
        subscribed=round(subscribed * n / float(w.sum())),
        expected_subscribed=expected * (n / float(w.sum())),
        observed_expected=none_if_nan(ratio),
        observed_expected_low=none_if_nan(ratio_low),
        observed_expected_high=none_if_nan(ratio_high),
        roc_auc=none_if_nan(auc),
        roc_auc_low=none_if_nan(max(0.0, auc - half)),
        roc_auc_high=none_if_nan(min(1.0, auc + half)),
        average_precision=none_if_nan(metrics.average_precision(y, proba, w)),
        f1=metrics.f1(y, proba, baseline.f1_threshold, w),
        f1_of_calls=metrics.f1_of_calls(y, called, w),
        brier=metrics.brier(y, proba, w),
        log_loss=metrics.log_loss(y, proba, w),
        calls=round(float(w[called].sum())),
        profit_eur=profit(called),
        profit_everyone_eur=profit(np.ones_like(y)),
        profit_oracle_eur=profit(economics.decide_knowing(y, contacts.frame)),
        effective_rows=None if contacts.weights is None else round(effective),
    )


def _status(
    effective: float, rows: int, assumed: int, baseline: Baseline, policy: PerformancePolicy
) -> PerformanceStatus:
    if effective < policy.minimum_rows:
        return PerformanceStatus.TOO_FEW_ROWS
    if assumed > policy.assumed_limit * rows:
        return PerformanceStatus.OUTCOMES_MISSING
    return PerformanceStatus.OK if baseline.roc_auc is not None else PerformanceStatus.BASELINE_MISSING


def _calibration_level(ratio: float, low: float, high: float, policy: PerformancePolicy) -> Level:
    if math.isnan(ratio) or low <= 1 <= high:
        return Level.NONE
    return level_of(max(ratio, 1 / ratio) if ratio > 0 else math.inf, policy.calibration_ratio)


def _ranking_level(validated: float, auc: float, half: float, policy: PerformancePolicy) -> Level:
    if math.isnan(half) or auc + half >= validated:
        return Level.NONE
    return level_of(validated - auc, policy.ranking_drop)


_LEVEL_WORDS: Final = {Level.NONE: "as expected", Level.MODERATE: "moderately off", Level.HEAVY: "far off"}


def _message(latest: WindowPerformance | None, model: str, policy: PerformancePolicy) -> str:
    if latest is None:
        return f"No verdict on {model}: expected matured outcomes, found none; deliver outcomes or wait for maturity."
    span = f"{latest.first_day}…{latest.last_day}"
    if latest.status is PerformanceStatus.TOO_FEW_ROWS:
        return (
            f"No verdict on {model}: expected at least {policy.minimum_rows} matured contacts in "
            f"{policy.maximum_days} days, found {sample_size(latest.rows, latest.effective_rows)} in {span}; wait for "
            "more."
        )
    if latest.status is PerformanceStatus.OUTCOMES_MISSING:
        return (
            f"No verdict on {model}: expected outcomes of all but {pct(policy.assumed_limit, 0)} of the contacts after "
            f"{policy.maturity_days} days, found {latest.assumed_rows} of {latest.rows} without one in {span}; "
            f"deliver the missing outcomes."
        )
    ratio = "-" if latest.observed_expected is None else f"{latest.observed_expected:.2f}"
    auc = "-" if latest.roc_auc is None else f"{latest.roc_auc:.3f}"
    verdict = "No" if latest.level is Level.NONE else str(latest.level).capitalize()
    calibration, ranking = _LEVEL_WORDS[latest.calibration_level], _LEVEL_WORDS[latest.ranking_level]
    return f"{verdict} decay of {model} in {span}: observed / expected {ratio} ({calibration}), AUC {auc} ({ranking})."
