"""From candidates to a challenger: luck is not enough, and a deployment fit proves its graph."""

import dataclasses
import time

import numpy as np
import pytest

from bank_assets.core.economics.economics import Economics
from bank_assets.core.model.scorer import expit
from bank_assets.core.promotion.gates import PROBATION, RECIPE, REFIT, GateVerdict, judged
from bank_assets.core.promotion.recipe_search import Selection, select_recipe
from bank_assets.core.quality.metrics import f1_of_calls
from bank_assets.core.quality.objective import Cohort
from bank_assets.core.training.algorithms import ALGORITHMS
from bank_assets.core.training.challenger import GUARD_ROWS, choose_recipe, fit_deployment, pooled_rows
from bank_assets.core.training.export import PARITY_LIMIT
from bank_assets.core.training.folds import (
    calibrate_rolling,
    candidate_metrics,
    predict_candidates,
    predict_folds,
    rank_candidates,
    resampled_fold,
    time_folds,
)
from bank_assets.core.training.recipes import Recipe, RecipeError, default_recipes, named_recipes
from bank_assets_tests.world.contacts import FIRST, made_contacts

ECONOMICS = Economics.constant(5.0, 40.0)
AS_OF = FIRST + np.timedelta64(80, "D")


@pytest.fixture(scope="module")
def data():
    return made_contacts(80, 20).learning_data(AS_OF)


class TestFolds:
    def predicted(self, data, algorithm="lightgbm", **changes):
        folds = time_folds(data.contact_dates, AS_OF)
        recipe = Recipe(algorithm, **changes)
        return folds, predict_folds(recipe, data, folds, resampled_fold(data), time.monotonic)

    def test_only_test_rows_are_predicted(self, data):
        folds, found = self.predicted(data)
        tested = np.logical_or.reduce([fold.test_mask(data.contact_dates) for fold in folds])
        assert (~np.isnan(found.raw) == tested).all()
        assert (~np.isnan(found.calibrated) == tested).all()

    def test_a_large_fold_is_predicted_in_blocks(self, data, monkeypatch):
        _, found = self.predicted(data)
        monkeypatch.setattr("bank_assets.core.training.folds.PREDICTED_ROWS", 7)
        np.testing.assert_array_equal(self.predicted(data)[1].raw, found.raw)

    @pytest.mark.parametrize("sampler", ["none", "smote"])
    def test_the_future_of_a_fold_does_not_change_it(self, data, sampler):
        folds, found = self.predicted(data, sampler=sampler)
        later = data.contact_dates >= folds[2].test_start
        other = dataclasses.replace(data, is_subscribed=np.where(later, ~data.is_subscribed, data.is_subscribed))
        _, again = self.predicted(other, sampler=sampler)
        before = ~later & ~np.isnan(found.raw)
        np.testing.assert_array_equal(found.raw[before], again.raw[before])
        np.testing.assert_array_equal(found.calibrated[before], again.calibrated[before])

    def test_sampled_probabilities_come_back_to_the_observed_rate(self, data):
        folds, found = self.predicted(data, "logistic_regression", sampler="class_weight")
        late = data.contact_dates >= folds[2].test_start
        rate = data.is_subscribed[late].mean()
        assert found.raw[late].mean() > rate + 0.1
        assert found.calibrated[late].mean() == pytest.approx(rate, abs=0.04)

    def test_rolling_calibration_never_uses_its_own_fold(self, data):
        folds = time_folds(data.contact_dates, AS_OF)
        raw = np.where(data.contact_dates >= folds[0].test_start, 0.5, np.nan)
        first_day = data.contact_dates == folds[0].test_start
        assert calibrate_rolling(raw, data, folds)[first_day].tolist() == pytest.approx([0.5] * int(first_day.sum()))

    def test_metrics_are_of_reported_folds_and_finite(self, data):
        folds, found = self.predicted(data)
        metrics = candidate_metrics(found.calibrated, data, folds, ECONOMICS)
        assert metrics["rows"] == sum(fold.test_mask(data.contact_dates).sum() for fold in folds[1:])
        assert metrics["roc_auc"] > 0.6
        assert abs(metrics["mean_probability"] - metrics["observed_rate"]) < 0.05

    def test_a_fold_with_one_kind_of_outcome_gets_its_rate(self, data):
        nobody = dataclasses.replace(data, is_subscribed=np.zeros(len(data), bool))
        folds = time_folds(data.contact_dates, AS_OF)
        found = predict_folds(Recipe("lightgbm"), nobody, folds, resampled_fold(nobody), time.monotonic)
        assert np.nanmax(found.raw) == pytest.approx(1e-3)


class TestRanking:
    def rows(self, **profits):
        return {name: {"profit_eur": p, "log_loss": loss, "f1": f} for name, (p, loss, f) in profits.items()}

    def test_by_objective(self):
        rows = self.rows(a=(100.0, 0.4, 0.6), b=(200.0, 0.5, 0.5))
        assert rank_candidates(rows) == ["b", "a"]
        assert rank_candidates(rows, "f1") == ["a", "b"]

    def test_near_ties_by_log_loss(self):
        rows = self.rows(a=(1000.0, 0.5, 0.0), b=(996.0, 0.4, 0.0), c=(900.0, 0.1, 0.0))
        assert rank_candidates(rows) == ["b", "a", "c"]


@pytest.mark.slow
class TestQueue:
    def test_one_queue_gives_what_each_recipe_gives_by_itself(self, data):
        folds = time_folds(data.contact_dates, AS_OF)
        recipes = [Recipe("lightgbm"), Recipe("logistic_regression", "tomek"), Recipe("lightgbm", "smote")]
        together = list(predict_candidates(recipes, data, folds, resampled_fold(data), time.monotonic, workers=3))
        assert [found.recipe for found in together] == recipes
        for found in together:
            given = ([found.recipe], data, folds, resampled_fold(data), time.monotonic)
            (alone,) = predict_candidates(*given, workers=1)
            np.testing.assert_array_equal(found.raw, alone.raw)
            np.testing.assert_array_equal(found.calibrated, alone.calibrated)

    def test_a_failed_fit_ends_the_queue(self, data):
        def broken(sampler, fold, half_life_days, seed):
            raise MemoryError(fold.name)

        folds = time_folds(data.contact_dates, AS_OF)
        with pytest.raises(MemoryError):
            list(predict_candidates([Recipe("lightgbm")] * 3, data, folds, broken, time.monotonic))


class TestChoice:
    def choose(self, challenger, champion, observed, days, objective="profit"):
        profit = {"new": challenger, "old": champion}
        called = {name: proba * 40 > 5 for name, proba in profit.items()}
        results = {
            name: {
                "f1_threshold": 0.25,
                "f1": f1_of_calls(observed, proba >= 0.25),
                "profit_eur": float((called[name] * (40.0 * observed - 5.0)).sum()),
                "log_loss": float(-np.log(np.where(observed, proba, 1 - proba)).mean()),
            }
            for name, proba in profit.items()
        }
        return choose_recipe(results, profit, Cohort(observed, days, ECONOMICS, {}, 0), "old", objective)

    def world(self, n=2_000):
        rng = np.random.default_rng(0)
        truth = expit(rng.normal(-2.0, 1.2, n))
        days = FIRST + (np.arange(n) // 40).astype("timedelta64[D]")
        return rng, truth, rng.random(n) < truth, days

    def test_a_clear_lead_wins(self):
        rng, truth, observed, days = self.world()
        assert self.choose(truth, rng.permutation(truth), observed, days).name == "new"

    def test_a_lucky_lead_does_not(self):
        _, truth, observed, days = self.world()
        lucky = truth.copy()
        lucky[np.flatnonzero(observed & (truth < 0.1))[:1]] = 0.13  # one call more, and it happened to be a good one
        choice = self.choose(lucky, truth, observed, days)
        assert choice.name == "old"
        assert "may be luck" in choice.reason

    def test_by_f1_the_calls_from_the_f1_threshold_decide(self):
        _, truth, observed, days = self.world()
        # Below the F1 threshold the new model knows nothing: it loses profit at break-even and has the same F1.
        blunt = np.where(truth >= 0.25, truth, 0.01)
        sharp = np.where(observed & (truth < 0.25) & (truth > 0.1), 0.3, blunt)
        assert self.choose(blunt, truth, observed, days).name == "old"
        choice = self.choose(sharp, truth, observed, days, objective="f1")
        assert choice.name == "new"
        assert "P(F1 gain) 1.00" in choice.reason
        assert choice.f1_threshold == 0.25

    def test_without_an_incumbent_the_best_is_taken(self):
        _, truth, observed, days = self.world()
        results = {"only": {"profit_eur": 1.0, "log_loss": 0.4, "f1_threshold": 0.3}}
        assert choose_recipe(results, {"only": truth}, Cohort(observed, days, ECONOMICS, {}, 0), "gone").name == "only"

    def test_the_incumbent_stays_if_nobody_was_called_in_the_test_days(self):
        of = {"profit_eur": 0.0, "f1_threshold": 0.3}
        results = {"old": {**of, "log_loss": 0.5}, "new": {**of, "log_loss": 0.4}}
        nobody = Cohort(np.zeros(0, bool), np.zeros(0, "datetime64[D]"), ECONOMICS, {}, 0)
        assert choose_recipe(results, {name: np.zeros(0) for name in results}, nobody, "old").name == "old"


class TestDeployment:
    @pytest.mark.parametrize("algorithm", ALGORITHMS)
    def test_parity_on_every_row_and_guard_of_the_latest(self, data, algorithm):
        fit = fit_deployment(Recipe(algorithm), data)
        assert fit.parity <= PARITY_LIMIT
        assert len(fit.guard_raw) == min(GUARD_ROWS, len(data))
        np.testing.assert_array_equal(fit.guard_observed, data.is_subscribed[-len(fit.guard_raw) :])
        assert fit.feature_ranges["age"][0] >= 18

    def test_fewer_parity_rows_make_the_same_graph(self, data):
        whole = fit_deployment(Recipe("lightgbm"), data)
        part = fit_deployment(Recipe("lightgbm"), data, parity_rows=100)
        assert whole.graph == part.graph
        assert len(part.guard_raw) == 100

    def test_weights_of_called_contacts_leave_the_fit_alone(self, data):
        weights = np.where(np.arange(len(data)) % 3 == 0, 20.0, 1.0)
        plain = fit_deployment(Recipe("lightgbm"), data)
        assert fit_deployment(Recipe("lightgbm"), dataclasses.replace(data, weights=weights)).graph == plain.graph

    def test_pooled_rows_take_as_many_folds_as_they_need(self, data):
        folds = time_folds(data.contact_dates, AS_OF)
        starts = [fold.test_start for fold in folds if fold.is_reported]
        calibrated = np.where(data.contact_dates >= folds[0].test_start, 0.1, np.nan)
        last = int(folds[-1].test_mask(data.contact_dates).sum())
        assert pooled_rows(calibrated, data, folds, last).sum() == last
        assert pooled_rows(calibrated, data, folds, last + 1).sum() > last
        assert pooled_rows(calibrated, data, folds, 10**6).sum() == (data.contact_dates >= starts[0]).sum()


SEARCH = {"has_model": True, "is_on_probation": False, "is_search": True, "probation": True, "seed": 0}


class TestSearch:
    def search(self, data, recipes, incumbent, **changes):
        selection = Selection(incumbent, Economics.constant(5.0, 15.0), **SEARCH | changes)
        return select_recipe(recipes, selection, data, time.monotonic)

    def test_the_incumbent_stays_without_competition(self, data):
        found = self.search(data, (), Recipe("lightgbm"))
        assert (found.recipe, found.kind, found.gate) == (Recipe("lightgbm"), REFIT, None)
        assert "best of 1 candidates" in found.reason

    def test_a_better_recipe_is_put_to_the_gate_of_a_changed_recipe(self, data):
        blind = Recipe("lightgbm", parameters={"n_estimators": 1, "learning_rate": 1e-6})
        found = self.search(data, (Recipe("logistic_regression", "class_weight"),), blind)
        assert (found.recipe.name, found.kind) == ("logistic_regression/class_weight", RECIPE)
        assert found.gate.kind == RECIPE
        assert [step["kind"] for step in found.calibrator] == ["affine"], "a sampler distorts probabilities"

    @pytest.mark.parametrize("probation", [True, False])
    def test_a_refused_first_model_is_on_probation_or_nothing(self, data, probation):
        nothing = dataclasses.replace(data, is_subscribed=np.random.default_rng(3).permutation(data.is_subscribed))
        found = self.search(nothing, (), Recipe("lightgbm"), has_model=False, probation=probation)
        assert found.kind == (PROBATION if probation else "first")
        assert not found.gate.is_promoted
        guards = GateVerdict(REFIT, True, ("sane",))
        verdict = judged(found.kind, found.gate, guards)
        assert (verdict.kind, verdict.is_promoted) == (found.kind, probation)
        assert any("log loss gain" in reason for reason in verdict.reasons)
        insane = judged(found.kind, found.gate, GateVerdict(REFIT, False, ("broken graph",)))
        assert not insane.is_promoted, "the guards hold on probation, too"

    def test_a_search_on_probation_changes_nothing_unless_the_gate_opens(self, data):
        nothing = dataclasses.replace(data, is_subscribed=np.random.default_rng(3).permutation(data.is_subscribed))
        again = self.search(nothing, (), Recipe("lightgbm"), is_on_probation=True)
        assert (again.kind, again.gate.is_promoted) == ("first", False)
        refit = self.search(nothing, (), Recipe("lightgbm"), is_on_probation=True, is_search=False)
        assert (refit.kind, refit.gate.is_promoted) == (PROBATION, False)

    def test_names_of_candidates(self):
        assert named_recipes((), 3) == default_recipes(3)
        (only,) = named_recipes(("xgboost/smote",), 3)
        assert (only.name, only.seed) == ("xgboost/smote", 3)
        with pytest.raises(RecipeError, match=r"BANK_CANDIDATES.*xgboost/magic"):
            named_recipes(("xgboost/magic",), 3)
