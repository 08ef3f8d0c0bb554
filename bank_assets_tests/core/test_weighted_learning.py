"""Weights where models learn and the loop gathers evidence: folds, samplers, cohorts, refits and responses."""

from dataclasses import replace

import numpy as np
import pytest

from bank_assets.contract.uci import UCI
from bank_assets.core.arrays import effective_size
from bank_assets.core.drift.covariate_shift import Reference
from bank_assets.core.drift.daily_profiles import DailyProfiles
from bank_assets.core.economics.economics import Economics
from bank_assets.core.model.scorer import expit
from bank_assets.core.promotion.refit_guard import against_champion
from bank_assets.core.response.assessment import comparisons
from bank_assets.core.response.loop import KnownFacts, after_verdict, gather
from bank_assets.core.response.policy import Evidence, ResponsePolicy, ResponseState
from bank_assets.core.training.challenger import calibrator_of, cohort_of, pooled_rows
from bank_assets.core.training.folds import calibrate_rolling, candidate_metrics, time_folds
from bank_assets.core.training.recipes import Recipe, resample
from bank_assets_tests.world.contacts import FIRST, made_contacts

ECONOMICS = Economics.constant(5.0, 40.0)
N, DAYS = 1_500, 60
RNG = np.random.default_rng(8)
LOG_ODDS = RNG.normal(-1.5, 1.2, N).round(1)  # with ties
PROBA = expit(LOG_ODDS)
Y = RNG.random(N) < PROBA


@pytest.fixture(scope="module")
def data():
    return made_contacts(80, 20).learning_data(FIRST + 80)


class TestTraining:
    def test_folds_are_measured_and_calibrated_with_weights(self, data):
        folds, times = time_folds(data.contact_dates, data.as_of), 1 + np.arange(len(data)) % 3
        at = np.repeat(np.arange(len(data)), times)
        raw = np.where(data.contact_dates >= folds[0].test_start, 0.05 + 0.2 * (data.features["age"] > 40), np.nan)
        calibrated = calibrate_rolling(raw, replace(data, weights=times * 1.0), folds)
        assert (calibrated[~np.isnan(raw)] != calibrate_rolling(raw, data, folds)[~np.isnan(raw)]).any()
        found = []
        for one, rows in ((replace(data, weights=times * 1.0), slice(None)), (data.rows(at), at)):
            found.append(candidate_metrics(calibrated[rows], one, folds, ECONOMICS))
        effective = found[0].pop("effective_rows")
        assert effective < found[0].pop("rows") < found[1].pop("rows")
        for name in [name for name in found[0] if not name.startswith("rows_fold")]:
            assert found[0][name] == pytest.approx(found[1][name], rel=1e-6), name
        weighted = replace(data, weights=np.where(data.is_subscribed, 3.0, 1.0))
        steps = [calibrator_of(Recipe(sampler="smote"), raw, one)[0] for one in (data, weighted)]
        assert steps[1]["intercept"] > steps[0]["intercept"]

    def test_a_cohort_needs_an_effective_number_of_rows(self, data):
        folds = time_folds(data.contact_dates, data.as_of)
        raw, least = np.where(data.contact_dates >= folds[0].test_start, 0.1, np.nan), 200
        heavy = replace(data, weights=np.where(np.arange(len(data)) % 3 == 0, 9.0, 1.0))
        taken = [int(pooled_rows(raw, one, folds, least).sum()) for one in (data, heavy)]
        assert taken[1] > taken[0]
        assert effective_size(heavy.weights[pooled_rows(raw, heavy, folds, least)]) >= least
        assert (cohort_of(heavy, ECONOMICS, 1).weights == heavy.weights).all()

    @pytest.mark.parametrize("sampler", ["smote", "tomek", "smote_tomek"])
    def test_samplers_count_rows_and_keep_their_weights(self, sampler):
        X = np.column_stack([LOG_ODDS, RNG.normal(size=N)])
        plain, found = (resample(sampler, X, Y, w, 1) for w in (np.ones(N), np.where(Y, 2.0, 30.0)))
        np.testing.assert_array_equal(plain[0], found[0])
        assert set(np.unique(found[2][found[1]])) == {2.0}
        assert set(np.unique(found[2][~found[1]])) == {30.0}


@pytest.fixture(scope="module")
def known():
    contacts = made_contacts(DAYS, 20)
    daily = DailyProfiles.from_rows(contacts.contact_dates, contacts.frame, UCI)
    return contacts.scored(np.full(len(contacts), 0.2)), daily, Reference.of(daily, (FIRST + 30).item(), 90.0)


class TestEvidence:
    def gathered(self, known, weights):
        scored, daily, reference = known
        proba = np.where(scored.frame["age"] > 40, 0.3, 0.15)
        state = after_verdict(ResponseState(), str(FIRST + 30), is_promoted=True)
        facts = KnownFacts(replace(scored, proba=proba, weights=weights), daily, reference)
        return gather(facts, state, FIRST + 58, 0.0, ResponsePolicy())

    def test_ones_are_the_evidence_of_before(self, known):
        plain, ones = self.gathered(known, None), self.gathered(known, np.ones(DAYS * 20))
        assert ones == replace(plain, effective_outcomes=float(plain.outcomes))
        assert "effective_outcomes" not in plain.to_record()
        assert Evidence.from_record(ones.to_record()) == ones

    def test_heavy_contacts_are_no_verdict(self, known):
        weights = np.where(np.arange(DAYS * 20) % 100 == 0, 500.0, 1.0)
        found = self.gathered(known, weights)
        assert (found.outcomes, found.sample) == (28 * 20, 8)
        assert found.roc_auc is None
        calibration, _, ranking = comparisons(found, ResponsePolicy())
        assert (calibration.value, ranking.value, calibration.is_violated) == (None, None, False)
        assert calibration.sentence == "calibration not judged: 560 (effective 8) outcomes (needs 30)"

    def test_the_standard_error_is_that_of_weighted_sums(self):
        propensity = np.where(PROBA > 0.2, 1.0, 0.1)
        called = RNG.random(N) < propensity
        w, p = 1.0 / propensity[called], PROBA[called]
        drawn = ((RNG.random((4_000, len(p))) < p) - p) @ w
        assert drawn.std() == pytest.approx(np.sqrt((w**2 * p * (1 - p)).sum()), rel=0.05)


def test_few_effective_contacts_do_not_refuse_a_refit():
    data = made_contacts(40, 20).learning_data(FIRST + 40)
    heavy = replace(data, weights=np.where(np.arange(len(data)) % 100 == 0, 900.0, 1.0))
    found = against_champion(Recipe(), heavy, FIRST + 20, np.full(len(data), 0.1), lambda raw: raw, seed=1)
    assert not found.is_worse
    assert "(effective " in found.sentence
