"""The three gates that decide whether a challenger becomes champion.

* first: a first model must beat the as-of base rate in log loss, and the better of "call everyone" and "call nobody" in
  profit summed over break-even thresholds; at the configured economics it may equal "call everyone" within the
  interval.
* refit: the champion's recipe on fresh data is deployed after sanity guards, one of which compares it with the champion
  (`core.promotion.refit_guard`). There is no superiority gate: on 28 days of outcomes it costs 6 % of the profit
  (measured: 118,195 EUR without one, 111,000 to 113,360 with one).
* recipe: another recipe must be better in the objective (profit or F1) with P >= 0.9 on enough out-of-time rows; log
  loss decides a tie.

A refusal is a result, never a technical failure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import numpy as np

from bank_assets.core.arrays import BoolArray, FloatArray, effective_rarer, effective_size, weights_or_ones
from bank_assets.core.economics.economics import Economics
from bank_assets.core.promotion.refit_guard import AgainstChampion
from bank_assets.core.quality import metrics
from bank_assets.core.quality.objective import F1, PROFIT, Cohort, Lead
from bank_assets.core.training.export import PARITY_LIMIT
from bank_assets.core.words import sample_size

FIRST, PROBATION, REFIT, RECIPE = "first", "probation", "refit", "recipe"


@dataclass(frozen=True, slots=True)
class PromotionPolicy:
    """Limits of the gates."""

    confidence: float = 0.9  # P(gain > 0) that a gate requires
    # Break-even probabilities over which the profit of a first model is summed
    thresholds: tuple[float, ...] = tuple(round(0.05 * k, 2) for k in range(1, 13))
    leak_auc: float = 0.88  # a higher AUC without post-contact columns means a leak: 0.94 with duration, 0.80 without
    floor_auc: float = 0.52  # a lower AUC means that the ranking is broken
    mean_tolerance: float = 0.5  # largest |mean probability / observed rate - 1| of a refit on its guard rows
    minimum_rows: int = 1_000  # contacts needed to compare recipes,
    minimum_class: int = 100  # and of each outcome
    f1_tolerance: float = 0.02  # F1 that a better recipe may lose
    calibration_tolerance: float = 0.02  # expected calibration error that a better recipe may lose


LIMITS: Final = PromotionPolicy()


@dataclass(frozen=True, slots=True)
class GateVerdict:
    """What a gate decided: sentences with the numbers, and JSON-able evidence."""

    kind: str
    is_promoted: bool
    reasons: tuple[str, ...]
    evidence: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GateChecks:
    """Collects the checks of one gate as (passed, sentence with the numbers), and the evidence of its verdict."""

    kind: str
    checks: list[tuple[bool, str]] = field(default_factory=list)
    evidence: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, kind: str, cohort: Cohort) -> GateChecks:
        """Begin with the size of a weighted cohort."""
        return cls(kind, [], {} if cohort.weights is None else {"effective_rows": cohort.effective})

    def check(self, is_passed: bool, sentence: str) -> None:
        """Record one check."""
        self.checks.append((is_passed, sentence))

    def verdict(self) -> GateVerdict:
        """Promoted if no check failed; the reasons are the failed checks, or else those that passed."""
        is_promoted = all(is_passed for is_passed, _ in self.checks)
        reasons = tuple(sentence for is_passed, sentence in self.checks if is_passed == is_promoted)
        return GateVerdict(self.kind, is_promoted, reasons, self.evidence)


def _check_thresholds(found: GateChecks, proba: FloatArray, cohort: Cohort) -> None:
    """Profit in units of the value, summed over thresholds, against that of the better of everyone and nobody."""
    observed, w, model, trivial = cohort.observed, cohort.w, 0.0, 0.0
    for threshold in LIMITS.thresholds:
        at = Economics.constant(threshold, 1.0)
        model += float((w * at.profit(at.decide(proba, {}), observed, {})).sum())
        trivial += max(float((w * observed).sum()) - threshold * float(w.sum()), 0.0)
    thresholds = list(LIMITS.thresholds)
    found.evidence["profit_over_thresholds"] = {"model": model, "everyone_or_nobody": trivial, "thresholds": thresholds}
    found.check(
        model > trivial,
        f"profit summed over break-even thresholds {thresholds[0]} to {thresholds[-1]}: {model:,.1f} values against "
        f"{trivial:,.1f} of the better of everyone and nobody",
    )


def _check_leak(found: GateChecks, auc: float) -> None:
    found.check(auc <= LIMITS.leak_auc, f"AUC {auc:.3f} (above {LIMITS.leak_auc} means a leak)")


def first_model_gate(
    cohort: Cohort, proba: FloatArray, *, objective: str = PROFIT, f1_threshold: float = 0.5
) -> GateVerdict:
    """Is a model better than no model?

    The cohort lies after everything that the model learned from; its rows hold the trailing subscription rate known on
    each row's day. `proba`, (n,), are the model's probabilities, `f1_threshold` is that of its best F1 on earlier rows.
    The objective, `profit` or `f1`, is that in which the model may not lose to calling everyone.
    """
    observed, found = cohort.observed, GateChecks.of(FIRST, cohort)
    if cohort.effective < LIMITS.minimum_class or not cohort.rarer:
        found.check(
            False,
            f"expected at least {LIMITS.minimum_class} out-of-time contacts with both outcomes, "
            f"found {cohort.size} with {int(observed.sum())} subscriptions",
        )
        return found.verdict()
    gain = cohort.loss_gain(cohort.rows["subscription_rate_30d"], proba)
    found.evidence["log_loss_gain_over_base_rate"] = asdict(gain)
    found.check(
        gain.probability >= LIMITS.confidence,
        f"log loss gain over the as-of base rate {gain.gain:+.4f} per contact, "
        f"P(gain > 0) = {gain.probability:.3f} (required: {LIMITS.confidence})",
    )
    _check_thresholds(found, proba, cohort)
    called = cohort.calls(objective, proba, f1_threshold)
    lead = cohort.lead(objective, np.ones_like(called), called)
    against = lead.gain
    found.evidence["f1_gain_over_everyone" if objective == F1 else "profit_gain_over_everyone_eur"] = asdict(against)
    found.check(
        against.high >= 0.0,
        f"{lead.word} {lead.figures} of calling everyone"
        + ("" if against.low > 0.0 else " (equal within the interval)" if against.high >= 0.0 else ""),
    )
    auc = metrics.roc_auc(observed, proba, cohort.weights)
    found.evidence["roc_auc"] = auc
    _check_leak(found, auc)
    return found.verdict()


def kind_of_fit(recipe: str, incumbent: str, *, has_passed: bool) -> str:
    """Which gate judges a fit, given the names of its recipe and of the champion's (or default) recipe.

    `has_passed` says whether the champion passed a gate; False without a model and on probation.
    """
    if not has_passed:
        return FIRST
    return REFIT if recipe == incumbent else RECIPE


def judged(kind: str, gate: GateVerdict | None, guards: GateVerdict) -> GateVerdict:
    """The verdict on a fit, from its gate on out-of-time rows and from the guards that every fit has to pass.

    `gate` is None for a refit; `guards` is the verdict of `refit_gate`. The kind `probation` is a fit that decides
    although the gate of a first model refused it.
    """
    if gate is None:
        return GateVerdict(kind, guards.is_promoted, guards.reasons, guards.evidence)
    evidence = {**gate.evidence, "guards": dict(guards.evidence)}
    if kind == PROBATION and guards.is_promoted:
        refused = f"on probation, since no candidate passes the gate of a first model: {'; '.join(gate.reasons)}"
        return GateVerdict(kind, True, (refused, *guards.reasons), evidence)
    if gate.is_promoted or kind == PROBATION:
        reasons = gate.reasons if guards.is_promoted else guards.reasons
        return GateVerdict(kind, guards.is_promoted, reasons, evidence)
    return GateVerdict(kind, False, gate.reasons, evidence)


def refit_gate(
    proba: FloatArray,
    observed: BoolArray,
    parity: float,
    *,
    weights: FloatArray | None = None,
    against: AgainstChampion | None = None,
) -> GateVerdict:
    """Is a refit of the champion's recipe sane?

    `proba`, `observed` and `weights`, (n,), are of its guard rows: the latest contacts with outcomes. They are among
    the training rows, so they catch a broken fit; only `against`, the comparison with the champion on contacts that
    neither learned from, catches data that became worse. It is None in the replay, whose data never change. `parity` is
    the largest |p(estimator) - p(graph)|.
    """
    found = GateChecks(REFIT)
    found.evidence["parity"] = parity
    found.check(parity <= PARITY_LIMIT, f"graph equals estimator within {parity:.1e} (limit {PARITY_LIMIT:.0e})")
    finite = bool(np.isfinite(proba).all() and (proba >= 0).all() and (proba <= 1).all())
    found.check(finite, "all probabilities within 0 and 1" if finite else "probabilities outside 0 to 1 found")
    if against is not None:
        found.evidence["against_champion"] = asdict(against)
        found.check(not against.is_worse, against.sentence)
    if not finite or len(observed) == 0:
        return found.verdict()
    w = weights_or_ones(weights, len(observed))
    mean, rate = (float(np.average(of, weights=w)) for of in (proba, observed))
    found.evidence.update({"mean_probability": mean, "observed_rate": rate, "rows": len(observed)})
    effective = effective_size(w)
    if weights is not None:
        found.evidence["effective_rows"] = round(effective)
    tolerance = LIMITS.mean_tolerance * rate + 2.0 / math.sqrt(effective)
    found.check(
        abs(mean - rate) <= tolerance,
        f"mean probability {mean:.3f} against {rate:.3f} observed on the latest "
        f"{sample_size(len(observed), effective)} contacts (tolerance {tolerance:.3f})",
    )
    auc = metrics.roc_auc(observed, proba, weights)
    if not math.isnan(auc) and effective_rarer(observed, w) >= 20:
        found.evidence["roc_auc"] = auc
        found.check(auc >= LIMITS.floor_auc, f"AUC {auc:.3f} on the latest contacts (floor {LIMITS.floor_auc})")
    return found.verdict()


def recipe_gate(
    cohort: Cohort,
    challenger: FloatArray,
    champion: FloatArray,
    *,
    fairness: Mapping[str, Any] | None = None,
    objective: str = PROFIT,
    f1_thresholds: tuple[float, float] = (0.5, 0.5),
) -> GateVerdict:
    """Is another recipe better than the champion's, both fitted before the cohort?

    `challenger` and `champion` are the probabilities (n,) of both recipes; `f1_thresholds` those of the champion's and
    the challenger's best F1 on earlier rows. The verdict carries the challenger's `fairness`.
    """
    found = GateChecks.of(RECIPE, cohort)
    found.evidence["fairness"] = dict(fairness or {})
    is_enough = cohort.effective >= LIMITS.minimum_rows and cohort.rarer >= LIMITS.minimum_class
    required = f"(required: {LIMITS.minimum_rows} and {LIMITS.minimum_class})"
    found.check(is_enough, f"{cohort.size} out-of-time contacts, {cohort.rarer} of the rarer outcome {required}")
    if not is_enough:
        return found.verdict()
    pair = (champion, challenger)

    def lead_in(name: str) -> Lead:
        return cohort.lead(name, *(cohort.calls(name, p, at) for p, at in zip(pair, f1_thresholds, strict=True)))

    lead, loss = lead_in(objective), cohort.loss_gain(*pair)
    found.evidence.update({lead.evidence_name: asdict(lead.gain), "log_loss_gain": asdict(loss)})
    decisive, figures = lead.gain, f"{lead.word} {lead.figures}"
    if lead.is_tie:
        decisive, figures = loss, f"{lead.word} is a tie ({lead.figures}); log loss gain {loss.gain:+.4f}"
    found.check(
        decisive.probability >= LIMITS.confidence,
        f"{figures}, P(gain > 0) = {decisive.probability:.3f} (required: {LIMITS.confidence})",
    )
    if objective == F1:
        found.evidence["profit_gain_eur"] = asdict(lead_in(PROFIT).gain)
    else:
        f1 = cohort.lead(F1, *(cohort.economics.decide(proba, cohort.rows) for proba in pair)).gain
        found.evidence["f1_gain"] = asdict(f1)
        found.check(f1.gain >= -LIMITS.f1_tolerance, f"F1 changes by {f1.gain:+.3f} (tolerance -{LIMITS.f1_tolerance})")
    before, now = (metrics.expected_calibration_error(cohort.observed, p, weights=cohort.weights) for p in pair)
    found.evidence["calibration_error"] = {"champion": before, "challenger": now}
    tolerance = LIMITS.calibration_tolerance
    found.check(now <= before + tolerance, f"calibration error {now:.3f} against {before:.3f} (tolerance +{tolerance})")
    _check_leak(found, metrics.roc_auc(cohort.observed, challenger, cohort.weights))
    return found.verdict()
