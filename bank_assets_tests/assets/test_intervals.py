"""Intervals of a challenger's metrics contain the metric, are wider for fewer contacts, and resample whole days."""

import numpy as np
import pytest

from bank_assets.assets.model_bundle import intervals_of
from bank_assets.core.economics.economics import Economics
from bank_assets.core.quality import metrics
from bank_assets.core.quality.objective import Cohort

METRICS = {"roc_auc", "average_precision", "f1", "brier", "log_loss", "profit_eur"}


@pytest.fixture(scope="module")
def cohort():
    rng = np.random.default_rng(3)
    proba = rng.random(1_600) * 0.5
    days = np.datetime64("2020-01-01") + rng.integers(0, 40, len(proba))
    return proba, rng.random(len(proba)) < proba, days


def intervals(cohort, rows=slice(None)):
    proba, observed, days = (column[rows] for column in cohort)
    return intervals_of(Cohort(observed, days, Economics(), {}, 1), proba, 0.3)


def test_each_metric_lies_inside_its_interval_and_is_the_metric_itself(cohort):
    proba, observed, _ = cohort
    found = intervals(cohort)
    assert set(found) == METRICS | {"rows"}
    assert all(found[name][0] < found[name][1] < found[name][2] for name in METRICS)
    assert found["f1"][1] == metrics.f1(observed, proba, 0.3)
    assert found["log_loss"][1] == pytest.approx(metrics.log_loss(observed, proba))
    assert found["profit_eur"][1] == pytest.approx(float((50.0 * observed - 5.0)[proba > 0.1].sum()))


def test_fewer_contacts_say_less(cohort):
    many, few = intervals(cohort), intervals(cohort, slice(0, 200))
    assert few["rows"] == 200
    for name in METRICS - {"profit_eur"}:
        assert few[name][2] - few[name][0] > many[name][2] - many[name][0]
