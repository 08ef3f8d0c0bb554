"""Weighted contacts: whole weights are repeated contacts, None is ones, and a small effective size gets no verdict."""

from dataclasses import replace

import numpy as np
import pytest

from bank_assets.contract.uci import UCI
from bank_assets.core.economics.economics import Economics
from bank_assets.core.features.contacts import ScoredContacts
from bank_assets.core.model.calibration import fit_affine, fit_intercept, intercept_as_of, recalibrate
from bank_assets.core.model.ranges import fit_ranges
from bank_assets.core.model.scorer import expit
from bank_assets.core.model.shift import estimate_shift, pooled_days
from bank_assets.core.promotion.gates import first_model_gate, recipe_gate, refit_gate
from bank_assets.core.quality import metrics
from bank_assets.core.quality.comparison import compare_models, profit_curve
from bank_assets.core.quality.fairness import fairness_report
from bank_assets.core.quality.objective import F1, PROFIT, Cohort
from bank_assets.core.quality.performance import measure_performance
from bank_assets.core.quality.performance_report import Baseline, PerformanceReport, PerformanceStatus
from bank_assets_tests.world.contacts import FIRST

ECONOMICS = Economics.constant(5.0, 40.0)
N, DAYS = 1_500, 60
AS_OF = FIRST + DAYS + 1
RNG = np.random.default_rng(8)
LOG_ODDS = RNG.normal(-1.5, 1.2, N).round(1)  # with ties
PROBA = expit(LOG_ODDS)
Y = RNG.random(N) < PROBA
DATES = FIRST + np.sort(RNG.integers(0, DAYS, N))
TIMES = RNG.integers(1, 5, N)
W = TIMES.astype(np.float64)
AGAIN = np.repeat(np.arange(N), TIMES)
OTHER = expit(0.5 * LOG_ODDS - 0.3)
FRAME = {"subscription_rate_30d": np.full(N, Y.mean()), "age": RNG.integers(18, 90, N).astype(float)}
FRAME["marital"] = RNG.choice(np.asarray(["married", "single", "divorced"], object), N)
COHORT = Cohort(Y, DATES, ECONOMICS, FRAME, 1)
SCORED = ScoredContacts(DATES, PROBA, Y, DATES + 1, FRAME)
HEAVY = np.where(np.arange(N) % 20 == 7, 5_000.0, 1.0)  # 75 contacts count for nearly all


def repeated(values):
    return values[AGAIN]


def repeated_cohort():
    return Cohort(Y[AGAIN], DATES[AGAIN], ECONOMICS, {name: column[AGAIN] for name, column in FRAME.items()}, 1)


def weighted(cohort=COHORT, weights=W):
    return replace(cohort, weights=weights)


ROWS_OF_METRICS = [
    lambda y, p, w: metrics.roc_auc(y, p, w),
    lambda y, p, w: metrics.average_precision(y, p, w),
    lambda y, p, w: metrics.f1(y, p, 0.3, w),
    lambda y, p, w: metrics.best_f1_threshold(y, p, w),
    lambda y, p, w: metrics.brier(y, p, w),
    lambda y, p, w: metrics.log_loss(y, p, w),
    lambda y, p, w: metrics.expected_calibration_error(y, p, weights=w),
    lambda y, p, w: metrics.calibration_line(y, p, weights=w),
    lambda y, p, w: [x for one in metrics.calibration_table(y, p, weights=w) for x in (one.mean_proba, one.rate)],
    lambda y, p, w: fit_intercept(p, y, np.ones(len(p)) if w is None else w),
]


@pytest.mark.parametrize("number", range(len(ROWS_OF_METRICS)))
def test_whole_weights_are_repeated_contacts(number):
    measure = ROWS_OF_METRICS[number]
    assert measure(Y, OTHER, W) == pytest.approx(measure(Y[AGAIN], OTHER[AGAIN], None), rel=1e-9)
    assert measure(Y, OTHER, np.ones(N)) == measure(Y, OTHER, None)


def test_platt_scaling_counts_the_effective_number_beside_its_prior():
    slope, intercept = (fit_affine(OTHER, Y, 20.0 * W)[name] for name in ("slope", "intercept"))
    assert (slope, intercept) == pytest.approx([fit_affine(OTHER, Y, W)[name] for name in ("slope", "intercept")])
    few = np.where(np.arange(N) < 5, 400.0, 1.0)
    assert abs(fit_affine(OTHER, Y, few)["slope"] - 1.0) < 0.2, "five contacts move no slope"
    assert fit_affine(OTHER, Y, np.ones(N)) == fit_affine(OTHER, Y)


SUMS_OF_COHORTS = [
    lambda c, p, q: [c.lead(PROFIT, *(c.calls(PROFIT, one, 0.0) for one in (p, q))).before],
    lambda c, p, q: [c.lead(F1, *(c.calls(F1, one, 0.2) for one in (p, q))).now],
    lambda c, p, q: [c.loss_gain(p, q).gain, c.gain(c.profit(p > 0.2)).gain],
    lambda c, p, q: profit_curve(c, q, n_resamples=0)["value"],
    lambda c, p, q: [compare_models(c, p, q).profit_everyone_eur, compare_models(c, p, q).measure("f1").now],
    lambda c, p, q: first_model_gate(c, p).evidence["profit_over_thresholds"]["model"],
    lambda c, p, q: [
        group[name]["value"]
        for groups in fairness_report(c, p, p > 0.2, UCI).groups.values()
        for group in groups.values()
        for name in ("selection_rate", "true_positive_rate", "calibration", "profit_share")
    ],
]


@pytest.mark.parametrize("number", range(len(SUMS_OF_COHORTS)))
def test_sums_over_a_weighted_cohort_stand_for_repeated_contacts(number, monkeypatch):
    monkeypatch.setattr("bank_assets.core.quality.comparison.RESAMPLES", 2)
    of = SUMS_OF_COHORTS[number]
    assert of(weighted(), PROBA, OTHER) == pytest.approx(of(repeated_cohort(), PROBA[AGAIN], OTHER[AGAIN]), rel=1e-9)
    assert of(weighted(weights=np.ones(N)), PROBA, OTHER) == of(COHORT, PROBA, OTHER)


def test_intervals_widen_with_unequal_weights():
    plain, heavy = (cohort.loss_gain(OTHER, PROBA) for cohort in (COHORT, weighted(weights=HEAVY)))
    assert heavy.high - heavy.low > 2 * (plain.high - plain.low)
    f1 = [cohort.lead(F1, OTHER > 0.2, PROBA > 0.2).gain for cohort in (COHORT, weighted(weights=HEAVY))]
    assert f1[1].high - f1[1].low > 1.5 * (f1[0].high - f1[0].low)
    error = metrics.roc_auc_standard_error
    assert error(Y, PROBA, W * 7.0) == pytest.approx(error(Y, PROBA, W))
    assert error(Y, PROBA, HEAVY) > 2 * error(Y, PROBA)
    assert error(Y, PROBA, np.ones(N)) == error(Y, PROBA)


@pytest.mark.parametrize("weights", [np.ones(N), np.full(N, 20.0)])
def test_equal_weights_leave_ranges_and_shifts_alone(weights):
    plain = fit_ranges(DATES, PROBA, Y)
    found = fit_ranges(DATES, PROBA, Y, weights)
    assert all(found[name] == pytest.approx(plain[name]) for name in plain)
    shifts = [estimate_shift(DATES, PROBA, Y, AS_OF, weights=w) for w in (None, weights)]
    assert shifts[0].n_days == shifts[1].n_days
    assert shifts[0].total_sd == pytest.approx(shifts[1].total_sd)


def test_unequal_weights_open_the_ranges_and_pool_more_days():
    plain, found = fit_ranges(DATES, PROBA, Y), fit_ranges(DATES, PROBA, Y, HEAVY)
    assert np.subtract(found["high"], found["low"]).sum() > np.subtract(plain["high"], plain["low"]).sum()
    days = DATES.astype(np.int64)
    assert len(pooled_days(days, PROBA, Y * 1.0, HEAVY).day) < len(pooled_days(days, PROBA, Y * 1.0).day)


def test_the_intercept_of_a_day_follows_weights():
    ones = recalibrate(SCORED, AS_OF, 0.1)
    assert recalibrate(replace(SCORED, weights=np.ones(N)), AS_OF, 0.1) == ones
    heavy = np.where(Y, 3.0, 1.0)
    other, thrice = (intercept_as_of(replace(SCORED, proba=OTHER, weights=w), AS_OF) for w in (heavy, 3.0 * heavy))
    assert other == pytest.approx(thrice), "weights count as an effective number beside the prior"
    assert other > intercept_as_of(replace(SCORED, proba=OTHER), AS_OF) + 0.5


class TestPerformance:
    def measured(self, scored, **changes):
        return measure_performance(scored, AS_OF, ECONOMICS, Baseline(roc_auc=0.7), **changes)

    def test_windows_stand_for_repeated_contacts(self):
        plain = self.measured(ScoredContacts(*(one[AGAIN] for one in (DATES, PROBA, Y, DATES + 1))))
        found = self.measured(replace(SCORED, weights=W))
        for month, other in zip(found.months, plain.months, strict=True):
            assert month.effective_rows < month.rows < other.rows
            for name in ("observed_expected", "roc_auc", "f1", "calls", "profit_eur"):
                assert getattr(month, name) == pytest.approx(getattr(other, name)), name
            assert month.expected_subscribed / month.rows == pytest.approx(other.expected_subscribed / other.rows)
            assert month.observed_expected_low < other.observed_expected_low
        assert PerformanceReport.from_dict(found.to_dict()) == found

    def test_reports_without_weights_have_nothing_more(self):
        plain, ones = self.measured(SCORED), self.measured(replace(SCORED, weights=np.ones(N)))
        assert all("effective_rows" not in one for one in (plain.to_dict()["latest"], *plain.to_dict()["weeks"]))
        assert replace(ones.latest, effective_rows=None) == plain.latest

    def test_who_was_not_called_never_matures_as_a_refusal(self):
        called = np.arange(N) % 2 == 0
        missing = replace(SCORED, known_on=np.where(called, DATES + 1, np.datetime64("NaT", "D")), weights=called * 2.0)
        report = self.measured(missing)
        assert (report.matured, report.latest.assumed_rows) == (called.sum(), 0)

    def test_too_little_effective_size_is_no_verdict(self):
        report = self.measured(replace(SCORED, is_subscribed=~Y, weights=HEAVY))
        assert self.measured(replace(SCORED, is_subscribed=~Y)).level != report.level
        assert report.latest.status is PerformanceStatus.TOO_FEW_ROWS
        assert "found 1500 (effective 76)" in report.message


@pytest.mark.parametrize("gate", [first_model_gate, lambda cohort, proba: recipe_gate(cohort, proba, OTHER)])
def test_gates_refuse_a_small_effective_size_and_say_so(gate):
    verdict = gate(weighted(weights=HEAVY), PROBA)
    assert not verdict.is_promoted
    assert "1500 (effective 76)" in verdict.reasons[0]
    assert verdict.evidence["effective_rows"] == 76


def test_few_effective_contacts_compare_nothing():
    found = compare_models(weighted(weights=HEAVY), OTHER, PROBA)
    assert not found.is_enough
    assert found.to_dict()["effective_rows"] == 76
    assert "effective_rows" not in compare_models(COHORT, OTHER, PROBA).to_dict()


def test_few_effective_contacts_are_no_finding():
    called = np.where(FRAME["marital"] == "single", False, PROBA > 0.2)
    assert fairness_report(COHORT, PROBA, called, UCI).findings
    report = fairness_report(weighted(weights=HEAVY), PROBA, called, UCI)
    assert report.findings == ()
    assert report.groups["marital"]["single"]["n_contacts_effective"] < 100


def test_the_guard_of_a_refit_reads_weights():
    half = np.where(Y, 1.0, 6.0)
    assert refit_gate(PROBA, Y, 0.0).is_promoted
    verdict = refit_gate(PROBA, Y, 0.0, weights=half)
    assert not verdict.is_promoted
    assert verdict.evidence["effective_rows"] < N
