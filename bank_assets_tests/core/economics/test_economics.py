"""Cost, value and threshold of a call: constants, columns, balance; their JSON form and their refusals."""

import json
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from bank_assets.contract.uci import UCI
from bank_assets.core.economics.economics import (
    BEST_F1,
    MAXIMUM_EUR,
    BalanceAmount,
    ColumnAmount,
    ConstantAmount,
    Economics,
    EconomicsError,
    amount_of,
)
from bank_assets.core.economics.planner import PlanSettings, plan_calls
from bank_assets.core.features.contacts import ScoredContacts
from bank_assets.core.quality.comparison import profit_curve
from bank_assets.core.quality.objective import PROFIT, Cohort
from bank_assets.core.quality.performance import measure_performance


@pytest.mark.parametrize(
    ("amount", "expected", "text"),
    [
        (ConstantAmount(5.0), 5.0, "5 EUR"),
        (ColumnAmount("fee"), [2.5, 7.5], "EUR by fee"),
        (BalanceAmount(0.02, 10.0, 300.0, "balance"), [10.0, 40.0], "2.0 % of balance, 10 to 300 EUR"),
        (BalanceAmount(0.02, 10.0, 30.0, "balance"), [10.0, 30.0], "2.0 % of balance, 10 to 30 EUR"),
    ],
    ids=["constant", "column", "balance", "balance_capped"],
)
def test_amounts_their_words_and_their_json_form(amount, expected, text):
    rows = {"fee": np.array([2.5, 7.5]), "balance": np.array([-300, 2_000])}
    assert amount.of(rows).tolist() == expected
    assert str(amount) == text
    assert amount_of(json.loads(json.dumps(msgspec.to_builtins(amount)))) == amount


BY_ROW = Economics(ColumnAmount("fee"), BalanceAmount(0.02, 10.0, 300.0, "balance"))
ROWS = {"fee": np.array([5.0, 20.0, 1.0]), "balance": np.array([0, 0, 5_000])}
"""Break-even 0.5, 2 (no call can pay) and 0.01."""


def test_threshold_decision_and_profit_by_row():
    assert BY_ROW.threshold(ROWS).tolist() == [0.5, 2.0, 0.01]
    assert BY_ROW.expected_profit([0.6, 1.0, 0.5], ROWS).tolist() == pytest.approx([1.0, -10.0, 49.0])
    assert BY_ROW.decide([0.6, 1.0, 0.02], ROWS).tolist() == [True, False, True]
    assert BY_ROW.profit([True, True, True], [True, True, False], ROWS).tolist() == [5.0, -10.0, -1.0]
    assert BY_ROW.profit([False, True, False], [True, False, True], ROWS).tolist() == [0.0, -20.0, 0.0]
    assert BY_ROW.decide_knowing([True, True, False], ROWS).tolist() == [True, False, False]
    own = replace(BY_ROW, calls_from=0.3)
    assert own.decide([0.3, 0.3, 0.29], ROWS).tolist() == [True, True, False]


def test_economics_by_row_are_described_by_their_amounts_and_have_no_single_threshold():
    document = BY_ROW.to_dict()
    assert document["cost_eur"] == {"kind": "column", "column": "fee"}
    assert document["threshold"] is BY_ROW.single_break_even is None
    assert amount_of(document["value_eur"]) == BY_ROW.value_amount
    assert BY_ROW.stating(5.0, 50.0).single_break_even == 0.1


def test_a_plan_follows_the_economics_of_each_row():
    plan = plan_calls(["a", "b", "c"], [0.6, 1.0, 0.02], ROWS, UCI, PlanSettings(BY_ROW))
    assert plan.is_called.tolist() == [True, False, True]
    assert plan.cost_eur.tolist() == ROWS["fee"].tolist()
    assert plan.value_eur.tolist() == [10.0, 10.0, 100.0]
    assert plan.called.expected_profit_eur == pytest.approx(2.0)


def test_offline_profit_follows_the_economics_of_each_row():
    called, observed, day = np.array([True, True, True]), np.array([True, True, False]), np.datetime64("2009-02-02")
    days = np.full(3, day)
    cohort = Cohort(observed, days, BY_ROW, ROWS, 1)
    lead = cohort.lead(PROFIT, called, BY_ROW.decide_knowing(observed, ROWS))
    assert (lead.before, lead.now) == (-6.0, 5.0)
    assert profit_curve(cohort, np.array([0.9, 0.5, 0.1]), n_resamples=0)["value"][-1] == -6.0
    scored = ScoredContacts(days, np.array([0.6, 1.0, 0.02]), observed, days + 1, ROWS)
    latest = measure_performance(scored, "2009-03-02", BY_ROW).latest
    assert (latest.profit_eur, latest.profit_everyone_eur, latest.profit_oracle_eur) == (4.0, -6.0, 5.0)


def test_tables_keep_the_economics_of_their_rows_and_those_of_earlier_releases_have_the_platforms():
    kept = {"cost_eur": np.array([5.0, 7.0]), "value_eur": np.array([50.0, 70.0])}
    assert BY_ROW.on_record(kept).cost(kept).tolist() == [5.0, 7.0]
    assert BY_ROW.on_record({"contact_id": np.array(["a", "b"])}) is BY_ROW


BAD = [0.0, -5.0, float("nan"), float("inf"), MAXIMUM_EUR * 2, None, "5", True]


@pytest.mark.parametrize("amount", BAD)
def test_unusable_constants_are_refused(amount):
    for make in (
        lambda: ConstantAmount(amount),
        lambda: BalanceAmount(amount, 1.0, 2.0, "balance"),
        lambda: BalanceAmount(0.1, amount, 2.0, "balance"),
        lambda: Economics.constant(amount, 50.0),
        lambda: Economics.constant(5.0, amount),
    ):
        with pytest.raises(EconomicsError, match="expected"):
            make()


@pytest.mark.parametrize("amount", [0.0, -5.0, float("nan"), float("inf"), MAXIMUM_EUR * 2])
def test_unusable_column_names_its_row(amount):
    with pytest.raises(EconomicsError, match="row 1"):
        ColumnAmount("fee").of({"fee": np.array([1.0, amount])})


@pytest.mark.parametrize(("rows", "message"), [({}, "'fee'"), ({"fee": np.array(["a", "b"])}, "numbers")])
def test_unusable_columns_are_refused(rows, message):
    with pytest.raises(EconomicsError, match=message):
        ColumnAmount("fee").of(rows)


def test_share_above_one_and_swapped_bounds_are_refused():
    with pytest.raises(EconomicsError, match=r"0\.02"):
        BalanceAmount(2.0, 1.0, 5.0, "balance")
    with pytest.raises(EconomicsError, match="swap"):
        BalanceAmount(0.2, 6.0, 5.0, "balance")
    with pytest.raises(EconomicsError, match="row 0"):
        BalanceAmount(0.2, 1.0, 5.0, "balance").of({"balance": np.array([np.nan])})


DECISION = {"thresholds": {"f1": 0.3, "profit": 0.1}}


def test_break_even_decides_unless_the_models_own_threshold_is_set():
    economics = Economics.constant(5.0, 50.0)
    assert economics.for_model(DECISION) is economics
    assert economics.decide([0.1, 0.11, 0.3, np.nan], {}).tolist() == [False, True, True, False]
    assert economics.to_dict() == {"cost_eur": 5.0, "value_eur": 50.0, "threshold": 0.1}
    by_f1 = replace(economics, rule=BEST_F1)
    assert by_f1.threshold({}) == 0.1  # no model yet
    by_f1 = by_f1.for_model(DECISION)
    assert by_f1.decide([0.1, 0.29, 0.3], {}).tolist() == [False, False, True]
    assert by_f1.to_dict() == {"cost_eur": 5.0, "value_eur": 50.0, "threshold": 0.3, "rule": "f1"}
    assert by_f1.single_break_even == 0.1


def test_profit_counts_the_cost_of_every_call_and_the_value_of_every_subscription():
    economics, observed = Economics.constant(5.0, 50.0), [True, True, False, False]
    assert economics.profit(economics.decide([0.9, 0.05, 0.5, 0.1], {}), observed, {}).tolist() == [45, 0, -5, 0]
