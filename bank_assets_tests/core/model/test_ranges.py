"""Probability ranges: Venn-Abers against its definition, and their coverage under drift."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression

from bank_assets.core.model.ranges import KNOTS, band_coverage, fit_ranges, venn_abers
from bank_assets.core.model.scorer import apply_ranges, expit, logit


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([0.1, 0.2, 0.3, 0.5, 0.8]), st.booleans()), min_size=1, max_size=25))
def test_venn_abers_is_isotonic_regression_with_the_contact_added(sample):
    scores = np.array([s for s, _ in sample])
    outcomes = np.array([float(y) for _, y in sample])
    at = np.array([0.05, 0.2, 0.4, 0.9])
    answers = venn_abers(scores, outcomes, at)
    for column, score in enumerate(at):
        for label in (0, 1):
            model = IsotonicRegression().fit(np.append(scores, score), np.append(outcomes, label))
            assert answers[label][column] == pytest.approx(float(model.predict([score])[0]))
    assert (answers[0] <= answers[1] + 1e-12).all()


def drifting(month_sd, seed=0, n_months=12, n_month=3_000):
    rng = np.random.default_rng(seed)
    number = np.repeat(np.arange(n_months * 30), n_month // 30)
    day, month = np.datetime64("2008-05-05") + number, number // 30
    probability = rng.beta(1.5, 5, len(day))
    shift = rng.normal(0, month_sd, (n_months, 6))[month, np.digitize(probability, [0.05, 0.1, 0.2, 0.4, 0.6])]
    return day, month, probability, rng.random(len(day)) < expit(logit(probability) + shift)


@pytest.mark.parametrize(("month_sd", "measure"), [(0.0, "predictive_coverage"), (0.4, "coverage")])
def test_ranges_hold_in_the_months_after(month_sd, measure):
    inside, cells = 0, 0
    for seed in range(8):
        day, month, probability, outcome = drifting(month_sd, seed)
        past = month < 6
        table = fit_ranges(day[past], probability[past], outcome[past])
        low, high = apply_ranges(probability[~past], table)
        coverage = band_coverage(month[~past], probability[~past], low, high, outcome[~past], minimum_contacts=100)
        inside, cells = inside + coverage[measure] * coverage["n_cells"], cells + coverage["n_cells"]
    assert cells > 200
    assert inside / cells >= 0.85


def test_venn_abers_alone_loses_its_coverage_under_drift():
    _, month, probability, outcome = drifting(0.4)
    past = month < 6
    knots = np.array(KNOTS)
    low, high = venn_abers(probability[past], outcome[past].astype(float), knots)
    table = {"probability": knots, "low": low, "high": high}
    ends = apply_ranges(probability[~past], table)
    assert band_coverage(month[~past], probability[~past], *ends, outcome[~past])["predictive_coverage"] < 0.6


def test_more_drift_gives_wider_ranges():
    widths = []
    for month_sd in (0.0, 0.3, 0.8):
        day, _, probability, outcome = drifting(month_sd, n_months=6)
        low, high = apply_ranges(np.array([0.1, 0.3, 0.5]), fit_ranges(day, probability, outcome))
        widths.append(high - low)
    assert (widths[0] < widths[1]).all()
    assert (widths[1] < widths[2]).all()


def test_table_is_json_ordered_and_contains_the_probability():
    day, _, probability, outcome = drifting(0.3)
    table = json.loads(json.dumps(fit_ranges(day, probability, outcome)))
    assert (np.diff(table["low"]) >= 0).all()
    assert (np.diff(table["high"]) >= 0).all()
    assert (np.array(table["low"]) <= table["probability"]).all()
    assert (np.array(table["high"]) >= table["probability"]).all()
    assert (table["probability"][0], table["probability"][-1]) == (0.0, 1.0)
    assert set(table) == {"probability", "low", "high"}


def test_without_outcomes_the_range_says_that_little_is_known():
    table = fit_ranges(np.empty(0, "datetime64[D]"), np.empty(0), np.empty(0, bool))
    low, high = apply_ranges(np.array([0.1, 0.5]), table)
    assert (low < [0.001, 0.001]).all()  # an empty calibration sample gives the widest range
    assert (high > 0.999).all()


def test_coverage_counts_cells_and_can_fail():
    months, ends = np.array(["jan"] * 100), (np.full(100, 0.3), np.full(100, 0.2), np.full(100, 0.4))
    coverage = band_coverage(months, *ends, np.zeros(100))
    assert (coverage["coverage"], coverage["n_cells"]) == (0.0, 1)
    assert coverage["mean_width"] == pytest.approx(0.2)
    few = band_coverage(months[:1], *(one[:1] for one in ends), np.ones(1))
    assert few["coverage"] is None
