"""Cost and value per contact: constants, columns, balance; their JSON form and their refusals."""

import json

import numpy as np
import pytest

from bank_assets.core.economics import MAXIMUM_EUR, Economics, EconomicsError
from bank_assets.core.value_models import (
    BalanceValue,
    ColumnAmount,
    ConstantAmount,
    constant_economics,
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
    assert economics.threshold.tolist() == [0.5, 2.0]  # above 1: no call can pay
    assert economics.expected_profit([0.6, 1.0]).tolist() == pytest.approx([1.0, -10.0])
    assert economics.source["value"]["kind"] == "balance"


def test_constant_economics_agree_with_the_configured_ones():
    configured = Economics(4.0, 80.0)
    economics = constant_economics(configured, 3)
    assert economics.threshold.tolist() == [configured.threshold] * 3
    assert constant_economics(configured, 0).threshold.shape == (0,)


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
