"""Columns that know the outcome are found by what they do, not only by their names; honest ones are left alone."""

import numpy as np
import pytest

from bank_assets.adoption.column_facts import facts_of
from bank_assets.adoption.leaks import separations, suspected
from bank_assets.contract.column_rules import Encoded

RNG = np.random.default_rng(5)
N = 2_000
OUTCOMES = RNG.random(N) < 0.2
HONEST = {"score": RNG.normal(size=N) + 0.4 * OUTCOMES, "noise": RNG.normal(size=N).round(2)}
TALK = RNG.normal(300, 100, N) + 220 * OUTCOMES


def found(columns, outcomes=OUTCOMES):
    facts = facts_of({name: Encoded.of(map(str, values)) for name, values in columns.items()})
    return suspected(separations(facts, outcomes, np.arange(len(outcomes))))


def test_a_column_that_stands_far_above_the_others_is_suspected():
    leaks = found(HONEST | {"t": TALK})
    assert list(leaks) == ["t"]
    assert "score, reaches 0.6" in leaks["t"]


@pytest.mark.parametrize(
    "values",
    [
        np.where(OUTCOMES, "closed", "open"),
        [f"D{k}" if yes else "" for k, yes in enumerate(OUTCOMES)],  # an id that exists after a sale only
        ["2011-01-01" if yes else "" for yes in OUTCOMES],
    ],
)
def test_so_is_a_column_that_exists_only_after_the_outcome(values):
    assert list(found(HONEST | {"x": values, "t": TALK})) == ["x", "t"]


def test_honest_columns_are_not_suspected():
    assert found(HONEST) == {}
    assert found(HONEST | {"t": TALK}, RNG.permutation(OUTCOMES)) == {}


def test_a_trend_that_turns_earns_nothing():
    """A number that rises over time orders the earlier outcomes by the calendar, and says nothing about later ones."""
    rate = np.where(np.arange(N) < 0.7 * N, np.arange(N) / N, 0.3)
    assert found({"index": np.arange(N), "noise": HONEST["noise"]}, RNG.random(N) < rate) == {}


def test_too_few_outcomes_say_nothing():
    few = np.arange(N) % 100 == 0
    assert separations(facts_of({"t": Encoded.of(map(str, TALK))}), few, np.arange(N)) == {}
