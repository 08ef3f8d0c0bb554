import csv
import json

import numpy as np
import pytest

from bank_assets.contract.uci import MONTHS, UCI
from bank_assets.core.drift.daily_profiles import DailyProfiles
from bank_assets.core.drift.profile import ColumnProfile, Profile, ProfileError
from bank_assets.core.drift.report import DriftReport, DriftRole, DriftStatus, LabelRate, Level, worst
from bank_assets.core.drift.verdict import choose_default_reference, compare_profiles
from bank_assets_tests.world.profiles import column_of, profile_of_rows

SEED = 11


def contacts(n=1_000, *, seed=SEED, age_shift=0, never_contacted=0.8, students=0.1, rate=0.1, duration_scale=1.0):
    rng = np.random.default_rng(seed)
    never = rng.random(n) < never_contacted
    return {
        "age": rng.integers(20, 60, n) + age_shift,
        "job": np.where(rng.random(n) < students, "student", "management"),
        "pdays": np.where(never, -1, rng.integers(1, 300, n)),
        "duration": (rng.exponential(250, n) * duration_scale).astype(int),
        "day": rng.integers(1, 29, n),
        "y": np.where(rng.random(n) < rate, "yes", "no"),
    }


def profile(**changes):
    return profile_of_rows(contacts(**changes))


def by_name(report):
    return {column.column: column for column in report.columns}


def times_100(source):
    columns = {
        name: ColumnProfile(column.kind, column.values.copy(), column.counts * 100, column.missing * 100)
        for name, column in source.columns.items()
    }
    return Profile(columns, source.rows * 100, UCI, source.first_day, source.last_day)


def test_equal_samples_have_no_drift_and_zero_statistics():
    report = compare_profiles(profile(), profile())
    assert report.status is DriftStatus.OK
    assert report.level is Level.NONE
    assert report.drifted_columns == ()
    assert all((column.psi, column.effect) == (0, 0) for column in report.columns)
    assert report.label_level is Level.NONE


def test_an_injected_shift_alarms_and_names_the_statistic():
    report = compare_profiles(profile(), profile(age_shift=15, seed=SEED + 1))
    assert report.level is Level.HEAVY
    assert report.drifted_columns == ("age",)
    assert by_name(report)["age"].reason.startswith("PSI")
    assert report.message.startswith("Heavy drift in ")
    assert report.message.endswith(": age.")


def test_a_window_without_drift_is_described_in_plain_words():
    message = compare_profiles(profile(), profile(seed=SEED + 1), reference_name="champion v3").message
    assert message.startswith("No drift in ")
    assert "look like those of champion v3" in message


def test_a_moderate_shift_is_moderate():
    assert compare_profiles(profile(), profile(students=0.3, seed=SEED + 1)).level is Level.MODERATE


def test_the_share_of_the_point_mass_is_judged_apart_from_the_rest():
    report = compare_profiles(profile(n=5_000), profile(n=5_000, never_contacted=0.5, seed=SEED + 1))
    pdays = by_name(report)["pdays"]
    assert pdays.level is Level.HEAVY
    assert pdays.reason.startswith("share of -1")
    assert pdays.ks_distance_rest < 0.05 < 0.25 < pdays.ks_distance
    assert pdays.point_mass == -1
    assert pdays.rows_current == round(5_000 * (1 - pdays.point_mass_current))


def test_a_rest_of_few_contacts_weighs_little():
    before = contacts(never_contacted=0.95)
    after = dict(before, pdays=np.where(np.array(before["pdays"]) == -1, -1, 5_000))
    pdays = by_name(compare_profiles(profile_of_rows(before), profile_of_rows(after)))["pdays"]
    assert pdays.ks_distance_rest == 1
    assert pdays.weight == pytest.approx(0.05, abs=0.02)
    assert pdays.effect == pdays.weight
    assert pdays.level is not Level.HEAVY


def test_a_reference_without_any_rest_leaves_the_verdict_to_the_point_mass():
    pdays = by_name(compare_profiles(profile(never_contacted=1.0), profile()))["pdays"]
    assert (pdays.ks_distance_rest, pdays.psi, pdays.weight) == (None, None, 0)
    assert pdays.reason.startswith("share of -1 0.1")


def test_durations_not_known_yet_are_no_drift():
    late = contacts() | {"duration": [None] * 900 + [200] * 100}
    duration = by_name(compare_profiles(profile(), profile_of_rows(late)))["duration"]
    assert duration.missing_current == 0.9
    assert duration.level is Level.NONE


def test_duration_is_listed_but_makes_no_overall_level():
    report = compare_profiles(profile(), profile(duration_scale=3, seed=SEED + 1))
    assert report.drifted_columns == ("duration",)
    assert by_name(report)["duration"].role is DriftRole.MONITORED
    assert report.level is Level.NONE


def test_calendar_columns_have_statistics_but_no_verdict():
    report = compare_profiles(profile(), profile_of_rows(contacts() | {"day": np.full(1_000, 31)}))
    assert by_name(report)["day"].ks_distance == 1
    assert by_name(report)["day"].level is Level.NONE
    assert report.level is Level.NONE


def test_a_moved_subscription_rate_is_reported_beside_the_columns():
    report = compare_profiles(profile(), profile(rate=0.5, seed=SEED + 1))
    assert report.label_level is Level.HEAVY
    assert report.level is Level.NONE
    low, rate, high = report.label_current.low, report.label_current.rate, report.label_current.high
    assert low < rate < high
    assert report.label_reference.known == 1_000


CALLED = np.arange(1_000) % 20 < 9  # subscribed: calls find subscribers
UNDONE, ONE = np.where(CALLED, 1.0, 9.0), np.where(np.arange(1_000) == 0, 1e5, 1.0)


@pytest.mark.parametrize(("weights", "level"), [(UNDONE**0, Level.HEAVY), (UNDONE, Level.NONE), (ONE, Level.NONE)])
def test_rates_of_weighted_outcomes_stand_for_all_contacts(weights, level):
    before = LabelRate.weighted(np.arange(1_000) % 12 == 0, np.ones(1_000), 0.95)
    labels = (before, LabelRate.weighted(CALLED, weights, 0.95))
    assert compare_profiles(profile(), profile(), labels=labels).label_level is level


def test_unknown_outcomes_give_no_label_verdict():
    report = compare_profiles(profile(), profile_of_rows(contacts() | {"y": [None] * 1_000}))
    assert report.label_current == LabelRate(0, 0, None, None, None)
    assert report.label_level is Level.NONE


def test_a_column_that_goes_missing_is_drift():
    ages = [None if index % 2 else 30 + index % 20 for index in range(1_000)]
    full = [30 + index % 20 for index in range(0, 2_000, 2)]
    age = compare_profiles(profile_of_rows({"age": full}), profile_of_rows({"age": ages})).columns[0]
    assert age.level is Level.HEAVY
    assert age.reason == "missing share 0.500 >= 0.2"


def test_a_category_without_any_value_has_no_distance_but_its_missing_share_counts():
    empty = profile_of_rows({"job": [None] * 300})
    job = compare_profiles(profile_of_rows({"job": ["a"] * 300}), empty).columns[0]
    assert (job.total_variation, job.psi, job.effect) == (None, None, None)
    assert job.reason.startswith("missing share 1.000")
    assert compare_profiles(empty, empty).columns[0].level is Level.NONE


def test_new_categories_are_named():
    job = compare_profiles(profile_of_rows({"job": ["a"] * 300}), profile_of_rows({"job": ["a"] * 290 + ["z"] * 10}))
    assert job.columns[0].new_values == ("z",)


def test_missing_reference_is_reported():
    for reference in (None, Profile.empty(UCI)):
        report = compare_profiles(reference, profile())
        assert report.status is DriftStatus.REFERENCE_MISSING
        assert report.level is Level.NONE
        assert "expected a reference profile, found none" in report.message


@pytest.mark.parametrize("rows", [(299, 1_000), (1_000, 299)])
def test_too_few_rows_give_statistics_without_verdict(rows):
    report = compare_profiles(profile(n=rows[0]), profile(n=rows[1], age_shift=20))
    assert report.status is DriftStatus.TOO_FEW_ROWS
    assert report.level is Level.NONE
    assert report.drifted_columns == ()
    assert by_name(report)["age"].ks_distance > 0.3
    assert "299" in report.message


def test_an_empty_window_is_too_few_rows():
    report = compare_profiles(profile(), Profile.empty(UCI))
    assert (report.status, report.last_day, report.current_span) == (DriftStatus.TOO_FEW_ROWS, None, "no contacts")


def test_the_verdict_does_not_depend_on_the_number_of_rows():
    for changes in ({}, {"students": 0.3}, {"age_shift": 15}, {"never_contacted": 0.68}, {"rate": 0.2}):
        before, after = profile(), profile(seed=SEED + 1, **changes)
        small, large = compare_profiles(before, after), compare_profiles(times_100(before), times_100(after))
        assert [(c.level, c.reason, c.psi, c.effect) for c in small.columns] == [
            (c.level, c.reason, c.psi, c.effect) for c in large.columns
        ]
        assert (small.level, small.label_level) == (large.level, large.label_level)


def test_report_survives_json():
    days = np.full(1_000, np.datetime64("2009-03-01"))
    report = compare_profiles(profile(), profile_of_rows(contacts(rate=0.5), days), reference_name="champion v3")
    document = report.to_dict()
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert document["schema_version"] == 1
    assert DriftReport.from_dict(document) == report
    with pytest.raises(ValueError, match="found 2"):
        DriftReport.from_dict(document | {"schema_version": 2})


def test_overlap_of_reference_and_window_is_reported():
    days = np.datetime64("2009-03-01") + np.arange(1_000) % 28
    reference = profile_of_rows(contacts(), days)
    assert compare_profiles(reference, profile_of_rows(contacts(), days + 20)).reference_overlaps
    assert not compare_profiles(reference, profile_of_rows(contacts(), days + 28)).reference_overlaps


def test_kinds_must_agree():
    numeric, category = (
        Profile({"x": column_of(kind, values * 300)}, 300, UCI)
        for kind, values in (("numeric", [1.0]), ("category", ["1"]))
    )
    with pytest.raises(ProfileError, match="x: expected numeric"):
        compare_profiles(numeric, category)


def test_default_reference_is_the_first_three_large_months():
    months = {"2008-10": 80, "2008-07": 6_380, "2008-05": 7_957, "2008-06": 999, "2008-08": 1_000, "2008-11": 3_598}
    assert choose_default_reference(months) == ("2008-05", "2008-07", "2008-08")
    assert choose_default_reference({"2008-10": 80}) == ()


def test_worst_of_no_level_is_none():
    assert worst() is Level.NONE
    assert worst(Level.MODERATE, Level.HEAVY, Level.NONE) is Level.HEAVY


@pytest.fixture(scope="module")
def real_rows(real_csv):
    """Columns and contact days of the whole UCI file, in its order."""
    with real_csv.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter=";"))
    numbers = {"age", "balance", "day", "duration", "campaign", "pdays", "previous"}
    columns = {
        name: np.array([int(row[name]) if name in numbers else row[name] for row in rows]) for name in rows[0]
    }  # fmt: skip
    month = np.array([MONTHS.index(row["month"]) for row in rows])
    year = 2008 + np.concatenate([[0], np.cumsum(np.diff(month) < 0)])
    days = (year * 12 + month - 1970 * 12).astype("datetime64[M]").astype("datetime64[D]") + columns["day"] - 1
    return days, columns


def test_random_halves_of_the_real_file_do_not_drift(real_rows):
    _, columns = real_rows
    rng = np.random.default_rng(SEED)
    for _ in range(5):
        order = rng.permutation(len(columns["age"]))
        halves = [profile_of_rows({name: values[part] for name, values in columns.items()})
                  for part in np.array_split(order, 2)]  # fmt: skip
        report = compare_profiles(*halves)
        assert report.drifted_columns == ()
        assert report.label_level is Level.NONE


def test_the_real_file_drifts_heavily_from_2008_to_2010(real_rows):
    days, columns = real_rows
    daily = DailyProfiles.from_rows(days, columns, UCI)
    years = [daily.of_months(m for m in daily.months if m.startswith(year)) for year in ("2008", "2010")]
    report = compare_profiles(*years)
    assert report.level is Level.HEAVY
    assert {"contact", "poutcome", "pdays", "age", "balance", "campaign", "duration"} <= set(report.drifted_columns)
    assert report.label_level is Level.HEAVY
    found = by_name(report)
    # figures of another program on the same file
    distances = {"age": 0.183, "balance": 0.197, "duration": 0.188, "campaign": 0.220, "pdays": 0.624}
    assert {name: found[name].ks_distance for name in distances} == pytest.approx(distances, abs=0.0006)
    variations = {"poutcome": 0.62, "contact": 0.37, "housing": 0.35, "job": 0.27}
    assert {name: found[name].total_variation for name in variations} == pytest.approx(variations, abs=0.006)
    larger = compare_profiles(*(times_100(year) for year in years))
    assert [column.level for column in larger.columns] == [column.level for column in report.columns]


def test_windows_of_a_shuffled_history_raise_at_most_one_false_alert_in_twenty(real_rows):
    days, columns = real_rows
    order = np.random.default_rng(SEED).permutation(days.size)
    daily = DailyProfiles.from_rows(days, {name: values[order] for name, values in columns.items()}, UCI)
    reference = daily.of_months(choose_default_reference(daily.months))
    reports = [compare_profiles(reference, daily.month_or_trailing(month, 300)) for month in list(daily.months)[3:]]
    assert len(reports) >= 20
    assert all(report.status is DriftStatus.OK for report in reports)
    assert sum(report.level is not Level.NONE for report in reports) <= 1
