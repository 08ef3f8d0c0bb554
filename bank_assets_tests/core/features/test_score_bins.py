"""Evidence of large days: alike contacts in one row, and every number as without, exact or within 1e-4."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from bank_assets.contract.uci import UCI
from bank_assets.core.drift.covariate_shift import Reference
from bank_assets.core.drift.daily_profiles import DailyProfiles
from bank_assets.core.economics.economics import Economics
from bank_assets.core.features import score_bins
from bank_assets.core.features.as_of import OutcomeHistory
from bank_assets.core.features.contacts import ScoredContacts
from bank_assets.core.features.score_bins import joined, merged
from bank_assets.core.model.calibration import recalibrate, recalibrated_day_by_day
from bank_assets.core.model.scorer import expit
from bank_assets.core.quality.performance import measure_performance
from bank_assets.core.quality.performance_report import Baseline
from bank_assets.core.response.loop import KnownFacts, gather
from bank_assets.core.response.policy import ResponsePolicy, ResponseState
from bank_assets_tests.world.contacts import FIRST, made_contacts

DAYS, A_DAY = 6, 20_000
AS_OF = FIRST + DAYS + 2
ECONOMICS = Economics.constant(5.0, 40.0)
BASELINE = Baseline(0.8, 0.3)


def apart(scored):
    return [ECONOMICS.decide(scored.proba, scored.frame), scored.proba >= BASELINE.f1_threshold]


@pytest.fixture(scope="module")
def scored():
    rng = np.random.default_rng(5)
    n = DAYS * A_DAY
    log_odds = rng.normal(-1.8, 1.1, n)
    dates = FIRST + np.repeat(np.arange(DAYS), A_DAY)
    known_on = np.where(rng.random(n) < 0.1, np.datetime64("NaT", "D"), dates + rng.integers(1, 4, n))
    is_subscribed = (rng.random(n) < expit(log_odds + 0.2)) & ~np.isnat(known_on)
    return ScoredContacts(dates, expit(log_odds), is_subscribed, known_on)


@pytest.fixture(scope="module")
def few(scored):
    return merged(scored, apart)


def test_a_large_day_becomes_few_rows_that_count_all_contacts(scored, few):
    assert len(few.proba) < 0.6 * len(scored.proba)
    assert few.n_contacts == few.mass.sum() == len(scored.proba)
    assert (few.counts * few.proba).sum() == pytest.approx(scored.proba.sum(), rel=1e-12)
    assert (np.diff(few.contact_dates) >= np.timedelta64(0, "D")).all()


def test_up_to_the_limit_a_day_stays_as_it_is(scored, monkeypatch):
    assert merged(replace(scored, weights=np.ones(len(scored.proba)))).counts is None, "weighted rows stay"
    monkeypatch.setattr(score_bins, "EXACT_ROWS", A_DAY)
    assert merged(scored) is scored
    one_more = joined([scored, scored.rows(np.arange(len(scored.proba)) == 0)])
    found = merged(one_more.rows(np.argsort(one_more.contact_dates, kind="stable")))
    later = found.contact_dates > FIRST
    assert (found.counts[later] == 1.0).all()
    assert (found.proba[later] == scored.proba[A_DAY:]).all()
    assert found.n_contacts == len(scored.proba) + 1


def test_performance_is_that_of_all_contacts(scored, few):
    measure = partial(measure_performance, as_of=AS_OF, economics=ECONOMICS, baseline=BASELINE)
    exact, found = (measure(one).to_dict() for one in (scored, few))
    assert {name: exact[name] for name in ("rows", "matured", "unscored", "level")} == {
        name: found[name] for name in ("rows", "matured", "unscored", "level")
    }
    assert len(found["weeks"]) == len(exact["weeks"])
    for one, other in zip([*exact["weeks"], exact["latest"]], [*found["weeks"], found["latest"]], strict=True):
        for name, value in one.items():
            within = 5e-4 if name == "average_precision" else 1e-4
            wanted = pytest.approx(value, abs=within, rel=1e-5) if isinstance(value, float) else value
            assert other[name] == wanted, name
        assert other["profit_eur"] == pytest.approx(one["profit_eur"], rel=1e-12), "no row on both sides of break-even"
        assert (other["calls"], other["f1"]) == (one["calls"], pytest.approx(one["f1"], rel=1e-12))


def test_amounts_of_each_contact_are_kept_apart(scored):
    value = np.tile([30.0, 80.0], len(scored.proba) // 2)
    own = replace(scored, frame={"balance": value})
    found = merged(own, apart)
    assert (found.counts * found.frame["balance"]).sum() == value.sum()
    assert set(found.frame["balance"]) == {30.0, 80.0}


def test_intercepts_evidence_and_rates_are_those_of_all_contacts(scored, few):
    exact, found = (recalibrate(one, AS_OF, 0.1) for one in (scored, few))
    assert (found.contacts, found.shift_after) == (exact.contacts, pytest.approx(exact.shift_after, abs=1e-5))
    assert found.log_loss_after == pytest.approx(exact.log_loss_after, abs=1e-4)
    days = np.unique(scored.contact_dates)
    by_day = [recalibrated_day_by_day(scored, days, one) for one in (None, few)]
    assert np.abs(by_day[0] - by_day[1]).max() < 1e-5
    state = ResponseState(first_deployed_on=str(FIRST), deployed_on=str(FIRST))
    contacts = made_contacts(3, 5)
    daily = DailyProfiles.from_rows(contacts.contact_dates, contacts.frame, UCI)
    records = []
    for one in (scored, few):
        facts = KnownFacts(one, daily, Reference({}, 0.0))
        records.append(gather(facts, state, AS_OF, 0.0, ResponsePolicy()).to_record())
    assert records[1]["outcomes"] == records[0]["outcomes"]
    for name, value in records[0].items():
        if isinstance(value, float):
            assert records[1][name] == pytest.approx(value, abs=1e-4, rel=1e-5), name
    rates = []
    for one in (scored, few):
        history = OutcomeHistory(np.array([], "datetime64[D]"), np.zeros((0, 1)), UCI)
        history.learn(one)
        rates.append(history.rates(np.array([AS_OF])))
    assert rates[0] == rates[1], "to the last bit"
