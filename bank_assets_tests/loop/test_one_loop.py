"""The replay and production give the same answers on the same history, day by day.

Production runs its real assets, jobs, sensors, ledger and registry in this process; `world.home.make_tables` replaces
only the ETL. Deliveries are larger than the replay's days: first the history, then whole months.
"""

from dataclasses import replace

import dagster as dg
import numpy as np
import pytest

from bank_assets.core.economics.economics import Economics
from bank_assets.core.response.policy import ResponseState
from bank_assets.ledger import promotions, responses
from bank_assets.ledger.engine import open_ledger
from bank_assets.replay.replay import make_policy, walk
from bank_assets.replay.trace import Trace
from bank_assets.replay.world import ReplaySettings, World
from bank_assets.settings import Settings
from bank_assets.store.champion_history import ChampionHistory
from bank_assets.store.warehouse import Warehouse
from bank_assets_tests.world.contacts import FIRST, made_contacts
from bank_assets_tests.world.daemon import InProcessDaemon
from bank_assets_tests.world.home import land, make_tables

pytestmark = pytest.mark.slow

DAY = np.timedelta64(1, "D")
START = FIRST + 31 * DAY
"""First day decided, 2020-02-01; January is the history."""
CANDIDATES = ("logistic_regression/none", "logistic_regression/class_weight")
"""Without the default recipe, which is compared all the same."""
SEED = 7
CONTACTS = "new_contacts_sensor"


def jump(frame, number, log_odds):
    """From day 45 on the bank calls other people, who subscribe far more."""
    late = number >= 45
    frame["housing"][late] = "no"
    return log_odds + np.where(late, 2.5, 0.0)


@pytest.fixture(scope="module")
def contacts():
    """Working days only, to 2020-03-31."""
    days = np.repeat([day for day in range(91) if day % 7 not in (3, 4)], 30)
    return made_contacts(change=jump, days=days)


# What differs without probation is the kind of the first model, which core/training/test_challenger.py tests too.
@pytest.fixture(
    scope="module",
    params=[pytest.param(True, id="probation"), pytest.param(False, id="no_probation", marks=pytest.mark.soak)],
)
def probation(request):
    return request.param


@pytest.fixture(scope="module")
def replayed(contacts, probation):
    """The replay: its world, trace and policy."""
    economics = Economics.constant(5.0, 40.0)
    settings = ReplaySettings(economics, START, feedback="full", seed=SEED, candidates=CANDIDATES, probation=probation)
    world, policy = World(contacts, settings), make_policy("platform", settings)
    trace = Trace.empty(len(world))
    for _ in walk(policy, world, trace):
        pass
    return world, trace, policy


@pytest.fixture(scope="module")
def produced(contacts, probation, tmp_path_factory):
    """Production: its tables and its ledger after three deliveries."""
    folder = tmp_path_factory.mktemp("one_loop")
    home = folder / "bank"
    home.mkdir()
    settings = Settings(
        home=home,
        ledger_url=f"sqlite:///{home / 'ledger.db'}",
        mlflow_uri=f"sqlite:///{home / 'mlflow.db'}",
        mlflow_artifacts=(home / "mlartifacts").as_uri(),
        settle_seconds=0,
        economics=Economics.constant(5.0, 40.0),
        candidates=CANDIDATES,
        probation=probation,
        seed=SEED,
    )
    months = np.datetime_as_string(contacts.contact_dates.astype("datetime64[M]"))
    with dg.DagsterInstance.ephemeral(str(folder)) as instance:
        daemon = InProcessDaemon(settings, instance)
        for month in np.unique(months):
            land(settings, contacts.rows(months == month))
            daemon.look(CONTACTS)
            make_tables(settings, [str(month)])
            daemon.settle()
            assert not daemon.left()
    engine = open_ledger(settings.ledger_url)
    yield Warehouse(settings.warehouse), engine
    engine.dispose()


def test_every_day_is_judged_by_both_and_answered_alike(replayed, produced):
    _, _, policy = replayed
    _, engine = produced
    rows = {row.as_of: row for row in reversed(responses.history(engine, limit=1_000))}
    assessments = {str(one.day): one for one in policy.assessments}
    assert set(rows) - set(assessments) == {max(rows)}, "production has reached the day after the last contact"
    assert max(rows) == "2020-04-01"
    for day, one in assessments.items():
        row, answer = rows[day], one.response
        assert (row.action, row.run_key, row.episode_id) == (answer.action, answer.run_key, answer.episode_id), day
        assert (row.kinds, row.reasons) == (list(answer.kinds), list(answer.reasons)), day
        found, severity = ResponseState.from_json(row.state), answer.state.severity
        assert replace(found, severity=None) == replace(answer.state, severity=None), day
        assert found.severity == (None if severity is None else pytest.approx(severity)), "sums in another order"
        assert row.shift == pytest.approx(one.evidence.shift_now, abs=1e-9)
    assert sum(one.calls_for_fit for one in assessments.values()) >= 3, "the history must call for fits"


def test_every_verdict_is_the_same(replayed, produced, probation):
    _, _, policy = replayed
    _, engine = produced
    fits = [row for row in reversed(promotions.history(engine)) if row.kind != "recalibration"]
    assert (fits[0].kind, fits[0].decision) == (("probation", "promoted") if probation else ("first", "refused"))
    assert (fits[1].kind, fits[1].decision) == ("first", "promoted"), "the gate opens"
    found = [(row.as_of, "model" if row.decision == "promoted" else "refused") for row in fits]
    events = [(event.day, event.kind) for event in policy.counts.events if event.kind in ("model", "refused")]
    assert found == [event for event in events if event[0] <= "2020-03-31"]


def test_every_contact_is_decided_by_the_same_version_with_the_same_probability(replayed, produced):
    world, trace, policy = replayed
    store, engine = produced
    champions = ChampionHistory.of(engine)
    models = np.asarray([event.day for event in policy.counts.events if event.kind == "model"], "datetime64[D]")
    assert models.tolist() == champions.starts.tolist()
    scores = store.read("contact_scores", [key for key, one in store.manifest("contact_scores").items() if one.rows])
    produced_proba = dict(zip(scores.column("contact_id").to_pylist(), scores.column("proba").to_pylist(), strict=True))
    ids = world._contacts.contact_ids
    decided = world.is_decided & ~np.isnan(trace.unshifted)
    assert decided.sum() > 500
    found = np.asarray([produced_proba[one] for one in ids[decided]])
    np.testing.assert_allclose(found, trace.proba[decided], rtol=0, atol=1e-9)
    np.testing.assert_array_equal(Economics.constant(5.0, 40.0).decide(found, {}), trace.called[decided])
