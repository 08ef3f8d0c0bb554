"""Cost and value per contact: constants, columns, minutes, balance; their JSON form and their refusals."""

import json
import os

import numpy as np
import pytest

from bank_assets.contract import LeakageError
from bank_assets.core.call_minutes import CallMinutes, fit_call_minutes
from bank_assets.core.economics import MAXIMUM_EUR, Economics, EconomicsError
from bank_assets.core.value_models import (
    BalanceValue,
    ColumnAmount,
    ConstantAmount,
    MinutesCost,
    amount_model_from_dict,
    constant_economics,
    resolve_economics,
)


def calls(n=3_000, seed=1):
    rng = np.random.default_rng(seed)
    contact = rng.choice(["cellular", "telephone"], n)
    age = rng.integers(18, 90, n)
    minutes = np.where(contact == "cellular", 3.0, 6.0) * np.exp(0.01 * (age - 50)) * rng.gamma(2.0, 0.5, n)
    return {"contact": contact, "age": age}, minutes * 60


MINUTES = fit_call_minutes(*calls(), inputs=("age", "contact"))


def test_minutes_model_finds_what_makes_calls_long():
    columns, seconds = calls(seed=2)
    expected = MINUTES.expected(columns)
    assert expected.mean() == pytest.approx(seconds.mean() / 60, rel=0.05)
    fifty = {"age": np.array([50, 50]), "contact": np.array(["cellular", "telephone"])}
    assert MINUTES.expected(fifty).tolist() == pytest.approx([3.0, 6.0], rel=0.1)
    assert np.corrcoef(expected, seconds)[0, 1] > 0.4


def test_minutes_of_the_training_calls_add_up():
    columns, seconds = calls()
    assert MINUTES.expected(columns).sum() == pytest.approx(seconds.sum() / 60, rel=1e-6)


def test_minutes_model_never_reads_the_duration():
    columns, seconds = calls()
    with pytest.raises(LeakageError, match="duration"):
        fit_call_minutes({**columns, "duration": seconds}, seconds, inputs=("age", "duration"))


@pytest.mark.parametrize(
    "seconds", [np.zeros(100), np.full(100, -1.0), np.full(100, np.nan), np.full(10, 60.0)], ids=str
)
def test_unusable_durations_are_refused(seconds):
    with pytest.raises(EconomicsError, match="call minutes"):
        fit_call_minutes({"age": np.arange(len(seconds)) + 20}, seconds, inputs=("age",))


def test_minutes_stay_sane_far_from_the_training_range():
    extreme = {"age": np.array([1e9, -1e9]), "contact": np.array(["fax", "cellular"])}
    minutes = MINUTES.expected(extreme)
    assert (minutes > 0).all()
    assert (minutes <= 120).all()


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (ConstantAmount(5.0), [5.0, 5.0]),
        (ColumnAmount("fee"), [2.5, 7.5]),
        (BalanceValue(0.02, 10.0, 300.0), [10.0, 40.0]),
        (BalanceValue(0.02, 10.0, 30.0), [10.0, 30.0]),
        (MinutesCost(MINUTES, 0.5, 1.0), [2.5, 4.0]),
    ],
    ids=["constant", "column", "balance", "balance_capped", "minutes"],
)
def test_amounts_survive_their_json_form(model, expected):
    columns = {
        "fee": np.array([2.5, 7.5]),
        "balance": np.array([-300, 2_000]),
        "age": np.array([50, 50]),
        "contact": np.array(["cellular", "telephone"]),
    }
    again = amount_model_from_dict(json.loads(json.dumps(model.to_dict())))
    assert again.amounts(columns, 2).tolist() == model.amounts(columns, 2).tolist()
    assert model.amounts(columns, 2).tolist() == pytest.approx(expected, rel=0.08)


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
        lambda: MinutesCost(MINUTES, amount),
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


@pytest.mark.parametrize("content", [{}, {"kind": "magic"}, {"kind": "constant"}, {"kind": "minutes"}])
def test_unusable_json_is_refused(content):
    with pytest.raises(EconomicsError, match="amount"):
        amount_model_from_dict(content)


def test_minutes_need_their_columns():
    with pytest.raises(EconomicsError, match="contact"):
        CallMinutes.from_dict(MINUTES.to_dict()).expected({"age": np.array([50])})


def test_expected_minutes_on_the_real_calls():
    path = os.environ.get("BANK_SOURCE", "")
    if not path.endswith(".csv"):
        pytest.skip("BANK_SOURCE does not name the UCI file")
    import pandas as pd

    contacts = pd.read_csv(path, sep=";")
    columns = {name: contacts[name].to_numpy() for name in ("age", "job", "contact", "campaign", "poutcome", "balance")}
    model = fit_call_minutes(columns, contacts["duration"].to_numpy())
    minutes = model.expected(columns)
    assert minutes.sum() == pytest.approx(contacts["duration"].sum() / 60, rel=1e-6)
    assert 1.0 < minutes.min() < minutes.max() < 15.0
