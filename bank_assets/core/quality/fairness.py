"""Measures whom a model version calls, by protected group, with intervals.

The limits and the reasons are in `core.quality.fairness_policy`. This module needs fairlearn and scikit-learn, so the
web app does not import it.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bank_assets.contract.contract import Contract
from bank_assets.core.arrays import FloatArray, Rows
from bank_assets.core.economics.economics import Economics
from bank_assets.core.quality.fairness_policy import (
    CALIBRATION,
    LEVEL,
    SELECTION_RATE,
    TRUE_POSITIVE_RATE,
    UNKNOWN,
    FairnessPolicy,
    FairnessReport,
    findings_of,
)

AGE_BANDS: Final = ((16, 24), (25, 34), (35, 44), (45, 54), (55, 64), (65, 120))
RESAMPLES: Final = 200
SEED: Final = 0


class FairnessError(ValueError):
    """Scores, outcomes and groups do not fit together."""


def age_band(age: ArrayLike) -> NDArray[np.str_]:
    """Return the band of each age in years, (n,); "unknown" outside all bands."""
    years = np.asarray(age, dtype=np.float64)
    bands = np.full(years.shape, UNKNOWN, dtype="U16")
    for low, high in AGE_BANDS:
        bands[(years >= low) & (years < high + 1)] = f"{low}-{high}" if high < AGE_BANDS[-1][1] else f"{low}+"
    return bands


def wilson(successes: int, n: int, level: float = LEVEL) -> tuple[float, float]:
    """Wilson's score interval of a rate; (0, 1) without trials."""
    if n == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf((1.0 + level) / 2.0)
    rate, scale = successes / n, 1.0 + z * z / n
    middle = (rate + z * z / (2 * n)) / scale
    half = z * math.sqrt(rate * (1.0 - rate) / n + z * z / (4 * n * n)) / scale
    return max(middle - half, 0.0), min(middle + half, 1.0)


def fairness_report(
    proba: ArrayLike,
    is_subscribed: ArrayLike,
    is_called: ArrayLike,
    rows: Rows,
    contract: Contract,
    economics: Economics,
    policy: FairnessPolicy | None = None,
) -> FairnessReport:
    """Report a model version's decisions by protected group.

    Args:
        proba: calibrated probabilities made before the outcomes, (n,).
        is_subscribed: outcomes of all contacts, (n,).
        is_called: the version's decisions, (n,).
        rows: columns of the contacts, each (n,): the protected ones and those that the economics read.
        contract: names the protected columns; numeric ones are ages and reported in bands of years.
        economics: cost and value.
        policy: limits; the default policy if None.

    Raises:
        FairnessError: there are no contacts, lengths differ, or a protected column is missing.
    """
    policy = policy or FairnessPolicy()
    scores, outcomes = np.asarray(proba, dtype=np.float64), np.asarray(is_subscribed).astype(bool)
    called = np.asarray(is_called).astype(bool)
    names_of = contract.protected_columns
    missing = [name for name in names_of if name not in rows]
    if missing:
        raise FairnessError(f"fairness: expected the protected columns {list(names_of)}, missing {missing}.")
    lengths = {len(scores), len(outcomes), len(called), *(len(rows[name]) for name in names_of)}
    if lengths == {0} or len(lengths) != 1:
        raise FairnessError(f"fairness: expected as many outcomes, calls and groups as scores, found {lengths}.")
    profit = economics.profit(called, outcomes, rows)
    groups, findings = {}, []
    for column in names_of:
        values = rows[column]
        names = age_band(values) if column in contract.numeric_columns else np.asarray([str(v) for v in values])
        groups[column] = _by_group(scores, outcomes, called, names, profit)
        findings += findings_of(column, groups[column], policy)
    return FairnessReport(groups, tuple(findings), policy, economics)


def _by_group(
    scores: FloatArray,
    outcomes: NDArray[np.bool_],
    called: NDArray[np.bool_],
    names: NDArray[Any],
    profit: FloatArray,
) -> dict[str, dict[str, Any]]:
    from fairlearn.metrics import MetricFrame, count, mean_prediction, selection_rate, true_positive_rate

    decisions = MetricFrame(
        metrics={"count": count, SELECTION_RATE: selection_rate, TRUE_POSITIVE_RATE: true_positive_rate},
        y_true=outcomes.astype(int),
        y_pred=called.astype(int),
        sensitive_features=names,
    ).by_group
    expected = MetricFrame(
        metrics=mean_prediction, y_true=outcomes.astype(int), y_pred=scores, sensitive_features=names
    ).by_group
    report: dict[str, dict[str, Any]] = {}
    for name in map(str, decisions.index):
        rows = names == name
        n_contacts, n_subscribed = int(decisions.loc[name, "count"]), int(outcomes[rows].sum())
        expected_total = float(expected.loc[name]) * n_contacts
        noise = NormalDist().inv_cdf((1.0 + LEVEL) / 2.0) * math.sqrt(float((scores[rows] * (1 - scores[rows])).sum()))
        report[name] = {
            "n_contacts": n_contacts,
            "n_called": int(called[rows].sum()),
            "n_subscribed": n_subscribed,
            SELECTION_RATE: _measure(
                float(decisions.loc[name, SELECTION_RATE]), *wilson(int(called[rows].sum()), n_contacts)
            ),
            TRUE_POSITIVE_RATE: _measure(
                float(decisions.loc[name, TRUE_POSITIVE_RATE]) if n_subscribed else None,
                *wilson(int((called & outcomes)[rows].sum()), n_subscribed),
            ),
            CALIBRATION: _measure(
                n_subscribed / expected_total if expected_total > 0 else None,
                max(n_subscribed - noise, 0.0) / expected_total if expected_total > 0 else 0.0,
                (n_subscribed + noise) / expected_total if expected_total > 0 else math.inf,
            ),
        }
    for name, share in _profit_shares(profit, names, list(report)).items():
        report[name]["profit_share"] = share
    return report


def _measure(value: float | None, low: float, high: float) -> dict[str, float | None]:
    if value is None or not math.isfinite(high):
        return {"value": None, "low": None, "high": None}
    return {"value": float(value), "low": float(low), "high": float(high)}


def _profit_shares(profit: FloatArray, names: NDArray[Any], groups: list[str]) -> dict[str, dict[str, float | None]]:
    """Each group's share of the total profit; None where the total is not positive, since shares mean nothing then."""
    code = np.searchsorted(np.asarray(sorted(groups)), names)
    labels = sorted(groups)
    total = float(profit.sum())
    if total <= 0.0:
        return dict.fromkeys(groups, _measure(None, 0.0, 1.0))
    random = np.random.Generator(np.random.PCG64(SEED))
    draws = []
    for _ in range(RESAMPLES):
        rows = random.integers(0, len(profit), len(profit))
        sums = np.bincount(code[rows], weights=profit[rows], minlength=len(labels))
        if sums.sum() > 0.0:
            draws.append(sums / sums.sum())
    tail = (1.0 - LEVEL) / 2.0
    value = np.bincount(code, weights=profit, minlength=len(labels)) / total
    low, high = np.quantile(np.asarray(draws or [value]), [tail, 1.0 - tail], axis=0)
    return {label: _measure(value[k], min(low[k], value[k]), max(high[k], value[k])) for k, label in enumerate(labels)}
