"""Simulated contacts match contract and profile, are reproducible, and drift only where requested."""

import io
from datetime import date

import numpy as np
import pandas as pd
import pytest

from bank_assets.contract.uci import UCI
from bank_assets.simulator.drift import Drift
from bank_assets.simulator.month_model import month_range, profile_month, weekdays_of
from bank_assets.simulator.profile import load_profile
from bank_assets.simulator.simulated_csv import csv_header, write_csv
from bank_assets.simulator.simulator import month_rows, scale_for_rows, simulate, simulate_month

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


def test_the_same_seed_gives_the_same_month_whatever_span_or_chunk(profile):
    whole = simulate(seed=SEED, profile=profile, scale=0.2)
    part = simulate(date(2009, 2, 1), date(2009, 3, 31), seed=SEED, profile=profile, scale=0.2)
    expected = whole[month_of(whole).isin(["2009-02", "2009-03"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(part, expected)
    small = pd.concat(simulate_month(profile, "2009-02", scale=0.2, seed=SEED, chunk_rows=7), ignore_index=True)
    pd.testing.assert_frame_equal(small, expected[month_of(expected) == "2009-02"])
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


def test_month_range_crosses_years():
    assert month_range("2008-11", "2009-02") == ["2008-11", "2008-12", "2009-01", "2009-02"]
    assert month_range("2009-02", "2009-01") == []


@pytest.fixture(scope="module")
def plain_may(profile):
    return simulate(date(2009, 5, 1), date(2009, 5, 31), seed=SEED, profile=profile, scale=4)


def may_with(profile, *drifts):
    return simulate(date(2009, 5, 1), date(2009, 5, 31), seed=SEED, profile=profile, scale=4, drifts=drifts)


START, END = date(2009, 5, 12), date(2009, 5, 20)


def test_a_shift_moves_its_column_on_its_days_only(profile, plain_may):
    drifted = may_with(profile, Drift("age", START, END, shift=10))
    inside = (plain_may["contact_date"].dt.date >= START) & (plain_may["contact_date"].dt.date < END)
    assert 0.1 < inside.mean() < 0.9
    moved = drifted["age"] - plain_may["age"]
    assert (moved[inside] == 10).all()
    assert (moved[~inside] == 0).all()
    pd.testing.assert_frame_equal(drifted[~inside], plain_may[~inside])
    untouched = [c for c in UCI.delivery_columns if c not in {"age", "y", "duration"}]
    pd.testing.assert_frame_equal(drifted[untouched], plain_may[untouched])
    assert (drifted["y"] != plain_may["y"]).any()  # the answer follows the new age


@pytest.mark.parametrize(("drift", "expected"), [
    (Drift("balance", START, scale=2, shift=-100), lambda old: old * 2 - 100),
    (Drift("campaign", START, shift=-9), lambda old: np.maximum(old - 9, 1)),
    (Drift("age", START, shift=200), lambda old: np.full_like(old, 120)),
    (Drift("pdays", START, shift=-10_000), lambda old: np.where(old > 0, 0, -1)),
    (Drift("previous", START, shift=2), lambda old: np.where(old > 0, old + 2, 0)),
])  # fmt: skip
def test_numbers_are_scaled_shifted_and_kept_in_bounds(profile, plain_may, drift, expected):
    inside = plain_may["contact_date"].dt.date >= START
    drifted = may_with(profile, drift)
    old, new = plain_may.loc[inside, drift.column].to_numpy(), drifted.loc[inside, drift.column].to_numpy()
    np.testing.assert_array_equal(new, expected(old))


def test_duration_can_drift_without_touching_the_answer(profile, plain_may):
    drifted = may_with(profile, Drift("duration", START, scale=0))
    assert (drifted.loc[drifted["contact_date"].dt.date >= START, "duration"] == 0).all()
    pd.testing.assert_series_equal(drifted["y"], plain_may["y"])


def test_weights_change_the_mix_of_a_category_and_what_follows_it(profile, plain_may):
    drifted = may_with(profile, Drift("job", START, weights={"student": 0.0, "retired": 6.0}))
    inside = plain_may["contact_date"].dt.date >= START
    before, after = (frame.loc[inside, "job"].value_counts(normalize=True) for frame in (plain_may, drifted))
    assert after["student"] == 0
    assert after["retired"] > 2.5 * before["retired"]
    pd.testing.assert_frame_equal(drifted[~inside], plain_may[~inside])
    pd.testing.assert_series_equal(drifted["age"], plain_may["age"])


def test_a_category_can_be_forced_where_the_month_has_none(profile):
    frame = simulate(date(2008, 5, 1), date(2008, 5, 31), seed=SEED, profile=profile, scale=0.2,
                     drifts=[Drift("contact", date(2008, 5, 1), weights={"unknown": 0.0})])  # fmt: skip
    assert set(frame["contact"]) == {"cellular", "telephone"}


@pytest.mark.parametrize("factor", [0.5, 2.0, 0.0])
def test_a_rate_multiplies_the_subscription_rate(profile, plain_may, factor):
    inside = plain_may["contact_date"].dt.date >= START
    before, after = ((frame.loc[inside, "y"] == "yes").mean()
                     for frame in (plain_may, may_with(profile, Drift("y", START, rate=factor))))  # fmt: skip
    assert after == pytest.approx(before * factor, rel=0.12, abs=1e-9)


@pytest.mark.parametrize(("arguments", "message"), [
    ({"column": "iban"}, "expected a column of age"),
    ({"column": "age", "weights": {"a": 2.0}}, "drift of age: expected shift and scale, found weights"),
    ({"column": "job", "shift": 1}, "drift of job: expected weights, found shift"),
    ({"column": "y", "scale": 2}, "drift of y: expected rate, found scale"),
    ({"column": "job", "weights": {"pilot": 2.0}}, "expected factors ≥ 0"),
    ({"column": "job", "weights": {"student": -1.0}}, "expected factors ≥ 0"),
    ({"column": "loan", "weights": {"yes": 0.0, "no": 0.0}}, "not all 0"),
    ({"column": "y", "rate": -1.0}, "expected rate ≥ 0"),
    ({"column": "age", "shift": 1, "end": START}, "end after start"),
])  # fmt: skip
def test_a_senseless_drift_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Drift(start=START, **arguments)


def test_csv_has_the_shape_of_the_uci_file(profile):
    frame = simulate(date(2009, 1, 1), date(2009, 1, 31), seed=SEED, profile=profile)
    stream = io.BytesIO()
    write_csv(frame, stream)
    text = stream.getvalue().decode()
    assert text.splitlines()[0].startswith('"sim-200901-00000001";2009-01-')
    read = pd.read_csv(io.StringIO(csv_header(frame.columns).decode() + "\n" + text), sep=";")
    assert tuple(read.columns) == UCI.delivery_columns
    assert len(read) == len(frame)
    for name in UCI.delivery_columns:
        expected = frame[name].dt.strftime("%Y-%m-%d") if name == "contact_date" else frame[name]
        assert read[name].astype(str).tolist() == expected.astype(str).tolist(), name
