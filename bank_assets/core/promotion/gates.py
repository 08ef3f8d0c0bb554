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
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bank_assets.core.arrays import BoolArray, FloatArray, Rows
from bank_assets.core.economics.economics import Economics
from bank_assets.core.promotion.refit_guard import AgainstChampion
from bank_assets.core.quality import metrics
from bank_assets.core.quality.bootstrap import BootstrapGain, paired_bootstrap, paired_bootstrap_f1
from bank_assets.core.quality.objective import F1, PROFIT, Lead, judged_calls
from bank_assets.core.training.export import PARITY_LIMIT

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
    tie_share: float = 0.005  # profit difference, as a share of the champion's, that counts as a tie


@dataclass(frozen=True, slots=True)
class GateVerdict:
    """What a gate decided: sentences with the numbers, and JSON-able evidence."""

    kind: str
    is_promoted: bool
    reasons: tuple[str, ...]
    evidence: Mapping[str, Any] = field(default_factory=dict)


class GateChecks:
    """Collects the checks of one gate, and the evidence that its verdict carries either way."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._failed: list[str] = []
        self._passed: list[str] = []
        self.evidence: dict[str, Any] = {}

    def check(self, is_passed: bool, sentence: str) -> None:
        """Record one check of the gate as a sentence with its numbers."""
        (self._passed if is_passed else self._failed).append(sentence)

    def verdict(self) -> GateVerdict:
        """Promoted if no check failed; the reasons are the failed checks, or else those that passed."""
        return GateVerdict(self._kind, not self._failed, tuple(self._failed or self._passed), self.evidence)


def _check_thresholds(found: GateChecks, proba: FloatArray, observed: BoolArray, thresholds: tuple[float, ...]) -> None:
    """Profit in units of the value, summed over thresholds, against that of the better of everyone and nobody."""
    model = trivial = 0.0
    for threshold in thresholds:
        at = Economics.constant(threshold, 1.0)
        model += float(at.profit(at.decide(proba, {}), observed, {}).sum())
        trivial += max(float(observed.sum()) - threshold * len(observed), 0.0)
    evidence = {"model": model, "everyone_or_nobody": trivial, "thresholds": list(thresholds)}
    found.evidence["profit_over_thresholds"] = evidence
    found.check(
        model > trivial,
        f"profit summed over break-even thresholds {thresholds[0]} to {thresholds[-1]}: {model:,.1f} values against "
        f"{trivial:,.1f} of the better of everyone and nobody",
    )


def _loss_gain(
    former: FloatArray, new: FloatArray, observed: BoolArray, days: NDArray[np.datetime64], seed: int
) -> BootstrapGain:
    losses = [metrics.log_loss_rows(observed, proba) for proba in (former, new)]
    return paired_bootstrap(losses[0] - losses[1], seed=seed, clusters=days)


def _check_calibration(
    found: GateChecks, champion: FloatArray, challenger: FloatArray, observed: BoolArray, tolerance: float
) -> None:
    before, now = (metrics.expected_calibration_error(observed, proba) for proba in (champion, challenger))
    found.evidence["calibration_error"] = {"champion": before, "challenger": now}
    sentence = f"calibration error {now:.3f} against {before:.3f} (tolerance +{tolerance})"
    found.check(now <= before + tolerance, sentence)


def _check_leak(found: GateChecks, auc: float, limits: PromotionPolicy) -> None:
    found.check(auc <= limits.leak_auc, f"AUC {auc:.3f} (above {limits.leak_auc} means a leak)")


def first_model_gate(
    proba: FloatArray,
    base_rate: FloatArray,
    observed: BoolArray,
    contact_dates: NDArray[np.datetime64],
    economics: Economics,
    rows: Rows,
    *,
    seed: int,
    policy: PromotionPolicy | None = None,
    objective: str = PROFIT,
    f1_threshold: float = 0.5,
) -> GateVerdict:
    """Is a model better than no model?

    Arrays are (n,), over rows after everything that the model learned from. `base_rate` is the trailing subscription
    rate known on each row's day, `f1_threshold` the threshold of the model's best F1 on earlier rows. The bootstrap
    resamples whole days of `contact_dates`, because the contacts of a day are alike. The objective, `profit` or `f1`,
    is that in which the model may not lose to calling everyone.
    """
    limits = policy or PromotionPolicy()
    found = GateChecks(FIRST)
    if len(observed) < limits.minimum_class or bool(observed.all()) or not bool(observed.any()):
        found.check(
            False,
            f"expected at least {limits.minimum_class} out-of-time contacts with both outcomes, "
            f"found {len(observed)} with {int(observed.sum())} subscriptions",
        )
        return found.verdict()
    gain = _loss_gain(base_rate, proba, observed, contact_dates, seed)
    found.evidence["log_loss_gain_over_base_rate"] = gain.to_dict()
    found.check(
        gain.probability >= limits.confidence,
        f"log loss gain over the as-of base rate {gain.gain:+.4f} per contact, "
        f"P(gain > 0) = {gain.probability:.3f} (required: {limits.confidence})",
    )
    _check_thresholds(found, proba, observed, limits.thresholds)
    called = judged_calls(objective, proba, f1_threshold, economics, rows)
    lead = Lead.of(
        objective, observed, (np.ones_like(called), called), economics, rows, seed=seed, contact_dates=contact_dates
    )
    against = lead.gain
    found.evidence["f1_gain_over_everyone" if objective == F1 else "profit_gain_over_everyone_eur"] = against.to_dict()
    found.check(
        against.high >= 0.0,
        f"{lead.word} {lead.figures} of calling everyone"
        + ("" if against.low > 0.0 else " (equal within the interval)" if against.high >= 0.0 else ""),
    )
    auc = metrics.roc_auc(observed, proba)
    found.evidence["roc_auc"] = auc
    _check_leak(found, auc, limits)
    return found.verdict()


def kind_of_fit(recipe: str, incumbent: str, *, has_passed: bool) -> str:
    """Which gate judges a fit, given the names of its recipe and of the champion's (or default) recipe.

    `has_passed` says whether the model in force passed a gate; False without a model and on probation.
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
    against: AgainstChampion | None = None,
    policy: PromotionPolicy | None = None,
) -> GateVerdict:
    """Is a refit of the champion's recipe sane?

    `proba` and `observed`, (n,), are of its guard rows: the latest contacts with outcomes. They are among the training
    rows, so they catch a broken fit; only `against`, the comparison with the champion on contacts that neither learned
    from, catches data that became worse. It is None in the replay, whose data never change. `parity` is the largest
    |p(estimator) - p(graph)|.
    """
    limits = policy or PromotionPolicy()
    found = GateChecks(REFIT)
    found.evidence["parity"] = parity
    found.check(parity <= PARITY_LIMIT, f"graph equals estimator within {parity:.1e} (limit {PARITY_LIMIT:.0e})")
    finite = bool(np.isfinite(proba).all() and (proba >= 0).all() and (proba <= 1).all())
    found.check(finite, "all probabilities within 0 and 1" if finite else "probabilities outside 0 to 1 found")
    if against is not None:
        found.evidence["against_champion"] = against.to_dict()
        found.check(not against.is_worse, against.sentence)
    if not finite or len(observed) == 0:
        return found.verdict()
    mean, rate = float(proba.mean()), float(observed.mean())
    found.evidence |= {"mean_probability": mean, "observed_rate": rate, "rows": len(observed)}
    tolerance = limits.mean_tolerance * rate + 2.0 / math.sqrt(len(observed))
    found.check(
        abs(mean - rate) <= tolerance,
        f"mean probability {mean:.3f} against {rate:.3f} observed on the latest {len(observed)} contacts "
        f"(tolerance {tolerance:.3f})",
    )
    auc = metrics.roc_auc(observed, proba)
    if not math.isnan(auc) and min(int(observed.sum()), int((~observed).sum())) >= 20:
        found.evidence["roc_auc"] = auc
        found.check(auc >= limits.floor_auc, f"AUC {auc:.3f} on the latest contacts (floor {limits.floor_auc})")
    return found.verdict()


def recipe_gate(
    challenger: FloatArray,
    champion: FloatArray,
    observed: BoolArray,
    contact_dates: NDArray[np.datetime64],
    economics: Economics,
    rows: Rows,
    *,
    seed: int,
    fairness: Mapping[str, Any] | None = None,
    policy: PromotionPolicy | None = None,
    objective: str = PROFIT,
    f1_thresholds: tuple[float, float] = (0.5, 0.5),
) -> GateVerdict:
    """Is another recipe better than the champion's, both fitted before the rows?

    `challenger` and `champion` are the probabilities (n,) of both recipes; `f1_thresholds` those of the champion's and
    the challenger's best F1 on earlier rows. The verdict carries the challenger's `fairness`. The rest is as for
    `first_model_gate`.
    """
    limits = policy or PromotionPolicy()
    found = GateChecks(RECIPE)
    found.evidence["fairness"] = dict(fairness or {})
    smaller = min(int(observed.sum()), int((~observed).sum()))
    is_enough = len(observed) >= limits.minimum_rows and smaller >= limits.minimum_class
    requested = f"(required: {limits.minimum_rows} and {limits.minimum_class})"
    found.check(is_enough, f"{len(observed)} out-of-time contacts, {smaller} of the rarer outcome {requested}")
    if not is_enough:
        return found.verdict()
    pair = (champion, challenger)

    def lead_in(name: str) -> Lead:
        calls = [judged_calls(name, p, at, economics, rows) for p, at in zip(pair, f1_thresholds, strict=True)]
        return Lead.of(name, observed, calls, economics, rows, seed=seed, contact_dates=contact_dates)

    lead = lead_in(objective)
    loss = _loss_gain(champion, challenger, observed, contact_dates, seed)
    found.evidence |= {lead.evidence_name: lead.gain.to_dict(), "log_loss_gain": loss.to_dict()}
    decisive, figures = lead.gain, f"{lead.word} {lead.figures}"
    if lead.is_tie(limits.tie_share):
        decisive, figures = loss, f"{lead.word} is a tie ({lead.figures}); log loss gain {loss.gain:+.4f}"
    found.check(
        decisive.probability >= limits.confidence,
        f"{figures}, P(gain > 0) = {decisive.probability:.3f} (required: {limits.confidence})",
    )
    if objective == F1:
        found.evidence["profit_gain_eur"] = lead_in(PROFIT).gain.to_dict()
    else:
        calls = [economics.decide(proba, rows) for proba in pair]
        f1 = paired_bootstrap_f1(observed, *calls, seed=seed)
        found.evidence["f1_gain"] = f1.to_dict()
        found.check(f1.gain >= -limits.f1_tolerance, f"F1 changes by {f1.gain:+.3f} (tolerance -{limits.f1_tolerance})")
    _check_calibration(found, *pair, observed, limits.calibration_tolerance)
    _check_leak(found, metrics.roc_auc(observed, challenger), limits)
    return found.verdict()
