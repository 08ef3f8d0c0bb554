"""The replay and production give the same answers on the same history, day by day.

Production runs its real assets, jobs, sensors, ledger and registry in this process; `world.home.make_tables` replaces
only the ETL. Deliveries are larger than the replay's days: first the history, then whole months.
"""

from dataclasses import dataclass, replace

import dagster as dg
import numpy as np
import pytest

from bank_assets.core.economics.economics import Economics
from bank_assets.core.features.contacts import Contacts
from bank_assets.core.response.policy import ResponseState
from bank_assets.ledger import promotions, responses
from bank_assets.ledger.engine import open_ledger
from bank_assets.replay.contacts import read_history
from bank_assets.replay.replay import make_policy, walk
from bank_assets.replay.trace import Trace
from bank_assets.replay.world import ReplaySettings, World
from bank_assets.settings import Settings
from bank_assets.sources.source import Source
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


@dataclass
class Played:
    """A history, the settings of both, and how many contacts a model decides at least."""

    contacts: Contacts
    start: np.datetime64
    value: float
    probation: bool = True
    n_scored: int = 501

    @property
    def economics(self) -> Economics:
        return Economics.constant(5.0, self.value)


def generated(probation):
    """Working days only, to 2020-03-31."""
    days = np.repeat([day for day in range(91) if day % 7 not in (3, 4)], 30)
    return Played(made_contacts(change=jump, days=days), START, 40.0, probation)


def real_file(path):
    """With the crisis of autumn 2008 and the new campaign of 2009, to June 2010; ADR 0024 names the contacts."""
    contacts = read_history(Source("file", str(path), path), Settings(home=path.parent)).contacts
    contacts = contacts.rows(contacts.contact_dates <= np.datetime64("2010-06-30"))
    return Played(contacts, np.datetime64("2008-09-01"), 50.0, n_scored=20_013)


# What differs without probation is the kind of the first model, which core/training/test_challenger.py tests too.
@pytest.fixture(
    scope="module",
    params=["probation", *(pytest.param(name, marks=pytest.mark.soak) for name in ("no_probation", "real_file"))],
)
def played(request):
    if request.param == "real_file":
        return real_file(request.getfixturevalue("real_csv"))
    return generated(probation=request.param == "probation")


@pytest.fixture(scope="module")
def replayed(played):
    """The replay: its world, trace and policy."""
    settings = ReplaySettings(
        played.economics,
        played.start,
        feedback="full",
        seed=SEED,
        candidates=CANDIDATES,
        probation=played.probation,
    )
    world, policy = World(played.contacts, settings), make_policy("platform", settings)
    trace = Trace.empty(len(world))
    for _ in walk(policy, world, trace):
        pass
    return world, trace, policy


@pytest.fixture(scope="module")
def produced(played, tmp_path_factory):
    """Production: its tables and its ledger after a delivery of the history, and one for each month."""
    folder = tmp_path_factory.mktemp("one_loop")
    home = folder / "bank"
    home.mkdir()
    settings = Settings(
        home=home,
        ledger_url=f"sqlite:///{home / 'ledger.db'}",
        mlflow_uri=f"sqlite:///{home / 'mlflow.db'}",
        mlflow_artifacts=(home / "mlartifacts").as_uri(),
        settle_seconds=0,
        economics=played.economics,
        candidates=CANDIDATES,
        probation=played.probation,
        seed=SEED,
    )
    months = played.contacts.contact_dates.astype("datetime64[M]")
    deliveries = np.maximum(months, played.start.astype("datetime64[M]") - 1)
    with dg.DagsterInstance.ephemeral(str(folder)) as instance:
        daemon = InProcessDaemon(settings, instance)
        for delivery in np.unique(deliveries):
            land(settings, played.contacts.rows(deliveries == delivery))
            daemon.look(CONTACTS)
            make_tables(settings, [str(month) for month in np.unique(months[deliveries == delivery])])
            daemon.settle()
            assert not daemon.left()
    engine = open_ledger(settings.ledger_url)
    yield Warehouse(settings.warehouse), engine
    engine.dispose()


def test_every_day_is_judged_by_both_and_answered_alike(played, replayed, produced):
    _, _, policy = replayed
    _, engine = produced
    rows = {row.as_of: row for row in reversed(responses.history(engine, limit=1_000))}
    assessments = {str(one.day): one for one in policy.assessments}
    assert set(rows) - set(assessments) == {max(rows)}, "production has reached the day after the last contact"
    assert max(rows) == str(played.contacts.contact_dates.max() + DAY)
    for day, one in assessments.items():
        row, answer = rows[day], one.response
        assert (row.action, row.run_key, row.episode_id) == (answer.action, answer.run_key, answer.episode_id), day
        assert (row.kinds, row.reasons) == (list(answer.kinds), list(answer.reasons)), day
        found, severity = ResponseState.from_json(row.state), answer.state.severity
        assert replace(found, severity=None) == replace(answer.state, severity=None), day
        assert found.severity == (None if severity is None else pytest.approx(severity)), "sums in another order"
        assert row.shift == pytest.approx(one.evidence.shift_now, abs=1e-9)
    assert sum(one.calls_for_fit for one in assessments.values()) >= 3, "the history must call for fits"


def test_every_verdict_is_the_same(played, replayed, produced):
    _, _, policy = replayed
    _, engine = produced
    fits = [row for row in reversed(promotions.history(engine)) if row.kind != "recalibration"]
    assert (fits[0].kind, fits[0].decision) == (("probation", "promoted") if played.probation else ("first", "refused"))
    assert ("first", "promoted") in [(row.kind, row.decision) for row in fits], "the gate opens"
    found = [(row.as_of, "model" if row.decision == "promoted" else "refused") for row in fits]
    events = [(event.day, event.kind) for event in policy.counts.events if event.kind in ("model", "refused")]
    assert found == [event for event in events if event[0] <= str(played.contacts.contact_dates.max())]


def test_every_contact_is_decided_by_the_same_version_with_the_same_probability(played, replayed, produced):
    world, trace, policy = replayed
    store, engine = produced
    champions = ChampionHistory.of(engine)
    models = np.asarray([event.day for event in policy.counts.events if event.kind == "model"], "datetime64[D]")
    assert models.tolist() == champions.starts.tolist()
    scores = store.read("contact_scores", [key for key, one in store.manifest("contact_scores").items() if one.rows])
    produced_proba = dict(zip(scores.column("contact_id").to_pylist(), scores.column("proba").to_pylist(), strict=True))
    ids = world._contacts.contact_ids
    decided = world.is_decided & ~np.isnan(trace.unshifted)
    assert decided.sum() >= played.n_scored
    found = np.asarray([produced_proba[one] for one in ids[decided]])
    np.testing.assert_allclose(found, trace.proba[decided], rtol=0, atol=1e-9)
    np.testing.assert_array_equal(played.economics.decide(found, {}), trace.called[decided])
