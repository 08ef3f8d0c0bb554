"""Scores of a large month: Spark gives the features and probabilities that the driver gives, to the last bit."""

from datetime import UTC, datetime
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

from bank_assets.assets import contact_scoring, performance
from bank_assets.assets.contact_scoring import MonthScoring
from bank_assets.contract.uci import UCI
from bank_assets.core.features.as_of import plan_statistics
from bank_assets.core.model.scorer import Scorer
from bank_assets.core.training.challenger import fit_deployment
from bank_assets.core.training.recipes import Recipe
from bank_assets.landing.deliveries import register_deliveries
from bank_assets.settings import Settings
from bank_assets.spark.contact_scores import plan_sums
from bank_assets.store.champion_history import ChampionHistory
from bank_assets.store.contact_store import ContactStore
from bank_assets.store.warehouse import Warehouse
from bank_assets_tests.world.bundles import make_bundle
from bank_assets_tests.world.contacts import FIRST, made_contacts
from bank_assets_tests.world.home import land, make_tables

DAYS, MONTHS = 45, ["2020-01", "2020-02"]
CHAMPIONS = ChampionHistory(FIRST + np.array([20, 38]), ("1", "2"))


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    """A home of two months, and a registry of two models, the first with a calibrator."""
    settings = Settings(home=tmp_path_factory.mktemp("bank"), settle_seconds=0)
    contacts = made_contacts(DAYS, 20)
    land(settings, contacts)
    register_deliveries(settings.landing, settings.warehouse, UCI, now=datetime.now(UTC), settle_seconds=0)
    make_tables(settings, MONTHS)
    recipe, data = Recipe("logistic_regression"), contacts.learning_data(FIRST + 20)
    steps = [{"kind": "affine", "slope": 0.8, "intercept": -0.1}]
    graph = fit_deployment(recipe, data).graph
    bundles = {"1": make_bundle(graph, recipe, calibrator=steps), "2": make_bundle(graph, recipe)}
    scorers = {version: Scorer(files) for version, files in bundles.items()}
    return Warehouse(settings.warehouse), SimpleNamespace(scorer=scorers.get, bundle=bundles.get), contacts


def scored(bank, session, due=MONTHS):
    store, registry, _ = bank
    scoring = MonthScoring(store, ContactStore(store, UCI), CHAMPIONS, registry, session)
    return dict(scoring.by_month(MONTHS, due))


def unasked():
    raise AssertionError("expected no session of Spark")


@pytest.mark.spark
def test_spark_scores_a_large_month_as_the_driver_does(bank, spark, monkeypatch):
    by_driver = scored(bank, unasked)
    monkeypatch.setattr(contact_scoring, "SPARK_ROWS", 1)
    by_spark = scored(bank, lambda: spark)
    assert list(by_spark) == MONTHS
    assert all(by_spark[month].equals(by_driver[month]) for month in MONTHS)
    assert set(by_driver["2020-02"].column("model_version").to_pylist()) == {"1", "2"}
    assert by_driver["2020-01"].num_rows == 11 * 20, "from the first champion on"


@pytest.mark.spark
def test_the_sums_of_a_day_are_those_of_the_driver(bank, spark):
    store, _, contacts = bank
    found = plan_sums(spark, [str(path) for path in store.files("contacts")], UCI).statistics()
    wanted = plan_statistics(contacts.frame, contacts.contact_dates, UCI)
    assert [one.tobytes() for one in found] == [one.tobytes() for one in wanted]


def test_only_months_that_are_due_are_scored_and_rest_on_the_scores_before(bank):
    store, _, _ = bank
    every = scored(bank, unasked)
    store.write("contact_scores", "2020-01", every["2020-01"], "f")
    alone = scored(bank, unasked, ["2020-02"])
    assert list(alone) == ["2020-02"]
    assert alone["2020-02"].equals(every["2020-02"])


@pytest.mark.parametrize("before", [None, 0.9])
def test_a_month_rests_on_what_outdated_scores_before_it_will_be(bank, monkeypatch, before):
    store, registry, _ = bank
    every = scored(bank, unasked)
    old = every["2020-01"]
    if before is not None:
        column = pa.array(np.full(len(old), before))
        old = old.set_column(old.column_names.index("unshifted_proba"), "unshifted_proba", column)
    store.write("contact_scores", "2020-01", old if before else old.slice(0, 0), "of earlier outcomes")
    monkeypatch.setattr(performance.ChampionHistory, "of", lambda _: CHAMPIONS)
    context = SimpleNamespace(partition_keys=["2020-02-01"], add_asset_metadata=lambda *_, **__: None)
    home, ledger = SimpleNamespace(contract=UCI, feedback="full"), SimpleNamespace(engine=None)
    performance.contact_scores.op.compute_fn.decorated_fn(context, store, ledger, registry, home, None)
    assert store.read("contact_scores", ["2020-02"]).equals(every["2020-02"])
    assert store.entry("contact_scores", "2020-01").fingerprint == "of earlier outcomes", "its own run makes it"
    store.write("contact_scores", "2020-02", old.slice(0, 0), "f")
