"""Recipes: weights, samplers inside the fold, encoding by contract, and fits that refuse the future."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bank_assets.contract.uci import UCI
from bank_assets.core.features.feature_set import FeatureSet
from bank_assets.core.training.algorithms import ALGORITHMS
from bank_assets.core.training.recipes import (
    SAMPLERS,
    Recipe,
    default_recipes,
    encode,
    encoded_names,
    fit_recipe,
    recency_weights,
    resample,
)
from bank_assets_tests.world.contacts import FIRST, made_contacts

FEATURE_SET = FeatureSet.of(UCI)

AS_OF = FIRST + np.timedelta64(50, "D")


@pytest.fixture(scope="module")
def data():
    return made_contacts(50, 20).learning_data(AS_OF)


def fit(data, recipe, **changes):
    return fit_recipe(recipe, replace(data, **changes))


@pytest.mark.parametrize("wrong", [{"algorithm": "oracle"}, {"algorithm": "lightgbm", "sampler": "magic"}])
def test_unknown_recipes_are_refused(wrong):
    with pytest.raises(ValueError, match="expected an algorithm of"):
        Recipe(**wrong)


def test_the_default_search_is_every_pair():
    recipes = default_recipes(seed=3)
    assert {(r.algorithm, r.sampler) for r in recipes} == {(a, s) for a in ALGORITHMS for s in SAMPLERS}
    assert {r.seed for r in recipes} == {3}


@pytest.mark.parametrize("half_life", [30.0, float("inf")])
def test_recipe_round_trip(half_life):
    recipe = Recipe("xgboost", "smote", {"max_depth": 2}, half_life, 7)
    assert Recipe.from_dict(recipe.to_dict()) == recipe
    assert float("inf") not in recipe.to_dict().values()  # JSON knows no infinity


@given(st.lists(st.integers(1, 400), min_size=1, max_size=30), st.floats(1.0, 500.0))
def test_weights_have_mean_one_and_halve_with_the_half_life(ages, half_life):
    dates = AS_OF - np.asarray(ages).astype("timedelta64[D]")
    weights = recency_weights(dates, AS_OF, half_life)
    assert weights.mean() == pytest.approx(1.0)
    order = np.argsort(ages)
    assert (np.diff(weights[order]) <= 1e-12).all()


def test_without_half_life_all_weigh_alike():
    dates = AS_OF - np.asarray([1, 300]).astype("timedelta64[D]")
    assert recency_weights(dates, AS_OF, float("inf")).tolist() == [1.0, 1.0]
    young, old = recency_weights(AS_OF - np.asarray([0, 90]).astype("timedelta64[D]"), AS_OF, 90.0)
    assert young / old == pytest.approx(2.0)


def test_encoding_is_fixed_by_the_contract(data):
    matrix = encode(data.features, FEATURE_SET)
    names = encoded_names(FEATURE_SET)
    assert matrix.shape == (len(data), len(names))
    for category in ("job", "marital", "housing"):
        columns = [k for k, name in enumerate(names) if name.startswith(f"{category}=")]
        assert (matrix[:, columns].sum(axis=1) == 1.0).all()
    unknown = {name: column.copy() for name, column in data.features.items()}
    unknown["job"][0] = "astronaut"
    assert encode(unknown, FEATURE_SET)[0, [k for k, n in enumerate(names) if n.startswith("job=")]].sum() == 0.0


class TestSamplers:
    def rows(self, data):
        weights = recency_weights(data.contact_dates, AS_OF, 90.0)
        return encode(data.features, FEATURE_SET), data.is_subscribed, weights

    def test_none_changes_nothing(self, data):
        X, y, weights = self.rows(data)
        found = resample("none", X, y, weights, 0)
        assert all(a is b for a, b in zip(found, (X, y, weights), strict=True))

    def test_class_weights_balance_the_classes_and_keep_the_total(self, data):
        X, y, weights = self.rows(data)
        _, _, found = resample("class_weight", X, y, weights, 0)
        assert found[y].sum() == pytest.approx(found[~y].sum())
        assert found.sum() == pytest.approx(weights.sum())

    def test_smote_adds_the_rarer_class_only_with_its_mean_weight(self, data):
        X, y, weights = self.rows(data)
        new_X, new_y, new_weights = resample("smote", X, y, weights, 0)
        assert new_y.sum() == (~new_y).sum() == (~y).sum()
        np.testing.assert_array_equal(new_X[: len(X)], X)
        assert new_y[len(y) :].all()
        assert np.unique(new_weights[len(y) :]).tolist() == pytest.approx([weights[y].mean()])

    @pytest.mark.parametrize("sampler", ["tomek", "smote_tomek"])
    def test_tomek_removes_and_keeps_weights_beside_their_rows(self, data, sampler):
        X, y, weights = self.rows(data)
        new_X, new_y, new_weights = resample(sampler, X, y, weights, 0)
        assert len(new_X) == len(new_y) == len(new_weights)
        assert len(new_X) < (len(X) if sampler == "tomek" else 2 * int((~y).sum()))

    @pytest.mark.parametrize("sampler", SAMPLERS)
    def test_a_fold_with_hardly_a_subscriber_is_left_alone(self, data, sampler):
        X, _, weights = self.rows(data)
        y = np.zeros(len(X), bool)
        y[:3] = True
        assert resample(sampler, X, y, weights, 0)[0] is X

    def test_seeded(self, data):
        X, y, weights = self.rows(data)
        np.testing.assert_array_equal(resample("smote", X, y, weights, 4)[0], resample("smote", X, y, weights, 4)[0])


class TestFit:
    @pytest.mark.parametrize("algorithm", ALGORITHMS)
    def test_learns_the_signal_and_twice_the_same(self, data, algorithm):
        estimator = fit(data, Recipe(algorithm))
        proba = estimator.predict_proba(encode(data.features, FEATURE_SET))[:, 1]
        assert proba[data.is_subscribed].mean() > proba[~data.is_subscribed].mean() + 0.05
        again = fit(data, Recipe(algorithm)).predict_proba(encode(data.features, FEATURE_SET))[:, 1]
        np.testing.assert_array_equal(proba, again)

    def test_contacts_of_the_day_or_later_are_refused(self, data):
        dates = data.contact_dates.copy()
        dates[-1] = AS_OF
        with pytest.raises(ValueError, match="may not see the future"):
            fit(data, Recipe("lightgbm"), contact_dates=dates)

    @pytest.mark.parametrize("answer", [True, False])
    def test_one_kind_of_outcome_is_refused(self, data, answer):
        with pytest.raises(ValueError, match="expected both outcomes"):
            fit(data, Recipe("lightgbm"), is_subscribed=np.full(len(data), answer))
