"""A month in which nobody subscribes goes through every stage that learns or judges: no error, no invented number."""

import json
import time

import numpy as np
import pytest

from bank_assets.contract.uci import UCI
from bank_assets.core.drift.daily_profiles import DailyProfiles
from bank_assets.core.drift.verdict import compare_profiles
from bank_assets.core.economics.economics import Economics
from bank_assets.core.quality.performance import measure_performance
from bank_assets.core.training.challenger import fit_deployment
from bank_assets.core.training.folds import candidate_metrics, predict_folds, resampled_fold, time_folds
from bank_assets.core.training.recipes import SAMPLERS, Recipe
from bank_assets_tests.world.contacts import FIRST, made_contacts

MONTHS, BARREN = 8, np.datetime64("2020-06", "M")


def nobody_in_june(frame, numbers, odds):
    days = FIRST + numbers.astype("timedelta64[D]")
    return np.where(days.astype("datetime64[M]") == BARREN, -50.0, odds)


@pytest.fixture(scope="module")
def contacts():
    made = made_contacts(MONTHS * 30, 12, change=nobody_in_june)
    june = made.contact_dates.astype("datetime64[M]") == BARREN
    assert june.sum() > 300
    assert not made.is_subscribed[june].any()
    return made


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_candidates_are_trained_and_the_fold_without_subscribers_has_no_auc(contacts, sampler):
    data = contacts.learning_data(FIRST + np.timedelta64(MONTHS * 30 + 2, "D"))
    folds = time_folds(data.contact_dates, data.as_of)
    recipe = Recipe("logistic_regression", sampler)
    predicted = predict_folds(recipe, data, folds, resampled_fold(data), time.monotonic)
    found = candidate_metrics(predicted.calibrated, data, folds, Economics())
    assert all(np.isfinite(value) for value in found.values())
    barren = [f for f in folds if f.is_reported and not data.is_subscribed[f.test_mask(data.contact_dates)].any()]
    assert all(f"roc_auc_fold_{fold.name}" not in found for fold in barren)


def test_the_deployment_fit_learns_from_it(contacts):
    fit = fit_deployment(Recipe("lightgbm"), contacts.learning_data(np.datetime64("2020-07-01", "D")))
    assert fit.parity <= 1e-5
    assert not fit.guard_observed[-100:].any()


def test_its_performance_has_profit_and_no_auc(contacts):
    proba = np.where(contacts.frame["poutcome"] == "success", 0.4, 0.08)
    scored = contacts.scored(proba)
    report = measure_performance(scored, "2020-09-15", Economics())
    june = next(month for month in report.months if month.name == "2020-06")
    assert june.roc_auc is None
    assert june.profit_eur == -5.0 * june.calls < 0
    assert "NaN" not in json.dumps(report.to_dict())


def test_its_drift_is_a_moved_subscription_rate(contacts):
    daily = DailyProfiles.from_rows(contacts.contact_dates, {**contacts.frame, "y": contacts.is_subscribed}, UCI)
    report = compare_profiles(daily.of_months(["2020-01", "2020-02", "2020-03"]), daily.of_months(["2020-06"]))
    assert report.label_current.rate == 0.0
    assert "NaN" not in json.dumps(report.to_dict())
