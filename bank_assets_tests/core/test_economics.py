"""Cost, value and threshold of a call: constants, columns, balance; their JSON form and their refusals."""

import json

import numpy as np
import pytest

from bank_assets.core.economics import (
    BEST_F1,
    MAXIMUM_EUR,
    BalanceValue,
    ColumnAmount,
    ConstantAmount,
    Economics,
    EconomicsError,
    constant_economics,
    is_worth_calling,
    resolve_economics,
)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (ConstantAmount(5.0), [5.0, 5.0]),
        (ColumnAmount("fee"), [2.5, 7.5]),
        (BalanceValue(0.02, 10.0, 300.0), [10.0, 40.0]),
        (BalanceValue(0.02, 10.0, 30.0), [10.0, 30.0]),
    ],
    ids=["constant", "column", "balance", "balance_capped"],
)
def test_amounts_and_their_json_form(model, expected):
    columns = {"fee": np.array([2.5, 7.5]), "balance": np.array([-300, 2_000])}
    assert model.amounts(columns, 2).tolist() == expected
    assert json.loads(json.dumps(model.to_dict()))["kind"] == model.kind


def test_break_even_per_contact():
    economics = resolve_economics(
        ColumnAmount("fee"), BalanceValue(0.02, 10.0, 300.0), {"fee": np.array([5, 20]), "balance": np.array([0, 0])}, 2
    )
    assert economics.break_even.tolist() == [0.5, 2.0]  # above 1: no call can pay
    assert economics.expected_profit([0.6, 1.0]).tolist() == pytest.approx([1.0, -10.0])
    assert economics.source["value"]["kind"] == "balance"


def test_constant_economics_agree_with_the_configured_ones():
    configured = Economics(4.0, 80.0)
    economics = constant_economics(configured, 3)
    assert economics.break_even.tolist() == [configured.threshold] * 3
    assert constant_economics(configured, 0).break_even.shape == (0,)


BAD = [0.0, -5.0, float("nan"), float("inf"), MAXIMUM_EUR * 2, None, "5", True]


@pytest.mark.parametrize("amount", BAD)
def test_unusable_constants_are_refused(amount):
    for make in (
        lambda: ConstantAmount(amount),
        lambda: BalanceValue(amount, 1.0, 2.0),
        lambda: BalanceValue(0.1, amount, 2.0),
        lambda: Economics(cost_eur=amount),
        lambda: Economics(value_eur=amount),
    ):
        with pytest.raises(EconomicsError, match="expected"):
            make()


@pytest.mark.parametrize("amount", [0.0, -5.0, float("nan"), float("inf"), MAXIMUM_EUR * 2])
def test_unusable_column_names_its_row(amount):
    with pytest.raises(EconomicsError, match="row 1"):
        ColumnAmount("fee").amounts({"fee": np.array([1.0, amount])}, 2)


@pytest.mark.parametrize(
    ("columns", "message"),
    [({}, "'fee'"), ({"fee": np.array(["a", "b"])}, "numbers"), ({"fee": np.ones(3)}, "2 contacts")],
)
def test_unusable_columns_are_refused(columns, message):
    with pytest.raises(EconomicsError, match=message):
        ColumnAmount("fee").amounts(columns, 2)


def test_share_above_one_and_swapped_bounds_are_refused():
    with pytest.raises(EconomicsError, match=r"0\.02"):
        BalanceValue(2.0, 1.0, 5.0)
    with pytest.raises(EconomicsError, match="swap"):
        BalanceValue(0.2, 6.0, 5.0)
    with pytest.raises(EconomicsError, match="row 0"):
        BalanceValue(0.2, 1.0, 5.0).amounts({"balance": np.array([np.nan])}, 1)


DECISION = {"thresholds": {"f1": 0.3, "profit": 0.1}}


def test_break_even_decides_unless_the_models_own_threshold_is_asked_for():
    economics = Economics(5.0, 50.0)
    assert economics.for_model(DECISION) is economics
    assert is_worth_calling([0.1, 0.11, 0.3], economics).tolist() == [False, True, True]
    assert economics.to_dict() == {"cost_eur": 5.0, "value_eur": 50.0, "threshold": 0.1}
    by_f1 = Economics(5.0, 50.0, BEST_F1)
    assert by_f1.threshold == 0.1  # no model yet
    by_f1 = by_f1.for_model(DECISION)
    assert is_worth_calling([0.1, 0.29, 0.3], by_f1).tolist() == [False, False, True]
    assert by_f1.to_dict() == {"cost_eur": 5.0, "value_eur": 50.0, "threshold": 0.3, "rule": "f1"}
    assert by_f1.break_even == 0.1
