"""Limits of the promotion gates, and the verdict that each of them gives.

What lives here: the policy, the kinds of gates, a verdict with its reasons and evidence. What must not: a gate
(`core.promotion.gates`, which also is where others import these from).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

FIRST, PROBATION, REFIT, RECIPE = "first", "probation", "refit", "recipe"


@dataclass(frozen=True, slots=True)
class PromotionPolicy:
    """Limits of the gates.

    Attributes:
        confidence: P(gain > 0) that a gate asks for.
        thresholds: break-even probabilities over which profit is summed for a first model.
        leak_auc: AUC above it without post-contact columns means a leak (0.94 with duration, 0.80 without).
        floor_auc: AUC below it means that the ranking is broken.
        mean_tolerance: largest |mean probability / observed rate - 1| of a refit on its guard rows.
        minimum_rows: contacts needed to compare recipes.
        minimum_class: contacts of each outcome needed to compare recipes.
        f1_tolerance: F1 that a better recipe may lose.
        calibration_tolerance: expected calibration error that a better recipe may lose.
        tie_share: profit difference, as a share of the champion's, that counts as a tie.
    """

    confidence: float = 0.9
    thresholds: tuple[float, ...] = tuple(round(0.05 * k, 2) for k in range(1, 13))
    leak_auc: float = 0.88
    floor_auc: float = 0.52
    mean_tolerance: float = 0.5
    minimum_rows: int = 1_000
    minimum_class: int = 100
    f1_tolerance: float = 0.02
    calibration_tolerance: float = 0.02
    tie_share: float = 0.005


@dataclass(frozen=True, slots=True)
class GateVerdict:
    """What a gate decided.

    Attributes:
        kind: which gate.
        is_promoted: whether the challenger becomes champion.
        reasons: sentences with the numbers behind the verdict.
        evidence: JSON-able rows.
    """

    kind: str
    is_promoted: bool
    reasons: tuple[str, ...]
    evidence: Mapping[str, Any] = field(default_factory=dict)


class GateChecks:
    """Collects what passed and what did not.

    Attributes:
        evidence: numbers that the verdict carries, whichever way it goes.
    """

    def __init__(self, kind: str) -> None:
        """Begin for one gate."""
        self._kind = kind
        self._failed: list[str] = []
        self._passed: list[str] = []
        self.evidence: dict[str, Any] = {}

    def check(self, is_passed: bool, sentence: str) -> None:
        """Note one test of the gate, with its numbers in words."""
        (self._passed if is_passed else self._failed).append(sentence)

    def verdict(self) -> GateVerdict:
        """Promoted if nothing failed; the reasons are what failed, else what passed."""
        return GateVerdict(self._kind, not self._failed, tuple(self._failed or self._passed), self.evidence)
