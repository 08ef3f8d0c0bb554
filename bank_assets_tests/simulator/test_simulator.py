"""Simulated contacts match contract and profile, and are reproducible."""

import io
from datetime import date

import numpy as np
import pandas as pd
import pytest

from bank_assets.contract.uci import UCI
from bank_assets.simulator import simulator
from bank_assets.simulator.month_model import profile_month, weekdays_of
from bank_assets.simulator.profile import load_profile
from bank_assets.simulator.simulator import csv_header, csv_of, month_rows, scale_for_rows, simulate, simulate_month

SEED = 11


@pytest.fixture(scope="module")
def profile():
    return load_profile()


@pytest.fixture(scope="module")
def history(profile):
    return simulate(rows=200_000, seed=SEED, profile=profile)


def month_of(frame):
    keys, inverse = np.unique(frame["contact_date"].to_numpy().astype("datetime64[M]"), return_inverse=True)
    return pd.Series(keys.astype(str)[inverse], index=frame.index)


def test_rows_fit_the_contract(history):
    assert tuple(history.columns) == UCI.delivery_columns
    assert not history.isna().any().any()
    assert history["contact_id"].is_unique
    assert history["contact_id"].iloc[0] == "sim-200805-00000001"
    for name in UCI.delivery_columns[2:]:
        column = UCI.by_source[name]
        if column.categories:
            assert tuple(history[name].cat.categories) == column.categories
        else:
            assert history[name].between(column.minimum, column.maximum).all(), name


def test_date_day_and_month_agree_and_lie_on_weekdays(history):
    dates = history["contact_date"]
    assert dates.is_monotonic_increasing
    assert (dates.dt.day == history["day"]).all()
    assert (dates.dt.strftime("%b").str.lower() == history["month"].astype(str)).all()
    assert dates.dt.dayofweek.max() == 4
    assert (dates.min(), dates.max()) >= (pd.Timestamp("2008-05-05"), pd.Timestamp("2010-11-01"))


def test_previous_outcome_days_and_contacts_are_consistent(history):
    never = history["poutcome"] == "unknown"
    assert ((history["pdays"] == -1) == never).all()
    assert ((history["previous"] == 0) == never).all()
    assert (history.loc[~never, "pdays"] > 0).all()
    before_october_2008 = history["contact_date"] < pd.Timestamp("2008-10-01")
    assert never[before_october_2008].all()


def test_the_months_have_the_real_volumes_and_rates(profile, history):
    scale = scale_for_rows(profile, 200_000)
    assert len(history) == 200_000
    volumes = month_of(history).value_counts()
    answers = (history["y"] == "yes").groupby(month_of(history)).mean()
    for month, rows, rate in zip(profile.months, profile.rows, profile.rates, strict=True):
        assert abs(volumes[month] - rows * scale) <= 1
        assert abs(answers[month] - rate) <= 4.5 * np.sqrt(rate * (1 - rate) / volumes[month]), month
    assert "2008-09" not in volumes


def test_the_months_have_the_real_margins(profile, history):
    months = month_of(history)
    large = [month for month, rows in months.value_counts().items() if rows > 5_000]
    assert len(large) >= 8
    for month in large:
        part, index = history[months == month], profile.months.index(month)
        for name in ("job", "contact", "housing", "poutcome", "marital", "education"):
            found = part[name].value_counts(normalize=True).reindex(list(UCI.by_source[name].categories)).to_numpy()
            assert np.abs(found - profile.margins[name][index]).sum() / 2 < 0.02, (name, month)


def test_one_month_at_scale_one_has_the_profiles_rows(profile):
    assert [month_rows(profile, month, 1.0) for month in profile.months] == profile.rows.tolist()
    assert month_rows(profile, "2008-09", 1.0) == 0
    assert sum(month_rows(profile, month, 0.0037) for month in profile.months) == round(45_211 * 0.0037)


def test_the_same_seed_gives_the_same_month_whatever_span_or_chunk(profile, monkeypatch):
    whole = simulate(seed=SEED, profile=profile, scale=0.2)
    part = simulate(date(2009, 2, 1), date(2009, 3, 31), seed=SEED, profile=profile, scale=0.2)
    expected = whole[month_of(whole).isin(["2009-02", "2009-03"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(part, expected)
    monkeypatch.setattr(simulator, "CHUNK_ROWS", 7)
    small = pd.concat(simulate_month(profile, "2009-02", scale=0.2, seed=SEED), ignore_index=True)
    pd.testing.assert_frame_equal(small, expected[month_of(expected) == "2009-02"])
    monkeypatch.undo()
    other = simulate(date(2009, 2, 1), date(2009, 3, 31), seed=SEED + 1, profile=profile, scale=0.2)
    assert (other["age"].to_numpy() != part["age"].to_numpy()).mean() > 0.5


def test_a_span_is_cut_to_its_days(profile):
    frame = simulate(date(2009, 5, 6), date(2009, 5, 8), seed=SEED, profile=profile)
    assert set(frame["contact_date"].dt.day) <= {6, 7, 8}
    with pytest.raises(ValueError, match="expected a period with contacts"):
        simulate(date(2008, 9, 1), date(2008, 9, 30), seed=SEED, profile=profile)


def test_any_period_can_be_simulated(profile):
    assert profile.months[profile_month(profile, "2031-03")] == "2010-03"
    assert profile.months[profile_month(profile, "2011-12")] == "2009-12"
    assert profile.months[profile_month(profile, "2007-09")] == "2009-09"
    assert profile.months[profile_month(profile, "2001-05")] == "2008-05"
    assert profile_month(profile, "2008-09") is None
    frame = simulate(date(2031, 2, 1), date(2031, 3, 31), seed=SEED, profile=profile, scale=3)
    assert sorted(set(month_of(frame))) == ["2031-02", "2031-03"]
    assert {day.date() for day in frame["contact_date"]} <= {*weekdays_of(2031, 2), *weekdays_of(2031, 3)}
    assert frame["contact_id"].iloc[0].startswith("sim-203102-")


def test_csv_has_the_shape_of_the_uci_file(profile):
    frame = simulate(date(2009, 1, 1), date(2009, 1, 31), seed=SEED, profile=profile)
    text = csv_of(frame).decode()
    assert text.splitlines()[0].startswith('"sim-200901-00000001";2009-01-')
    read = pd.read_csv(io.StringIO(csv_header(frame.columns).decode() + "\n" + text), sep=";")
    assert tuple(read.columns) == UCI.delivery_columns
    assert len(read) == len(frame)
    for name in UCI.delivery_columns:
        expected = frame[name].dt.strftime("%Y-%m-%d") if name == "contact_date" else frame[name]
        assert read[name].astype(str).tolist() == expected.astype(str).tolist(), name
