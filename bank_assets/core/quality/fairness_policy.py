"""The fairness policy: limits by protected group, what exceeds them, and the reasons on record.

What lives here: limits, findings, the report and its form as promotion evidence.
What must not: measuring (`core.quality.fairness`), gates (`core.promotion.gates` attaches the evidence).
Called by `core.quality.fairness`, promotion and the model page; standard library only.

Policy. Age and marital status are inputs, since they change what a customer wants; a call is an offer, not a refusal.
Three things are watched for each group against the policy's limits:
* selection rate: at least `selection_ratio` of that of the most called group (the four-fifths rule of thumb);
* true positive rate: customers who would subscribe are called in at least `tpr_ratio` of the best group's share
  (equal opportunity);
* calibration: observed / expected subscriptions between `calibration_low` and `calibration_high`: probabilities mean
  the same for each group. This one has no standing reason: it is an error of the model, not a difference of customers.
A limit counts as exceeded if the 90 % interval lies beyond it, and as watched if the estimate alone does. Groups with
fewer than `minimum_contacts` contacts or `minimum_subscribed` subscribers are shown and not judged. An exceeded limit
needs a reason on record; the policy's standing reasons count only while the column's calibration is within its limits.
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
    """Limits, see the module's docstring.

    Attributes:
        selection_ratio: smallest allowed ratio of a group's selection rate to the largest.
        tpr_ratio: smallest allowed ratio of a group's true positive rate to the largest.
        calibration_low: smallest allowed observed / expected.
        calibration_high: largest allowed observed / expected.
        minimum_contacts: smaller groups are not judged.
        minimum_subscribed: groups with fewer subscribers are not judged.
        standing_reasons: reasons on record, by "measure:column".
    """

    selection_ratio: float = 0.8
    tpr_ratio: float = 0.8
    calibration_low: float = 0.8
    calibration_high: float = 1.25
    minimum_contacts: int = 100
    minimum_subscribed: int = 20
    standing_reasons: Mapping[str, str] = field(default_factory=lambda: STANDING_REASONS)

    def to_dict(self) -> dict[str, float | int]:
        """Limits in JSON form."""
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
    """A limit that a group is beyond.

    Attributes:
        measure: selection_rate, true_positive_rate or calibration.
        column: protected column.
        group: value or band.
        value: estimate.
        low: lower end of its interval.
        high: upper end of its interval.
        limit: the limit it is beyond.
        is_exceeded: True if the whole interval is beyond the limit; False if it is only watched.
        reason: reason on record, None if there is none.
    """

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
        """JSON form."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class FairnessReport:
    """Report of one model version.

    Attributes:
        groups: by column, by group: `n_contacts`, `n_called`, `n_subscribed`, and `selection_rate`,
            `true_positive_rate`, `calibration`, `profit_share`, each with `value`, `low`, `high` (None if undefined).
        findings: limits that groups are beyond.
        policy: the limits.
        economics: what the calls were decided with.
    """

    groups: Mapping[str, Mapping[str, Mapping[str, Any]]]
    findings: tuple[Finding, ...]
    policy: FairnessPolicy
    economics: Economics

    @property
    def exceeded(self) -> tuple[Finding, ...]:
        """Limits exceeded beyond doubt."""
        return tuple(finding for finding in self.findings if finding.is_exceeded)

    @property
    def status(self) -> str:
        """within_limits, exceeded_with_reason, or exceeded (at least one without a reason on record)."""
        if not self.exceeded:
            return "within_limits"
        return "exceeded_with_reason" if all(finding.reason for finding in self.exceeded) else "exceeded"

    def evidence(self, reason: str | None = None) -> dict[str, Any]:
        """JSON form for the promotion's evidence.

        Args:
            reason: a person's reason for exceeding what has no standing reason; recorded as given.
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
    """Limits that groups of a column are beyond; `groups` as in `FairnessReport`."""
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
