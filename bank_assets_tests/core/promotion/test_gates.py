"""The four gates: each can be passed, and each check of each gate can turn it red."""

from dataclasses import replace

import numpy as np
import pytest

from bank_assets.core.economics.economics import Economics
from bank_assets.core.model.scorer import expit
from bank_assets.core.promotion.gates import FIRST, RECIPE, REFIT, first_model_gate, recipe_gate, refit_gate
from bank_assets.core.quality.objective import Cohort

ECONOMICS = Economics.constant(5.0, 50.0)
N = 3_000


class World:
    """True probabilities, outcomes drawn from them, and worse probabilities."""

    def __init__(self, seed=0, spread=1.2, level=-2.0):
        rng = np.random.default_rng(seed)
        self.log_odds = rng.normal(level, spread, N)
        self.truth = expit(self.log_odds)
        self.observed = rng.random(N) < self.truth
        self.days = np.datetime64("2020-01-01") + (np.arange(N) // 60).astype("timedelta64[D]")
        self.base = np.full(N, self.observed.mean())
        self.shuffled = rng.permutation(self.truth)

    def cohort(self, n=N, **changes):
        rows = {"subscription_rate_30d": self.base[:n]}
        return replace(Cohort(self.observed[:n], self.days[:n], ECONOMICS, rows, 1), **changes)


@pytest.fixture(scope="module")
def world():
    return World()


def failed(verdict, words):
    assert not verdict.is_promoted
    assert any(words in reason for reason in verdict.reasons), verdict.reasons


class TestFirst:
    def gate(self, world, proba, **changes):
        return first_model_gate(world.cohort(len(proba), **changes), proba)

    def test_a_good_model_passes_with_evidence(self, world):
        verdict = self.gate(world, world.truth)
        assert verdict.is_promoted
        assert verdict.kind == FIRST
        assert verdict.evidence["log_loss_gain_over_base_rate"]["probability"] >= 0.9

    def test_shuffled_scores_do_not(self, world):
        failed(self.gate(world, world.shuffled), "log loss gain")

    def test_shuffled_outcomes_do_not(self, world):
        outcomes = np.random.default_rng(2).permutation(world.observed)
        failed(self.gate(world, world.truth, observed=outcomes), "log loss gain")

    def test_the_base_rate_itself_does_not(self, world):
        failed(self.gate(world, world.base), "log loss gain")

    def test_a_model_that_earns_less_than_everyone_or_no_one_does_not(self, world):
        failed(self.gate(world, np.clip(world.truth * 3.0, 0, 0.99)), "profit summed over break-even thresholds")

    def test_a_model_that_loses_to_calling_everyone_does_not(self):
        rich = World(level=1.0)
        failed(self.gate(rich, rich.truth * 0.05), "of calling everyone")

    def test_equal_to_calling_everyone_passes_and_says_so(self):
        rich = World(level=1.0, spread=0.8)
        verdict = self.gate(rich, rich.truth)
        assert verdict.is_promoted
        assert any("equal within the interval" in reason for reason in verdict.reasons)

    def test_a_leak_is_too_good(self, world):
        failed(self.gate(world, np.where(world.observed, 0.95, 0.02)), "means a leak")

    @pytest.mark.parametrize("n", [0, 50])
    def test_too_few_rows(self, world, n):
        failed(self.gate(world, world.truth[:n]), "expected at least 100")

    def test_one_kind_of_outcome(self, world):
        failed(self.gate(world, world.truth, observed=np.zeros(N, bool)), "with both outcomes")


class TestRefit:
    def test_a_sane_fit_passes(self, world):
        verdict = refit_gate(world.truth[:1000], world.observed[:1000], 1e-7)
        assert verdict.is_promoted
        assert verdict.kind == REFIT

    def test_a_graph_that_differs(self, world):
        failed(refit_gate(world.truth, world.observed, 1e-3), "graph equals estimator")

    @pytest.mark.parametrize("broken", [np.nan, 1.5, -0.1])
    def test_no_probabilities(self, world, broken):
        proba = world.truth.copy()
        proba[5] = broken
        failed(refit_gate(proba, world.observed, 0.0), "outside 0 to 1")

    @pytest.mark.parametrize("factor", [0.2, 4.0])
    def test_a_mean_far_from_what_was_observed(self, world, factor):
        failed(refit_gate(np.clip(world.truth * factor, 0, 1), world.observed, 0.0), "mean probability")

    def test_a_ranking_upside_down(self, world):
        upside_down = np.sort(world.truth)[::-1][np.argsort(np.argsort(world.truth))]
        failed(refit_gate(upside_down, world.observed, 0.0), "AUC")

    def test_no_guard_rows_leaves_parity_alone(self):
        assert refit_gate(np.empty(0), np.empty(0, bool), 0.0).is_promoted
        assert not refit_gate(np.empty(0), np.empty(0, bool), 1.0).is_promoted


class TestRecipe:
    def gate(self, world, challenger, champion, economics=ECONOMICS):
        cohort = world.cohort(len(challenger), economics=economics)
        return recipe_gate(cohort, challenger, champion, fairness={"age": "looked at"})

    def test_a_better_recipe_passes_with_fairness_beside(self, world):
        verdict = self.gate(world, world.truth, world.shuffled)
        assert verdict.is_promoted
        assert verdict.kind == RECIPE
        assert verdict.evidence["fairness"] == {"age": "looked at"}

    def test_the_same_recipe_does_not(self, world):
        failed(self.gate(world, world.truth, world.truth), "profit is a tie")

    def test_a_worse_one_does_not(self, world):
        failed(self.gate(world, world.shuffled, world.truth), "profit")

    def test_a_tie_in_profit_goes_to_log_loss(self, world):
        blurred = np.clip(
            world.truth + np.where(world.truth > 0.1, 0.25, 0.0), 0, 0.99
        )  # the same calls, worse numbers
        assert self.gate(world, world.truth, blurred).is_promoted
        failed(self.gate(world, blurred, world.truth), "profit is a tie")

    def test_too_few_rows_do_not_decide(self, world):
        failed(self.gate(world, world.truth[:900], world.shuffled[:900]), "900 out-of-time contacts")

    def test_a_loss_of_f1_beyond_tolerance(self):
        poor = World(seed=4, spread=2.0)
        # a high value calls almost everyone: better profit, worse F1 than the timid champion's
        verdict = self.gate(
            poor,
            np.maximum(poor.truth, 0.03),
            np.where(poor.truth > 0.5, poor.truth, 0.001),
            Economics.constant(1.0, 50.0),
        )
        failed(verdict, "F1 changes by -")

    def test_a_loss_of_calibration_beyond_tolerance(self, world):
        overdone = expit(world.log_odds * 1.0 + np.where(world.truth > 0.1, 2.0, -2.0))
        failed(
            self.gate(world, overdone, np.where(world.truth > 0.1, world.shuffled, world.truth)), "calibration error"
        )

    def test_a_leak(self, world):
        failed(self.gate(world, np.where(world.observed, 0.9, 0.05), world.truth), "means a leak")


class TestF1AsTheObjective:
    """The calls from each model's own F1 threshold are compared, whatever they earn at break-even."""

    def gate(self, world, challenger, champion, thresholds=(0.25, 0.25)):
        return recipe_gate(world.cohort(), challenger, champion, objective="f1", f1_thresholds=thresholds)

    def test_a_better_f1_passes_and_the_profit_is_on_record(self, world):
        verdict = self.gate(world, world.truth, world.shuffled)
        assert verdict.is_promoted
        assert any("F1 0." in reason for reason in verdict.reasons)
        assert verdict.evidence["f1_gain"]["probability"] >= 0.9
        assert "gain" in verdict.evidence["profit_gain_eur"]

    def test_a_worse_f1_does_not(self, world):
        failed(self.gate(world, world.shuffled, world.truth), "F1 0.")

    def test_a_threshold_that_calls_nobody_does_not(self, world):
        failed(self.gate(world, world.truth, world.truth, thresholds=(0.25, 2.0)), "F1 0.000 against")

    def test_a_first_model_must_not_lose_to_calling_everyone(self, world):
        def first(threshold):
            return first_model_gate(world.cohort(), world.truth, objective="f1", f1_threshold=threshold)

        assert first(0.25).is_promoted
        failed(first(0.999), "F1 0.0")
