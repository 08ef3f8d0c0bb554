"""Measures whom a model version calls, by protected group, and judges the measures by limits.

Protected columns are inputs, because they change what a customer wants; a call is an offer, not a refusal. Three
measures of each group are judged:

* selection rate, against that of the most called group (the four-fifths rule of thumb);
* true positive rate, against that of the best group (equal opportunity);
* calibration, observed / expected subscriptions. It has no standing reason: it is an error of the model, not a
  difference between customers.

A limit is exceeded if the whole 90 % interval lies beyond it, and watched if only the estimate does. An exceeded limit
needs a reason on record. Standing reasons count only while the column's calibration is within its limits.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bank_assets.contract.contract import Contract
from bank_assets.core.arrays import BoolArray, FloatArray, central_interval, effective_size
from bank_assets.core.drift.statistics import wilson_interval
from bank_assets.core.economics.economics import Economics
from bank_assets.core.quality.objective import Cohort

LEVEL: Final = 0.9
"""Nominal coverage of every interval."""
UNKNOWN: Final = "unknown"
SELECTION_RATE: Final = "selection_rate"
TRUE_POSITIVE_RATE: Final = "true_positive_rate"
CALIBRATION: Final = "calibration"
AGE_BANDS: Final = ((16, 24), (25, 34), (35, 44), (45, 54), (55, 64), (65, 120))
RESAMPLES: Final = 200
SEED: Final = 0
UNDEFINED: Final[Mapping[str, None]] = {"value": None, "low": None, "high": None}
LIMITS: Final = {
    # Ratios are to the largest rate of any group
    "selection_ratio": 0.8,
    "tpr_ratio": 0.8,
    "calibration_low": 0.8,
    "calibration_high": 1.25,
    # Smaller groups are shown but not judged
    "minimum_contacts": 100,
    "minimum_subscribed": 20,
}
STANDING_REASONS: Final[Mapping[str, str]] = {
    SELECTION_RATE: "Interest differs between the groups. They are called as their calibrated probabilities say.",
    TRUE_POSITIVE_RATE: "With one break-even for all, a group of lower interest has fewer of its subscribers above it. "
    "The probabilities are calibrated in each group.",
}


class FairnessError(ValueError):
    """Scores, outcomes and groups do not fit together."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A group beyond a limit: exceeded if the whole interval is beyond it, else only watched."""

    measure: str
    column: str
    group: str
    value: float
    low: float
    high: float
    limit: float
    is_exceeded: bool
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class FairnessReport:
    """Report of one model version.

    `groups` holds, by column and group, the counts `n_contacts`, `n_called`, `n_subscribed`, and `selection_rate`,
    `true_positive_rate`, `calibration` and `profit_share`, each with `value`, `low` and `high` (None if undefined).
    Groups of weighted contacts also have `n_contacts_effective` and `n_subscribed_effective`, by which they are judged.
    """

    groups: Mapping[str, Mapping[str, Mapping[str, Any]]]
    findings: tuple[Finding, ...]
    economics: Economics

    @property
    def exceeded(self) -> tuple[Finding, ...]:
        """The findings whose whole interval is beyond the limit."""
        return tuple(finding for finding in self.findings if finding.is_exceeded)

    @property
    def status(self) -> str:
        """within_limits, exceeded_with_reason, or exceeded (at least one finding has no reason on record)."""
        if not self.exceeded:
            return "within_limits"
        return "exceeded_with_reason" if all(finding.reason for finding in self.exceeded) else "exceeded"

    def evidence(self) -> dict[str, Any]:
        """Return the JSON form for the promotion's evidence."""
        return {
            "status": self.status,
            "reason": None,  # earlier releases could record a person's reason here
            "groups": self.groups,
            "findings": [asdict(finding) for finding in self.findings],
            "policy": LIMITS,
            "economics": self.economics.to_dict(),
            "level": LEVEL,
        }


def age_band(age: ArrayLike) -> NDArray[np.str_]:
    """Return the band of each age in years, (n,); "unknown" outside all bands."""
    years = np.asarray(age, dtype=np.float64)
    bands = np.full(years.shape, UNKNOWN, dtype="U16")
    for low, high in AGE_BANDS:
        bands[(years >= low) & (years < high + 1)] = f"{low}-{high}" if high < AGE_BANDS[-1][1] else f"{low}+"
    return bands


def fairness_report(cohort: Cohort, proba: FloatArray, called: BoolArray, contract: Contract) -> FairnessReport:
    """Report a model version's calls by protected group.

    `proba` is calibrated and made before the outcomes, (n,). The contract names the protected columns; numeric ones are
    ages and reported in bands of years.
    """
    rows, outcomes, protected = cohort.rows, cohort.observed, contract.protected_columns
    missing = [name for name in protected if name not in rows]
    if missing:
        raise FairnessError(f"fairness: expected the protected columns {list(protected)}, missing {missing}.")
    lengths = {len(proba), len(outcomes), len(called), *(len(rows[name]) for name in protected)}
    if lengths == {0} or len(lengths) != 1:
        raise FairnessError(f"fairness: expected as many outcomes, calls and groups as scores, found {lengths}.")
    profit = cohort.w * cohort.profit(called)
    groups: dict[str, dict[str, Any]] = {}
    findings: list[Finding] = []
    for column in protected:
        values = rows[column]
        names = age_band(values) if column in contract.numeric_columns else np.asarray(values).astype(str)
        groups[column] = {}
        for name, share in _profit_shares(profit, names).items():
            of = names == name
            measured = _measures(proba[of], outcomes[of], called[of], cohort.w[of]) | {"profit_share": share}
            if cohort.weights is not None:
                measured |= _effective_sizes(outcomes[of], cohort.weights[of])
            groups[column][name] = measured
        findings += _findings_of(column, groups[column])
    return FairnessReport(groups, tuple(findings), cohort.economics)


def _measures(scores: FloatArray, outcomes: BoolArray, called: BoolArray, w: FloatArray) -> dict[str, Any]:
    """The measures of one group, except its share of the profit."""
    expected, observed = float((w * scores).sum()), float(w[outcomes].sum())
    noise = NormalDist().inv_cdf((1.0 + LEVEL) / 2.0) * math.sqrt(float((w**2 * (scores * (1 - scores))).sum()))
    ends = (max(observed - noise, 0.0), observed + noise)
    return {
        "n_contacts": len(scores),
        "n_called": int(called.sum()),
        "n_subscribed": int(outcomes.sum()),
        SELECTION_RATE: _rate(called, w),
        TRUE_POSITIVE_RATE: _rate(called[outcomes], w[outcomes]),
        CALIBRATION: _measure(observed / expected, *(end / expected for end in ends)) if expected else UNDEFINED,
    }


def _effective_sizes(outcomes: BoolArray, weights: FloatArray) -> dict[str, float]:
    subscribed = effective_size(weights[outcomes])
    return {"n_contacts_effective": effective_size(weights), "n_subscribed_effective": subscribed}


def _rate(part: BoolArray, w: FloatArray) -> Mapping[str, float | None]:
    if not len(part):
        return UNDEFINED
    found, size = float(w[part].sum()), effective_size(w)
    scale = size / float(w.sum())
    return _measure(found / float(w.sum()), *wilson_interval(found * scale, size, LEVEL))


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


def _findings_of(column: str, groups: Mapping[str, Mapping[str, Any]]) -> list[Finding]:
    """List the groups of a column beyond a limit; `groups` as in `FairnessReport`."""
    known = {name: group for name, group in groups.items() if name != UNKNOWN}
    judged = _with_enough("contacts", known)
    subscribed = _with_enough("subscribed", judged)
    least, most = LIMITS["calibration_low"], LIMITS["calibration_high"]
    findings = []
    for name, group in subscribed.items():
        value, low, high = group[CALIBRATION].values()
        if value is not None and value < least:
            findings.append(Finding(CALIBRATION, column, name, value, low, high, least, high < least))
        elif value is not None and value > most:
            findings.append(Finding(CALIBRATION, column, name, value, low, high, most, low > most))
    is_calibrated = not any(finding.is_exceeded for finding in findings)
    for measure, members, limit in (
        (SELECTION_RATE, judged, LIMITS["selection_ratio"]),
        (TRUE_POSITIVE_RATE, subscribed, LIMITS["tpr_ratio"]),
    ):
        reason = STANDING_REASONS.get(measure) if is_calibrated else None
        findings += _ratio_findings(measure, column, members, limit, reason)
    return findings


def _with_enough(of: str, groups: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    least = LIMITS[f"minimum_{of}"]
    return {name: one for name, one in groups.items() if one.get(f"n_{of}_effective", one[f"n_{of}"]) >= least}


def _ratio_findings(
    measure: str, column: str, groups: Mapping[str, Mapping[str, Any]], limit: float, reason: str | None
) -> list[Finding]:
    """Groups whose rate is too small a part of the largest group's."""
    rates = {name: group[measure] for name, group in groups.items() if group[measure]["value"] is not None}
    best = max(rates.values(), key=lambda rate: float(rate["value"]), default=None)
    if best is None or best["value"] <= 0.0:
        return []
    findings = []
    for name, rate in rates.items():
        ratio, low = rate["value"] / best["value"], rate["low"] / best["high"]
        high = min(rate["high"] / best["low"], 1e9) if best["low"] > 0.0 else 1e9
        if ratio < limit:
            is_exceeded = high < limit
            given = reason if is_exceeded else None
            findings.append(Finding(measure, column, name, ratio, low, high, limit, is_exceeded, given))
    return findings
