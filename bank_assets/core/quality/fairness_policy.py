"""The fairness policy: limits by protected group, findings beyond them, and the reasons on record.

Age and marital status are inputs, because they change what a customer wants; a call is an offer, not a refusal. The
policy watches three measures of each group:

* selection rate, against that of the most called group (the four-fifths rule of thumb);
* true positive rate, against that of the best group (equal opportunity);
* calibration, observed / expected subscriptions. It has no standing reason: it is an error of the model, not a
  difference between customers.

A limit is exceeded if the whole 90 % interval lies beyond it, and watched if only the estimate does. An exceeded limit
needs a reason on record. Standing reasons count only while the column's calibration is within its limits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from bank_assets.core.economics.economics import Economics

LEVEL: Final = 0.9
"""Nominal coverage of every interval."""
UNKNOWN: Final = "unknown"
SELECTION_RATE: Final = "selection_rate"
TRUE_POSITIVE_RATE: Final = "true_positive_rate"
CALIBRATION: Final = "calibration"

STANDING_REASONS: Final[Mapping[str, str]] = {
    "selection_rate:age": "Interest differs by age: students and the retired subscribe more often than others. The "
    "groups are called as their calibrated probabilities say.",
    "selection_rate:marital": "Interest differs by marital status. The groups are called as their calibrated "
    "probabilities say.",
    "true_positive_rate:age": "With one break-even for all, a group of lower interest has fewer of its subscribers "
    "above it. The probabilities are calibrated in each group.",
    "true_positive_rate:marital": "With one break-even for all, a group of lower interest has fewer of its "
    "subscribers above it. The probabilities are calibrated in each group.",
}


@dataclass(frozen=True, slots=True)
class FairnessPolicy:
    """Limits of the fairness measures, and standing reasons by "measure:column".

    Ratios are to the largest rate of any group. Groups below either minimum are shown but not judged.
    """

    selection_ratio: float = 0.8
    tpr_ratio: float = 0.8
    calibration_low: float = 0.8
    calibration_high: float = 1.25
    minimum_contacts: int = 100
    minimum_subscribed: int = 20
    standing_reasons: Mapping[str, str] = field(default_factory=lambda: STANDING_REASONS)

    def to_dict(self) -> dict[str, float | int]:
        """Return the limits in JSON form."""
        return {name: value for name, value in asdict(self).items() if name != "standing_reasons"}


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

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class FairnessReport:
    """Report of one model version.

    `groups` holds, by column and group, the counts `n_contacts`, `n_called`, `n_subscribed`, and `selection_rate`,
    `true_positive_rate`, `calibration` and `profit_share`, each with `value`, `low` and `high` (None if undefined).
    """

    groups: Mapping[str, Mapping[str, Mapping[str, Any]]]
    findings: tuple[Finding, ...]
    policy: FairnessPolicy
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

    def evidence(self, reason: str | None = None) -> dict[str, Any]:
        """Return the JSON form for the promotion's evidence.

        `reason` is a person's reason for exceeding a limit that has no standing reason; it is recorded as given.
        """
        status = self.status
        if status == "exceeded" and reason and reason.strip():
            status = "exceeded_with_reason"
        return {
            "status": status,
            "reason": reason,
            "groups": self.groups,
            "findings": [finding.to_dict() for finding in self.findings],
            "policy": self.policy.to_dict(),
            "economics": self.economics.to_dict(),
            "level": LEVEL,
        }


def findings_of(column: str, groups: Mapping[str, Mapping[str, Any]], policy: FairnessPolicy) -> list[Finding]:
    """List the groups of a column beyond a limit; `groups` as in `FairnessReport`."""
    judged = {name: g for name, g in groups.items() if g["n_contacts"] >= policy.minimum_contacts and name != UNKNOWN}
    subscribed = {name: g for name, g in judged.items() if g["n_subscribed"] >= policy.minimum_subscribed}
    low_limit, high_limit = policy.calibration_low, policy.calibration_high
    findings = []
    for name, group in subscribed.items():
        found = group[CALIBRATION]
        ends = (found["value"], found["low"], found["high"])
        if found["value"] is None:
            continue
        if found["value"] < low_limit:
            findings.append(Finding(CALIBRATION, column, name, *ends, low_limit, found["high"] < low_limit))
        elif found["value"] > high_limit:
            findings.append(Finding(CALIBRATION, column, name, *ends, high_limit, found["low"] > high_limit))
    is_calibrated = not any(finding.is_exceeded for finding in findings)
    for measure, members, limit in (
        (SELECTION_RATE, judged, policy.selection_ratio),
        (TRUE_POSITIVE_RATE, subscribed, policy.tpr_ratio),
    ):
        reason = policy.standing_reasons.get(f"{measure}:{column}") if is_calibrated else None
        findings += _ratio_findings(measure, column, members, limit, reason)
    return findings


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
