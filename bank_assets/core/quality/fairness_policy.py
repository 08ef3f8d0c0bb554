"""The fairness policy: limits by protected group, findings beyond them, and the reasons on record.

Age and marital status are inputs, because they change what a customer wants; a call is an offer, not a refusal. The
policy watches three measures of each group:

* selection rate: at least `selection_ratio` of that of the most called group (the four-fifths rule of thumb);
* true positive rate: at least `tpr_ratio` of that of the best group (equal opportunity);
* calibration: observed / expected subscriptions between `calibration_low` and `calibration_high`. There is no standing
  reason for this one: it is an error of the model, not a difference between customers.

A limit is exceeded if the whole 90 % interval lies beyond it, and watched if only the estimate does. Groups with fewer
than `minimum_contacts` contacts or `minimum_subscribed` subscribers are shown but not judged. An exceeded limit needs a
reason on record. Standing reasons count only while the column's calibration is within its limits.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
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
    """Limits of the fairness measures, and standing reasons by "measure:column"; see the module's docstring."""

    selection_ratio: float = 0.8
    tpr_ratio: float = 0.8
    calibration_low: float = 0.8
    calibration_high: float = 1.25
    minimum_contacts: int = 100
    minimum_subscribed: int = 20
    standing_reasons: Mapping[str, str] = field(default_factory=lambda: STANDING_REASONS)

    def to_dict(self) -> dict[str, float | int]:
        """Return the limits in JSON form."""
        return {
            "selection_ratio": self.selection_ratio,
            "tpr_ratio": self.tpr_ratio,
            "calibration_low": self.calibration_low,
            "calibration_high": self.calibration_high,
            "minimum_contacts": self.minimum_contacts,
            "minimum_subscribed": self.minimum_subscribed,
        }


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
        return {name: getattr(self, name) for name in self.__slots__}


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
            "groups": {c: {g: dict(measures) for g, measures in groups.items()} for c, groups in self.groups.items()},
            "findings": [finding.to_dict() for finding in self.findings],
            "policy": self.policy.to_dict(),
            "economics": self.economics.to_dict(),
            "level": LEVEL,
        }


def findings_of(column: str, groups: Mapping[str, Mapping[str, Any]], policy: FairnessPolicy) -> list[Finding]:
    """List the groups of a column beyond a limit; `groups` as in `FairnessReport`."""
    judged = {name: g for name, g in groups.items() if g["n_contacts"] >= policy.minimum_contacts and name != UNKNOWN}
    subscribed = {name: g for name, g in judged.items() if g["n_subscribed"] >= policy.minimum_subscribed}
    calibration = [
        Finding(CALIBRATION, column, name, m["value"], m["low"], m["high"], limit, is_beyond)
        for name, group in subscribed.items()
        if (m := group[CALIBRATION])["value"] is not None
        for limit, is_watched, is_beyond in (
            (policy.calibration_low, m["value"] < policy.calibration_low, m["high"] < policy.calibration_low),
            (policy.calibration_high, m["value"] > policy.calibration_high, m["low"] > policy.calibration_high),
        )
        if is_watched
    ]
    is_calibrated = not any(finding.is_exceeded for finding in calibration)
    findings = list(calibration)
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
    if not rates:
        return []
    best = max(rates.values(), key=lambda rate: float(rate["value"]))
    if best["value"] <= 0.0:
        return []
    findings = []
    for name, rate in rates.items():
        ratio = rate["value"] / best["value"]
        low = rate["low"] / best["high"]
        high = rate["high"] / best["low"] if best["low"] > 0.0 else math.inf
        if ratio < limit:
            is_exceeded = high < limit
            findings.append(
                Finding(
                    measure,
                    column,
                    name,
                    ratio,
                    low,
                    min(high, 1e9),
                    limit,
                    is_exceeded,
                    reason if is_exceeded else None,
                )
            )
    return findings
