"""Tests what other policies would have earned on a list, from its rows and what became of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bank_assets.core.economics.economics import BEST_F1, Economics
from bank_assets.core.quality.other_policies import OtherModel, other_policies
from bank_assets_tests.core.quality.test_read_out import a_list

NO_FORMER = "No champion before: nobody decided."
# Worth a call are all above a tenth; the explored were drawn with a probability of 10 % of those between 0.06 and 0.1.
ROWS = a_list((300, 100, 0, 900, 50), (60, 8, 0, 0, 0), share=0.0)
ROWS = replace(ROWS, probability=np.repeat([0.15, 0.08, 0.08, 0.3], (300, 100, 900, 50)))


BREAK_EVEN = Economics()


def values(rows=ROWS, economics=BREAK_EVEN, former=NO_FORMER):
    return {one.name: one for one in other_policies(rows, 30, economics, former)}


def test_thresholds_that_call_the_called_are_exact_and_others_are_estimated_with_an_interval():
    found = values()
    calls = {name: one.value.calls for name, one in found.items() if one.value}
    assert calls == {"half_threshold": 1_300, "threshold": 300, "twice_threshold": 0}, "rules exclude the best 50"
    exact = found["threshold"].value
    assert (exact.profit_eur.low, exact.profit_eur.value, exact.profit_eur.high) == (1_500.0,) * 3
    half = found["half_threshold"].value
    assert (half.explored, half.not_called) == (100, 900)
    assert half.profit_eur.value == pytest.approx(50 * (60 + 8 + 900 * 0.08) - 1_300 * 5)
    assert half.profit_eur.low < half.profit_eur.value < half.profit_eur.high


def test_too_little_evidence_and_contacts_out_of_reach_are_said():
    few = ROWS.rows(np.r_[0:310, 400:1_350])
    assert values(few)["half_threshold"].value.reason.startswith("Too little evidence: expected an effective size")
    unexplored = replace(ROWS, propensity=np.where(ROWS.is_called, 1.0, 0.0))
    assert values(unexplored)["half_threshold"].value.reason.startswith("Out of reach: expected a chance of a call")
    assert values(unexplored)["threshold"].value.profit_eur.value == 1_500.0


def test_the_champion_before_decides_by_its_own_probabilities_and_threshold():
    other = np.where(np.arange(1_350) % 2 == 0, 0.2, 0.05)
    by_profit = values(former=OtherModel("3", other, Economics()))["previous_champion"]
    assert (by_profit.text, by_profit.value.calls) == ("The champion before, version 3", 650)
    assert by_profit.value.profit_eur.low < by_profit.value.profit_eur.high
    by_f1 = values(former=OtherModel("3", other, Economics(rule=BEST_F1, calls_from=0.05)))["previous_champion"]
    assert by_f1.value.calls == 1_300


def test_a_list_decided_by_f1_has_multiples_of_that_threshold():
    calls = values(economics=Economics(rule=BEST_F1, calls_from=0.15))
    assert [calls[name].value.calls for name in ("threshold", "half_threshold", "twice_threshold")] == [300, 1_300, 0]


def test_without_a_champion_before_the_answer_says_why():
    found = values()["previous_champion"]
    assert (found.value, found.reason) == (None, NO_FORMER)
