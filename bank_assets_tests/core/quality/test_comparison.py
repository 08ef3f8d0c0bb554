"""Two models on the same contacts: the money is right, better is better, too few are not compared."""

import json

import numpy as np
import pytest

from bank_assets.core.economics.economics import Economics
from bank_assets.core.quality.comparison import MINIMUM_ROWS, compare_models
from bank_assets.core.quality.objective import Cohort

N = 1_200


def contacts(seed=3, n=N):
    rng = np.random.default_rng(seed)
    truth = rng.uniform(0.01, 0.35, n)
    return truth, rng.random(n) < truth, np.datetime64("2009-05-01") + rng.integers(0, 28, n)


def compared(before, now, observed, days):
    return compare_models(Cohort(observed, days, Economics(), {}, 1), before, now)


@pytest.fixture(scope="module")
def found():
    truth, observed, days = contacts()
    return compared(np.full(N, 0.18), truth, observed, days)


def test_profit_is_that_of_the_calls(found):
    truth, observed, _ = contacts()
    called = truth * 50 > 5
    profit = found.measure("profit_eur")
    assert profit.now == pytest.approx(50 * observed[called].sum() - 5 * called.sum())
    assert profit.before == found.profit_everyone_eur == pytest.approx(50 * observed.sum() - 5 * N)
    assert profit.gain == pytest.approx(profit.now - profit.before)
    assert profit.low < profit.gain < profit.high


def test_the_truth_is_better_in_every_measure(found):
    assert [one.name for one in found.measures] == [
        "profit_eur", "f1", "average_precision", "log_loss", "calibration_error",
    ]  # fmt: skip
    for name in ("profit_eur", "average_precision", "log_loss"):
        measure = found.measure(name)
        assert measure.low > 0, name
        assert measure.probability > 0.9
    loss = found.measure("log_loss")
    assert loss.now < loss.before
    assert not loss.is_higher_better


def test_the_effect_is_a_sentence_with_its_interval(found):
    profit = found.measure("profit_eur")
    assert found.effect("version 3").startswith("On 1,200 contacts from 2009-05-01 to 2009-05-28 the new model would")
    assert f"{profit.gain:,.0f} EUR more than version 3, which chance does not explain: " in found.effect("version 3")


def test_a_worse_model_earns_less_and_equal_ones_the_same():
    truth, observed, days = contacts()
    assert " EUR less " in compared(truth, np.full(N, 0.18), observed, days).effect()
    assert "would have earned the same" in compared(truth, truth, observed, days).effect()


def test_curves_end_where_everybody_is_called(found):
    for name in ("before", "now"):
        assert found.profit[name][0] == (0.0, 0.0)
        assert found.profit[name][-1] == (1.0, pytest.approx(found.profit_everyone_eur))
    assert len(found.calibration["now"]) > 3
    document = found.to_dict()
    assert "profit" not in document
    assert next(iter(document["measures"])) == "profit_eur"
    json.dumps(document)


@pytest.mark.parametrize("n", [0, 1, MINIMUM_ROWS - 1])
def test_too_few_contacts_are_counted_and_not_compared(n):
    truth, observed, days = contacts(n=n)
    few = compared(truth, truth, observed, days)
    assert (few.rows, few.is_enough, few.effect(), few.measures) == (n, False, "", ())


def test_one_class_alone_is_not_compared():
    truth, _, days = contacts()
    assert not compared(truth, truth, np.zeros(N, bool), days).is_enough
