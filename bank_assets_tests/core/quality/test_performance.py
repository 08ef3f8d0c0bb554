import json
import math
from dataclasses import replace

import numpy as np
import pytest

from bank_assets.core.drift.report import Level
from bank_assets.core.drift.statistics import observed_expected
from bank_assets.core.economics.economics import Economics
from bank_assets.core.features.contacts import ScoredContacts
from bank_assets.core.quality import metrics
from bank_assets.core.quality.performance import (
    Baseline,
    PerformancePolicy,
    PerformanceStatus,
    is_matured,
    measure_performance,
)
from bank_assets.core.quality.performance_report import PerformanceReport

SEED = 22
ECONOMICS = Economics.constant(cost_eur=5, value_eur=50)
FIRST = np.datetime64("2009-02-02")  # a Monday


def scored(n=1_400, days=28, shift=0.0, noise=0.0, seed=SEED):
    """Contacts spread over days; outcomes follow log-odds `shift` above the scores; noise breaks the ranking."""
    rng = np.random.default_rng(seed)
    odds = rng.normal(-1.5, 1.2, n)
    y = rng.random(n) < 1 / (1 + np.exp(-odds - shift))
    odds = np.where(rng.random(n) < noise, rng.permutation(odds), odds)
    dates = FIRST + np.sort(rng.integers(0, days, n))
    return ScoredContacts(dates, 1 / (1 + np.exp(-odds)), y, dates + 1)


def measured(contacts, as_of="2009-03-02", baseline=Baseline(), **policy):
    return measure_performance(contacts, as_of, ECONOMICS, baseline, PerformancePolicy(**policy))


def changed(contacts, **parts):
    return replace(contacts, **parts)


def test_numbers_of_a_window_equal_the_metrics_of_its_rows():
    contacts = scored()
    report = measured(contacts)
    february = report.months[0]
    assert (february.name, february.rows) == ("2009-02", int((contacts.contact_dates < np.datetime64("2009-03")).sum()))
    rows = contacts.rows(contacts.contact_dates < np.datetime64("2009-03"))
    assert february.roc_auc == metrics.roc_auc(rows.is_subscribed, rows.proba)
    assert february.average_precision == metrics.average_precision(rows.is_subscribed, rows.proba)
    assert february.f1 == metrics.f1(rows.is_subscribed, rows.proba, 0.5)
    assert february.f1_of_calls == metrics.f1_of_calls(rows.is_subscribed, rows.proba > 0.1)
    assert february.profit_eur == ECONOMICS.profit(rows.proba > 0.1, rows.is_subscribed, {}).sum()
    assert february.profit_oracle_eur == 45 * rows.is_subscribed.sum()
    assert february.profit_everyone_eur == 50 * rows.is_subscribed.sum() - 5 * february.rows
    assert february.calls == int((rows.proba > 0.1).sum())


def test_weeks_are_iso_weeks_and_add_up():
    report = measured(scored())
    assert [week.name for week in report.weeks] == ["2009-W06", "2009-W07", "2009-W08", "2009-W09"]
    assert sum(week.rows for week in report.weeks) == sum(month.rows for month in report.months) == report.matured
    assert sum(week.profit_eur for week in report.weeks) == pytest.approx(sum(m.profit_eur for m in report.months))
    assert report.weeks[0].first_day == "2009-02-02"
    assert report.weeks[0].last_day == "2009-02-08"


def test_nothing_known_after_the_day_is_used():
    contacts = scored()
    as_of = np.datetime64("2009-02-16")
    report = measured(contacts, as_of)
    later = contacts.known_on > as_of
    flipped = changed(contacts, is_subscribed=contacts.is_subscribed ^ later)
    assert measured(flipped, as_of) == report
    assert report.rows == int((contacts.contact_dates < as_of).sum())
    leaked = changed(
        contacts, is_subscribed=contacts.is_subscribed ^ later, known_on=np.minimum(contacts.known_on, as_of)
    )
    assert measured(leaked, as_of).matured == report.matured
    assert measured(changed(contacts, is_subscribed=~contacts.is_subscribed), as_of) != report


def test_a_contact_matures_by_its_outcome_or_by_waiting():
    nat = np.datetime64("NaT", "D")
    contacts = ScoredContacts(
        np.array([FIRST, FIRST, FIRST, FIRST + 30]),
        np.full(4, 0.2),
        np.array([True, True, True, False]),
        np.array([FIRST + 1, FIRST + 60, nat, FIRST + 31]),
    )
    assert is_matured(contacts, FIRST + 1, 30).tolist() == [True, False, False, False]
    assert is_matured(contacts, FIRST + 30, 30).tolist() == [True, True, True, False]
    latest = measured(contacts, FIRST + 30).latest
    # of three matured contacts one outcome is known, the other two count as not subscribed
    assert (latest.rows, latest.subscribed, latest.assumed_rows) == (3, 1, 2)


def test_late_outcomes_are_no_decay():
    contacts = scored()
    lost = np.arange(1_400) % 5 == 0
    unknown = changed(contacts, known_on=np.where(lost, np.datetime64("NaT"), contacts.known_on))
    report = measured(unknown, "2009-06-01", Baseline(roc_auc=0.95))
    assert report.latest.status is PerformanceStatus.OUTCOMES_MISSING
    assert report.level is Level.NONE
    assert "deliver the missing outcomes" in report.message


def test_a_calibrated_model_that_ranks_as_at_training_has_not_decayed():
    contacts = scored()
    validated = metrics.roc_auc(contacts.is_subscribed, contacts.proba)
    report = measured(contacts, baseline=Baseline(roc_auc=validated))
    assert report.latest.status is PerformanceStatus.OK
    assert report.level is Level.NONE
    assert report.latest.observed_expected_low < 1 < report.latest.observed_expected_high


def test_a_calibrated_model_is_called_decayed_in_at_most_two_windows_of_a_hundred():
    validated = metrics.roc_auc(scored(n=20_000).is_subscribed, scored(n=20_000).proba)
    levels = [measured(scored(n=400, seed=s), baseline=Baseline(roc_auc=validated)).level for s in range(100)]
    assert sum(level is not Level.NONE for level in levels) <= 2


@pytest.mark.parametrize(("shift", "level"), [(0.5, Level.MODERATE), (1.2, Level.HEAVY), (-1.2, Level.HEAVY)])
def test_a_moved_base_rate_is_a_calibration_decay_alone(shift, level):
    report = measured(scored(n=4_000, shift=shift), baseline=Baseline(roc_auc=0.75), minimum_rows=3_000)
    assert report.latest.calibration_level is level
    assert report.latest.ranking_level is Level.NONE
    assert report.level is level


@pytest.mark.parametrize(("noise", "level"), [(0.0, Level.NONE), (0.3, Level.MODERATE), (1.0, Level.HEAVY)])
def test_broken_ranking_is_a_ranking_decay(noise, level):
    validated = metrics.roc_auc(scored(n=6_000).is_subscribed, scored(n=6_000).proba)
    report = measured(scored(n=6_000, noise=noise), baseline=Baseline(roc_auc=validated), minimum_rows=5_000)
    assert report.latest.ranking_level is level
    assert report.latest.calibration_level is Level.NONE


def test_a_drop_within_noise_is_no_decay():
    contacts = scored(n=320)
    auc = metrics.roc_auc(contacts.is_subscribed, contacts.proba)
    latest = measured(contacts, baseline=Baseline(roc_auc=min(1.0, auc + 0.055))).latest
    assert latest.roc_auc_high > auc + 0.055
    assert latest.ranking_level is Level.NONE


def test_without_a_baseline_only_calibration_is_judged():
    latest = measured(scored(noise=1.0, shift=1.2)).latest
    assert latest.status is PerformanceStatus.BASELINE_MISSING
    assert (latest.ranking_level, latest.calibration_level) == (Level.NONE, Level.HEAVY)


def test_too_few_rows_have_numbers_without_a_verdict():
    report = measured(scored(n=299, shift=2), baseline=Baseline(roc_auc=0.99))
    assert report.latest.status is PerformanceStatus.TOO_FEW_ROWS
    assert (report.level, report.latest.rows) == (Level.NONE, 299)
    assert report.latest.observed_expected > 1.5
    assert "found 299" in report.message


def test_the_latest_window_is_as_short_as_it_can_be():
    contacts = scored()
    latest = measured(contacts, minimum_rows=100).latest
    assert 100 <= latest.rows < 100 + 80
    assert latest.last_day == "2009-03-01"
    assert measured(contacts, minimum_rows=1_400).latest.rows == 1_400
    assert measured(contacts, minimum_rows=1_400, maximum_days=7).latest.first_day == "2009-02-23"
    # subscribers need time to mature too
    rare = changed(contacts, is_subscribed=contacts.contact_dates < FIRST + 7)
    assert measured(rare, minimum_rows=100).latest.first_day < "2009-02-09"


def test_months_with_one_class_or_one_row_have_no_auc_and_do_not_crash():
    report = measured(changed(scored(), is_subscribed=np.zeros(1_400, dtype=bool)), baseline=Baseline(roc_auc=0.8))
    assert report.latest.roc_auc is None
    assert report.latest.average_precision is None
    assert report.latest.calibration_level is Level.HEAVY
    assert measured(scored(n=1)).months[0].rows == 1


def test_unscored_contacts_are_counted_apart():
    contacts = scored()
    half = np.arange(1_400) % 2 == 0
    report = measured(changed(contacts, proba=np.where(half, np.nan, contacts.proba)))
    assert (report.rows, report.matured, report.unscored) == (700, 700, 700)


def test_a_window_without_matured_outcomes_says_so():
    for report in (measured(scored(), as_of=FIRST), measured(scored(n=0))):
        assert report.latest is None
        assert (report.weeks, report.months, report.matured) == ((), (), 0)
        assert "No verdict" in report.message


def test_observed_expected_interval_has_its_nominal_coverage():
    rng = np.random.default_rng(SEED)
    proba = rng.beta(1, 6, 400)
    intervals = [observed_expected(int((rng.random(400) < proba).sum()), proba.sum(), 400) for _ in range(1_000)]
    covered = np.mean([low <= 1 <= high for _, low, high in intervals])
    assert 0.94 <= covered <= 0.99
    assert all(math.isnan(value) for value in observed_expected(0, 0.0, 0))


def test_report_is_plain_json():
    document = measured(scored(), baseline=Baseline(roc_auc=0.8)).to_dict()
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert document["schema_version"] == 1
    assert document["economics"]["threshold"] == 0.1


def test_columns_of_different_lengths_are_refused():
    contacts = scored()
    with pytest.raises(ValueError, match="columns of one length"):
        changed(contacts, proba=np.zeros(3))


def test_the_verdict_is_in_plain_words():
    calm = measured(scored()).message
    assert calm.startswith("No decay of ")
    assert "(as expected)" in calm
    decayed = measured(scored(noise=1.0, shift=1.2)).message
    assert decayed.startswith("Heavy decay of ")
    assert "observed / expected" in decayed
    assert "(far off)" in decayed


def test_calling_everyone_is_estimated_from_the_explored_calls():
    every = scored(days=27)  # all in February
    n, days = len(every.proba), every.contact_dates
    chance = np.where(every.proba > 0.2, 1.0, 0.2)
    called = np.random.default_rng(4).random(n) < chance
    known_on = np.where(called, every.known_on, np.datetime64("NaT", "D"))
    drawn = changed(every, known_on=known_on, weights=np.where(called, 1.0 / chance, 0.0), propensity=chance)
    found, plain = measured(drawn), measured(every).months[0]
    month = found.months[0]
    answer = month.everyone
    assert (answer.calls, answer.explored) == (plain.rows, (called & (chance < 1.0)).sum())
    assert answer.profit_eur.low < month.profit_everyone_eur == answer.profit_eur.value < answer.profit_eur.high
    assert answer.profit_eur.low <= plain.profit_everyone_eur <= answer.profit_eur.high
    assert PerformanceReport.from_dict(found.to_dict()) == found
    waiting = changed(drawn, known_on=np.where(days == days.max(), np.datetime64("NaT", "D"), known_on))
    assert measured(waiting).months[0].everyone.calls == plain.rows - (days == days.max()).sum()
    last = np.arange(n) == np.flatnonzero(~called)[-1]
    for unknown, basis in ((0.0, "out of reach"), (np.nan, "calls drawn at random")):
        few = measured(changed(drawn, propensity=np.where(last, unknown, chance))).latest
        assert few.everyone.basis.endswith(basis)
        assert (few.profit_everyone_eur is None) == (basis == "out of reach")
