"""The full search: bounded in time, blind to the reported folds, never worse than the defaults on its own folds."""

import time

import numpy as np
import pytest

from bank_assets.core.training import tuning
from bank_assets.core.training.algorithms import ALGORITHMS
from bank_assets.core.training.folds import predict_folds, time_folds
from bank_assets.core.training.recipes import Recipe
from bank_assets.core.training.tuning import before_reported_folds, tune
from bank_assets_tests.world.contacts import FIRST, made_contacts

DAYS = 120


@pytest.fixture(scope="module")
def data():
    return made_contacts(DAYS, 20).learning_data(FIRST + np.timedelta64(DAYS + 1, "D"))


def test_a_study_sees_nothing_of_the_reported_folds(data):
    seen = before_reported_folds(data)
    first = next(fold.test_start for fold in time_folds(data.contact_dates, data.as_of) if fold.is_reported)
    assert seen.as_of == first
    assert (seen.contact_dates < first).all()
    assert (seen.known_on <= first).all()
    assert 0 < len(seen) < len(data)


def test_what_happens_in_the_reported_folds_does_not_change_the_study(data):
    first = before_reported_folds(data).as_of
    turned = data.is_subscribed.copy()
    later = data.contact_dates >= first
    turned[later] = ~turned[later]
    other = type(data)(data.features, data.contact_dates, data.known_on, turned, data.as_of, data.contract)
    found = [tune("logistic_regression", d, seconds=60, seed=3, clock=time.monotonic, trials=3) for d in (data, other)]
    assert found[0] == found[1]


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_found_parameters_make_a_recipe(data, algorithm):
    found = tune(algorithm, data, seconds=60, seed=0, clock=time.monotonic, trials=2)
    assert set(found) <= set(ALGORITHMS[algorithm].defaults)
    assert Recipe(algorithm, parameters=found).parameters == {**ALGORITHMS[algorithm].defaults, **found}


@pytest.mark.parametrize("algorithm", ALGORITHMS.values(), ids=ALGORITHMS)
def test_a_search_tries_what_the_defaults_know_and_reaches_them(algorithm):
    for name, one in algorithm.space.items():
        assert one.low <= algorithm.defaults[name] <= one.high, name


def test_the_time_limit_ends_the_study(data, monkeypatch):
    fits = []
    monkeypatch.setattr(tuning, "predict_folds", lambda *given: fits.append(1) or predict_folds(*given))
    tune("logistic_regression", data, seconds=0.5, seed=0, clock=time.monotonic, trials=300)
    assert 2 <= len(fits) < 300
