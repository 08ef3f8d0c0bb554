"""Measures whom a model version calls, by protected group, with intervals.

The limits and the reasons are in `core.quality.fairness_policy`, which the web app reads without this module.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import NormalDist
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bank_assets.contract.contract import Contract
from bank_assets.core.arrays import BoolArray, FloatArray, Rows, central_interval
from bank_assets.core.drift.statistics import wilson_interval
from bank_assets.core.economics.economics import Economics
from bank_assets.core.quality.fairness_policy import (
    CALIBRATION,
    LEVEL,
    SELECTION_RATE,
    TRUE_POSITIVE_RATE,
    UNKNOWN,
    FairnessPolicy,
    FairnessReport,
    Finding,
    findings_of,
)

AGE_BANDS: Final = ((16, 24), (25, 34), (35, 44), (45, 54), (55, 64), (65, 120))
RESAMPLES: Final = 200
SEED: Final = 0
UNDEFINED: Final[Mapping[str, None]] = {"value": None, "low": None, "high": None}


class FairnessError(ValueError):
    """Scores, outcomes and groups do not fit together."""


def age_band(age: ArrayLike) -> NDArray[np.str_]:
    """Return the band of each age in years, (n,); "unknown" outside all bands."""
    years = np.asarray(age, dtype=np.float64)
    bands = np.full(years.shape, UNKNOWN, dtype="U16")
    for low, high in AGE_BANDS:
        bands[(years >= low) & (years < high + 1)] = f"{low}-{high}" if high < AGE_BANDS[-1][1] else f"{low}+"
    return bands


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

    `proba` is calibrated and made before the outcomes, (n,). The contract names the protected columns; numeric ones are
    ages and reported in bands of years.
    """
    policy = policy or FairnessPolicy()
    scores, outcomes = np.asarray(proba, dtype=np.float64), np.asarray(is_subscribed).astype(bool)
    called = np.asarray(is_called).astype(bool)
    protected = contract.protected_columns
    missing = [name for name in protected if name not in rows]
    if missing:
        raise FairnessError(f"fairness: expected the protected columns {list(protected)}, missing {missing}.")
    lengths = {len(scores), len(outcomes), len(called), *(len(rows[name]) for name in protected)}
    if lengths == {0} or len(lengths) != 1:
        raise FairnessError(f"fairness: expected as many outcomes, calls and groups as scores, found {lengths}.")
    profit = economics.profit(called, outcomes, rows)
    groups: dict[str, dict[str, Any]] = {}
    findings: list[Finding] = []
    for column in protected:
        values = rows[column]
        names = age_band(values) if column in contract.numeric_columns else np.asarray(values).astype(str)
        groups[column] = {}
        for name, share in _profit_shares(profit, names).items():
            of = names == name
            groups[column][name] = _measures(scores[of], outcomes[of], called[of]) | {"profit_share": share}
        findings += findings_of(column, groups[column], policy)
    return FairnessReport(groups, tuple(findings), policy, economics)


def _measures(scores: FloatArray, outcomes: BoolArray, called: BoolArray) -> dict[str, Any]:
    """The measures of one group, except its share of the profit."""
    n_contacts, n_called, n_subscribed = len(scores), int(called.sum()), int(outcomes.sum())
    n_found, expected = int((called & outcomes).sum()), float(scores.sum())
    noise = NormalDist().inv_cdf((1.0 + LEVEL) / 2.0) * math.sqrt(float((scores * (1 - scores)).sum()))
    ends = (max(n_subscribed - noise, 0.0), n_subscribed + noise)
    return {
        "n_contacts": n_contacts,
        "n_called": n_called,
        "n_subscribed": n_subscribed,
        SELECTION_RATE: _rate(n_called, n_contacts),
        TRUE_POSITIVE_RATE: _rate(n_found, n_subscribed),
        CALIBRATION: _measure(n_subscribed / expected, *(end / expected for end in ends)) if expected else UNDEFINED,
    }


def _rate(part: int, whole: int) -> Mapping[str, float | None]:
    return _measure(part / whole, *wilson_interval(part, whole, LEVEL)) if whole else UNDEFINED


def _measure(value: float, low: float, high: float) -> Mapping[str, float | None]:
    return {"value": float(value), "low": float(low), "high": float(high)}


def _profit_shares(profit: FloatArray, names: NDArray[Any]) -> dict[str, Mapping[str, float | None]]:
    """Each group's share of the total profit; undefined unless the total is positive."""
    labels, codes = np.unique(names, return_inverse=True)
    totals = np.bincount(codes, weights=profit)
    if totals.sum() <= 0.0:
        return dict.fromkeys(labels.tolist(), UNDEFINED)
    random = np.random.Generator(np.random.PCG64(SEED))
    draws = [random.integers(0, len(profit), len(profit)) for _ in range(RESAMPLES)]
    sums = [np.bincount(codes[rows], weights=profit[rows], minlength=len(labels)) for rows in draws]
    shares = totals / totals.sum()
    low, high = central_interval([one / one.sum() for one in sums if one.sum() > 0.0] or [shares], LEVEL)
    ends = zip(shares, np.minimum(low, shares), np.maximum(high, shares), strict=True)
    return {label: _measure(*one) for label, one in zip(labels.tolist(), ends, strict=True)}
