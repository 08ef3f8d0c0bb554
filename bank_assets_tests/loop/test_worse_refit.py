"""A refit on corrupted history is refused by the real gate and reported once.

January to March are delivered again with the outcomes of other customers. Rates are unchanged, so no check of a month
notices it. In April other people are called, so the loop requests a refit. Only the ETL is replaced.
"""

import sqlite3
from pathlib import Path

import dagster as dg
import numpy as np
import pytest

from bank_assets.ledger import promotions, responses
from bank_assets.ledger.engine import open_ledger
from bank_assets.loop.requests import TAG_AS_OF
from bank_assets.resources.notifier import NotifierResource
from bank_assets.sensors.alerts import ALERTS
from bank_assets.settings import Settings
from bank_assets_tests.world.contacts import FIRST, made_contacts
from bank_assets_tests.world.daemon import InProcessDaemon, stored_instance
from bank_assets_tests.world.home import land, make_tables

pytestmark = pytest.mark.slow

CONTACTS = "new_contacts_sensor"
FIRST_FIT = "2020-04-01"
WINTER, SPRING = ("2020-01", "2020-02", "2020-03"), ("2020-04",)


def others_are_called(frame, number, log_odds):
    """From 2020-04-01 on the bank calls other people, who subscribe as everybody does."""
    frame["job"][number >= 91] = "student"
    return log_odds


def months_of(contacts):
    return np.datetime_as_string(contacts.contact_dates.astype("datetime64[M]"))


def of_other_customers(contacts, *months):
    """The same contacts with outcomes that belong to others of their month."""
    mixed = contacts.is_subscribed.copy()
    for month in months:
        rows = np.flatnonzero(months_of(contacts) == month)
        mixed[rows] = np.random.default_rng(5).permutation(mixed[rows])
    return type(contacts)(
        contacts.contact_ids, contacts.frame, contacts.contact_dates, contacts.known_on, mixed, contacts.contract
    )


class Bank:
    """A home, its daemon and its alerts."""

    def __init__(self, home, instance):
        self.settings = Settings(
            home=home,
            ledger_url=f"sqlite:///{home / 'ledger.db'}",
            mlflow_uri=f"sqlite:///{home / 'mlflow.db'}",
            mlflow_artifacts=(home / "mlartifacts").as_uri(),
            settle_seconds=0,
        )
        self.daemon = InProcessDaemon(self.settings, instance)
        self.engine = open_ledger(self.settings.ledger_url)

    def deliver(self, contacts, *months):
        land(self.settings, contacts.rows(np.isin(months_of(contacts), months)))
        self.daemon.look(CONTACTS)
        make_tables(self.settings, list(months))

    def fit_first(self):
        """The first champion, by the real job and its real gate."""
        names = ("training_set", "challenger", "champion_scores", "champion_model")
        ops = {"training_set": {"config": {"as_of": FIRST_FIT}}, "challenger": {"config": {"mode": "refit"}}}
        job = self.daemon.defs.resolve_job_def("refit_job")
        done = job.execute_in_process(
            instance=self.daemon.instance,
            run_config={"ops": ops},
            asset_selection=[dg.AssetKey(name) for name in names],
        )
        assert done.success

    def reported(self, kind):
        """Alerts of a kind so far, after another look of the alert sensor."""
        self.daemon.look(ALERTS)
        reported = NotifierResource.of(self.settings).log.read()
        return [alert for _, alert in reported if alert["kind"] == kind]

    def verdicts(self):
        return [row for row in reversed(promotions.history(self.engine)) if row.kind != "recalibration"]

    def champion(self):
        with sqlite3.connect(self.settings.home / "mlflow.db") as database:
            query = "select version from registered_model_aliases where alias = 'champion'"
            return str(database.execute(query).fetchone()[0])

    def fits(self):
        return [run for run in self.daemon.runs if run.dagster_run.job_name in ("refit_job", "search_job")]


@pytest.fixture(scope="module")
def contacts():
    return made_contacts(112, 50, change=others_are_called)  # to 2020-04-21


@pytest.fixture(scope="module")
def bank(contacts):
    """The night in which the refit was refused: everything delivered up to 2020-04-12 is worked through."""
    with stored_instance() as instance:
        home = Path(instance.root_directory) / "bank"
        home.mkdir()
        made = Bank(home, instance)
        made.deliver(contacts, *WINTER)
        made.fit_first()
        made.daemon.settle()
        assert made.reported("refused") == []
        made.deliver(of_other_customers(contacts, *WINTER), *WINTER)
        made.deliver(contacts.rows(contacts.contact_dates < FIRST + 103), *SPRING)
        made.daemon.settle()
        yield made
        made.engine.dispose()


def test_the_worse_refit_was_fitted_by_the_loop_and_refused_with_the_numbers(bank):
    first, refused = bank.verdicts()
    assert (first.kind, first.decision) == ("first", "promoted")
    assert (refused.kind, refused.decision, refused.from_version) == ("refit", "refused", first.to_version)
    (reason,) = refused.reasons
    assert "log loss" in reason
    assert "P(worse) = " in reason
    against = refused.evidence["against_champion"]["fits"].values()
    assert against
    assert all(row["log_loss_refit"] > 1.01 * row["log_loss_champion"] for row in against)
    (run,) = bank.fits()
    assert run.success, "an honest refusal is no failure"
    assert run.dagster_run.tags[TAG_AS_OF] == refused.as_of > "2020-04-01"


def test_the_champion_stays_in_force(bank):
    first, refused = bank.verdicts()
    assert bank.champion() == first.to_version != refused.to_version
    assert responses.latest(bank.engine).as_of == "2020-04-13", "the days after it are judged under the champion"


def test_it_is_reported_once_however_often_the_sensors_tick(bank):
    (alert,) = bank.reported("refused")
    assert "P(worse)" in alert["text"]
    assert alert["run_id"] == bank.fits()[0].run_id
    for _ in range(3):
        assert bank.daemon.round() == 0, bank.daemon.said
        assert bank.reported("refused") == [alert]
    assert "every day is judged" in bank.daemon.said["performance_retrain_sensor"]
    assert bank.daemon.status().is_idle
    assert len(bank.fits()) == 1


def test_the_repaired_history_passes_after_the_cool_down(bank, contacts):
    """Last: it moves the home on."""
    day = np.timedelta64(1, "D")
    refused_on = np.datetime64(bank.verdicts()[-1].as_of)
    bank.deliver(contacts, *WINTER)
    bank.deliver(contacts.rows(contacts.contact_dates < refused_on + 9 * day), *SPRING)
    bank.daemon.settle()
    assert "cool-down: 9 of 10 days" in responses.latest(bank.engine).reasons[-1]
    assert len(bank.fits()) == 1, "new days and a repaired history alone start no fit"
    bank.deliver(contacts.rows(contacts.contact_dates < refused_on + 10 * day), *SPRING)
    bank.daemon.settle()
    (repaired,) = bank.verdicts()[2:]
    assert (repaired.kind, repaired.decision) == ("refit", "promoted")
    assert np.datetime64(repaired.as_of) == refused_on + 10 * day
    assert bank.champion() == repaired.to_version
    assert len(bank.reported("refused")) == 1
