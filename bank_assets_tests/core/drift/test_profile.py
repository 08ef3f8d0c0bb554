import json
from datetime import date

import numpy as np
import pyarrow as pa
import pytest

from bank_assets.contract.uci import UCI
from bank_assets.core.drift.daily_profiles import LONG_COLUMNS, DailyProfiles
from bank_assets.core.drift.profile import ColumnProfile, Profile, ProfileError, profiled_columns
from bank_assets_tests.world.profiles import column_of, profile_of_rows

DAYS = np.array(["2008-05-05", "2008-05-05", "2008-05-06", "2008-06-01"], dtype="datetime64[D]")
ROWS = {
    "age": [30, 41, 30, 58],
    "job": ["student", "retired", "student", "unknown"],
    "duration": [None, 120, None, 0],
    "y": ["yes", "no", None, "no"],
}


def long_table(days, columns):
    """The long table by a plain loop, as an independent way to the same counts."""
    counted = {}
    for name, values in columns.items():
        numeric = name in ("age", "balance", "duration")
        for day, value in zip(days, values, strict=True):
            number = float(value) if numeric and value is not None else None
            key = (day, name, number, None if numeric else value)
            counted[key] = counted.get(key, 0) + 1
    rows = [dict(zip(LONG_COLUMNS, (*key, count), strict=True)) for key, count in counted.items()]
    schema = pa.schema(
        [("contact_date", pa.date32()), ("column", pa.string()), ("number", pa.float64()), ("category", pa.string()),
         ("count", pa.int64())]
    )  # fmt: skip
    for row in rows:
        row["contact_date"] = row["contact_date"].astype(date)
    return pa.Table.from_pylist(rows, schema=schema)


def test_profiled_columns_leave_out_identifier_and_date_and_keep_duration_and_target():
    assert "contact_id" not in profiled_columns(UCI)
    assert "contact_date" not in profiled_columns(UCI)
    assert {"duration", "y", "age", "poutcome"} <= set(profiled_columns(UCI))


def test_counts_missing_values_and_outcomes_exactly():
    profile = profile_of_rows(ROWS, DAYS)
    assert profile.rows == 4
    assert profile.columns["age"].values.tolist() == [30.0, 41.0, 58.0]
    assert profile.columns["age"].counts.tolist() == [2, 1, 1]
    assert profile.columns["job"].count_of("student") == 2
    assert profile.columns["job"].count_of("housemaid") == 0
    assert profile.columns["duration"].missing == 2
    assert (profile.known_outcomes, profile.subscribed) == (3, 1)
    assert profile.span == "2008-05-05…2008-06-01"


def test_nan_and_none_are_missing():
    profile = profile_of_rows({"age": [float("nan"), 30.0], "y": [float("nan"), "yes"]})
    assert profile.columns["age"].missing == 1
    assert profile.known_outcomes == profile.subscribed == 1
    assert profile.span == "no contacts"


def test_long_table_and_rows_give_the_same_windows():
    from_table = DailyProfiles.from_table(long_table(DAYS, ROWS), UCI)
    from_rows = DailyProfiles.from_rows(DAYS, ROWS, UCI)
    for first, last in ((date(2008, 5, 5), date(2008, 5, 5)), (date(2008, 5, 6), date(2008, 12, 31))):
        assert from_table.window(first, last).to_dict() == from_rows.window(first, last).to_dict()
    assert from_table.months == {"2008-05": 3, "2008-06": 1}
    assert all(type(month) is str for month in from_table.months)
    assert list(from_table.total().columns) == ["age", "job", "duration", "y"]


def test_window_equals_counting_the_rows_of_the_window():
    daily = DailyProfiles.from_rows(DAYS, ROWS, UCI)
    kept = np.array([False, False, True, True])
    rows = {name: [value for value, keep in zip(values, kept, strict=True) if keep] for name, values in ROWS.items()}
    assert daily.window(date(2008, 5, 6), date(2008, 6, 30)).to_dict() == profile_of_rows(rows, DAYS[kept]).to_dict()
    assert daily.window(date(2009, 1, 1), date(2009, 2, 1)).rows == 0
    assert daily.of_months(["2008-05", "2008-06"]).to_dict() == daily.total().to_dict()
    may = daily.window(date(2008, 5, 1), date(2008, 5, 31)).to_dict()
    assert daily.of_months(["2008-05"]).to_dict() == may
    assert daily.of_months([]).rows == 0


def test_trailing_window_grows_until_it_has_enough_contacts_but_not_for_ever():
    daily = DailyProfiles.from_rows(DAYS, ROWS, UCI)
    assert daily.month_or_trailing("2008-06", 1).rows == 1
    assert daily.month_or_trailing("2008-06", 2).first_day == date(2008, 5, 6)
    assert daily.month_or_trailing("2008-06", 100).rows == 4
    assert daily.month_or_trailing("2008-08", 100).rows == 1, "only 92 days back"
    assert daily.month_or_trailing("2008-05", 1).rows == 3
    assert daily.month_or_trailing("2008-01", 1).rows == 0


def test_json_round_trip_keeps_every_count():
    profile = profile_of_rows(ROWS | {"score": [0.25, 0.5, 0.5, 1.0]}, DAYS)
    text = json.dumps(profile.to_dict())
    again = Profile.from_dict(json.loads(text), UCI)
    assert again.to_dict() == profile.to_dict()
    assert '"values": [30, 41, 58]' in text
    assert Profile.from_dict(Profile.empty(UCI).to_dict(), UCI).rows == 0


def test_another_schema_version_is_refused_by_name():
    with pytest.raises(ProfileError, match="expected schema_version 1, found 7"):
        Profile.from_dict({"schema_version": 7}, UCI)


def test_columns_that_count_different_contacts_are_refused():
    with pytest.raises(ProfileError, match="expected 2 contacts in every column"):
        Profile({"age": column_of("numeric", [30.0])}, 2, UCI)
    table = long_table(DAYS, ROWS)
    without_one = table.filter(pa.array([index != 0 for index in range(table.num_rows)]))
    with pytest.raises(ProfileError, match="same contacts per day"):
        DailyProfiles.from_table(without_one, UCI)


def test_table_with_other_columns_is_refused():
    with pytest.raises(ProfileError, match="'number'"):
        DailyProfiles.from_table(long_table(DAYS, ROWS).drop_columns(["number"]), UCI)


@pytest.mark.parametrize(("values", "counts"), [([2.0, 1.0], [1, 1]), ([1.0, 1.0], [1, 1]), ([1.0], [0])])
def test_unsorted_repeated_or_empty_counts_are_refused(values, counts):
    with pytest.raises(ProfileError, match="sorted distinct values"):
        ColumnProfile("numeric", np.array(values), np.array(counts))


def test_values_without_counts_are_refused():
    with pytest.raises(ProfileError, match="as many counts as values"):
        ColumnProfile("numeric", np.array([1.0, 2.0]), np.array([1]))


def test_profiles_cannot_be_changed_in_place():
    column = column_of("numeric", [1.0] * 3)
    with pytest.raises(ValueError, match="read-only"):
        column.counts[0] = 5


def test_decayed_counts_weigh_each_day_by_its_age_and_leave_out_the_day_itself():
    daily = DailyProfiles.from_rows(DAYS, ROWS, UCI)
    counts, effective = daily.decayed(date(2008, 6, 1), float("inf"))
    before = daily.window(date(2008, 5, 1), date(2008, 5, 31))
    assert effective == before.rows == 3
    assert dict(zip(*counts["age"], strict=True)) == {30: 2, 41: 1, 58: 0}
    halved, fewer = daily.decayed(date(2008, 5, 7), 1)
    assert dict(zip(*halved["age"], strict=True)) == {30: 0.25 + 0.5, 41: 0.25, 58: 0}
    assert fewer == pytest.approx((0.25 + 0.25 + 0.5) ** 2 / (0.25**2 + 0.25**2 + 0.5**2))
    assert daily.decayed(date(2008, 5, 5), 1)[1] == 0
