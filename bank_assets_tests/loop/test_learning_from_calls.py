"""A bank that calls by its lists: production learns what the replay learns from the same lists and calls."""

import logging
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace

import dagster as dg
import numpy as np
import pytest

from bank_assets.assets import drift, features
from bank_assets.contract.uci import UCI
from bank_assets.core.arrays import rows_at
from bank_assets.core.economics.economics import Economics
from bank_assets.core.economics.exploration import LearningBudget
from bank_assets.core.economics.planner import PlanSettings, plan_calls
from bank_assets.core.features.feedback import Feedback, Origin
from bank_assets.core.training.learning_sample import permanent_numbers
from bank_assets.core.training.recipes import rows_to_fit, sample_facts
from bank_assets.landing.deliveries import register_deliveries
from bank_assets.ledger.engine import opened_ledger
from bank_assets.loop.response import ResponseLoop
from bank_assets.replay.world import ReplaySettings, World
from bank_assets.settings import Settings
from bank_assets.store.call_lists import ListScores
from bank_assets.store.contact_store import ContactStore
from bank_assets.store.list_designs import ListDesigns
from bank_assets.store.warehouse import Warehouse
from bank_assets_tests.world.contacts import FIRST, made_contacts
from bank_assets_tests.world.home import land, make_tables

RATE = "subscription_rate_30d"
ECONOMICS = Economics.constant(5.0, 40.0)
START, DAYS = FIRST + np.timedelta64(26, "D"), 36
AS_OF = FIRST + np.timedelta64(DAYS, "D")
PLAN = PlanSettings(ECONOMICS, holdout_share=0.1, learning=LearningBudget(share=0.1, minimum=3))


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """Ten days of lists: the replay's world, and the home of a bank where only the called have an outcome."""
    home = tmp_path_factory.mktemp("bank")
    settings = Settings(home=home, ledger_url=f"sqlite:///{home / 'ledger.db'}", feedback="called", settle_seconds=0)
    contacts = made_contacts(DAYS, 30)
    world = World(contacts, ReplaySettings(ECONOMICS, START, feedback="called"))
    designs, is_called = ListDesigns(settings.warehouse, settings.feedback), ~world.is_decided
    for day in world.days:
        rows = world.rows_of(day)
        is_promising = world.frame["poutcome"][rows] == "success"
        proba = 0.1 * world.features_of(rows, day)[RATE] + np.where(is_promising, 0.3, 0.04)
        ids = world._contacts.contact_ids[rows]
        plan = plan_calls(ids, proba, rows_at(world.frame, rows), UCI, PLAN, f"list of {day}")
        designs.keep(plan, ListScores(world.dates[rows], proba, proba, "1", "d", str(day)))
        world.learn(rows, np.where(plan.is_called, 1.0 / np.where(plan.is_called, plan.propensity, 1.0), 0.0))
        is_called[rows] = plan.is_called
    answered = np.where(is_called, world._contacts.known_on, np.datetime64("NaT", "D"))
    land(settings, replace(world._contacts, known_on=answered, weights=None))
    register_deliveries(settings.landing, settings.warehouse, UCI, now=datetime.now(UTC), settle_seconds=0)
    make_tables(settings, ["2020-01", "2020-02"])
    return world, settings


def test_weights_are_those_of_the_replay_and_every_outcome_is_counted(played):
    world, settings = played
    store = ContactStore(Warehouse(settings.warehouse), UCI, "called")
    found, feedback, _ = store.evidence(["2020-01", "2020-02"], "proba")
    np.testing.assert_array_equal(found.weights, world._contacts.weights)
    n_history = int((~world.is_decided).sum())
    taught = int((found.weights > 0).sum()) - n_history
    counts = {origin: n for origin, n in feedback.outcomes.items() if n}
    assert counts == {Origin.CALLED_IN_FULL: n_history, Origin.CALLED_BY_LIST: taught}
    assert feedback == Feedback(feedback.outcomes, 0, taught, taught, feedback.explored)
    assert 0 < feedback.explored < taught
    assert 2 < found.weights.max() < 20, "explorers stand for others"


def test_the_training_set_holds_the_replay_s_features_and_weights(played):
    world, settings = played
    store = Warehouse(settings.warehouse)
    context = SimpleNamespace(log=logging.getLogger(__name__))
    features.training_set.op.compute_fn.decorated_fn(context, features.TrainingSetConfig(), store, settings)
    found, wanted = features.read_snapshot(store, UCI).data, world.learning_data(AS_OF)
    np.testing.assert_array_equal(found.weights, wanted.weights)
    for name, column in wanted.features.items():
        np.testing.assert_array_equal(found.features[name], column, name)


def test_the_training_set_names_the_sample_that_the_replay_would_draw(played):
    world, settings = played
    store, context, digests = Warehouse(settings.warehouse), SimpleNamespace(log=logging.getLogger(__name__)), set()
    for limit in (151, 150):
        now = replace(settings, learning_rows=limit)
        features.training_set.op.compute_fn.decorated_fn(context, features.TrainingSetConfig(), store, now)
        digests.add(store.entry("training_set", "all").digest)
    assert len(digests) == 2, "whatever is keyed by the digest is made again under another limit"
    limited = World(made_contacts(DAYS, 30), replace(world.settings, learning_rows=150))
    limited._contacts.weights[:] = world._contacts.weights
    found, wanted = features.read_snapshot(store, UCI), limited.learning_data(AS_OF)
    np.testing.assert_array_equal(found.data.numbers, wanted.numbers)
    assert found.data.fit_rows == wanted.fit_rows == 150
    assert found.metadata["sample"] == sample_facts(wanted)
    assert found.metadata["sample"]["eligible"] == len(wanted) > found.metadata["sample"]["drawn"] == 150


def test_beyond_several_times_the_limit_the_training_set_is_a_sample_and_fits_draw_what_they_would_from_all(played):
    world, settings = played
    store, context = Warehouse(settings.warehouse), SimpleNamespace(log=logging.getLogger(__name__))
    now = replace(settings, learning_rows=60)
    features.training_set.op.compute_fn.decorated_fn(context, features.TrainingSetConfig(), store, now)
    found, every = features.read_snapshot(store, UCI), world.learning_data(AS_OF)
    every = replace(every, numbers=permanent_numbers(world.contact_ids[world.known(AS_OF)]), fit_rows=60)
    assert len(found.data) < len(every) == found.metadata["sample"]["eligible"]
    drawn = [rows_to_fit(one, np.arange(len(one)), AS_OF, 90.0) for one in (found.data, every)]
    assert found.data.numbers[drawn[0][0]].tolist() == every.numbers[drawn[1][0]].tolist()
    np.testing.assert_allclose(drawn[0][1], drawn[1][1])
    kept = np.isin(every.numbers, found.data.numbers)
    for name, column in every.features.items():
        np.testing.assert_array_equal(found.data.features[name], column[kept], name)
    np.testing.assert_allclose(found.data.weights, every.w[kept] * found.data.stands_for)


def test_a_contract_that_is_wider_than_its_rows_leaves_the_candidates_as_they_are(played):
    _, settings = played
    job = replace(UCI.by_source["job"], categories=(*UCI.by_source["job"].categories, "influencer"))
    wider = {"job": job, "age": replace(UCI.by_source["age"], maximum=150)}
    contract = replace(UCI, version=2, columns=tuple(wider.get(one.source, one) for one in UCI.columns))
    store, context = Warehouse(settings.warehouse), SimpleNamespace(log=logging.getLogger(__name__))
    made = []
    for known in (UCI, contract):
        now = replace(settings, contract=known)
        features.training_set.op.compute_fn.decorated_fn(context, features.TrainingSetConfig(), store, now)
        made.append(store.entry("training_set", "all"))
    assert made[0].fingerprint != made[1].fingerprint, "it was made again"
    assert made[0].digest == made[1].digest, "which is all that candidates are made from"


def test_the_loop_s_evidence_is_the_replay_s(played):
    world, settings = played
    with dg.DagsterInstance.ephemeral() as instance, opened_ledger(settings.ledger_url) as engine:
        found = ResponseLoop(settings, engine, instance).known(AS_OF).scored
    wanted, known = world.scored(np.full(len(world), np.nan), AS_OF), found.known_as_of(AS_OF)
    assert known.sum() == len(wanted.proba) < len(known)
    np.testing.assert_array_equal(found.weights[known], wanted.weights)
    np.testing.assert_array_equal(found.is_subscribed[known], wanted.is_subscribed)


def test_the_rate_of_a_drift_report_is_that_of_all_contacts_of_the_lists(played):
    world, settings = played
    contacts = ContactStore(Warehouse(settings.warehouse), UCI, "called").read(["2020-01", "2020-02"])
    spans = ((FIRST.item(), (START - 1).item()), (START.item(), AS_OF.item()))
    before, since = (world.daily.window(*days) for days in spans)
    reference, current = drift.weighted_rates(contacts, before, since)
    assert reference.known == (~world.is_decided).sum()
    assert current.known < (contacts.weights[contacts.contact_dates >= START] > 0).sum(), "an effective number"
    found, every = contacts.contact_dates >= START, world.outcomes_for_the_judge[world.is_decided].mean()
    called = contacts.is_subscribed[found & contacts.has_outcome].mean()
    assert abs(current.rate - every) < abs(called - every)
