"""A home with deliveries, a champion and the daemon whose retrain sensors are looked at."""

import shutil

import dagster as dg
import numpy as np
import pytest

from bank_assets.ledger import promotions, responses
from bank_assets.ledger.engine import open_ledger
from bank_assets.settings import Settings
from bank_assets_tests.world.contacts import FIRST, made_contacts
from bank_assets_tests.world.daemon import InProcessDaemon
from bank_assets_tests.world.home import land, make_tables, promote

DAYS = 121  # to 2020-04-30
CONTACTS, DRIFT, PERFORMANCE = "new_contacts_sensor", "drift_retrain_sensor", "performance_retrain_sensor"


class Loop:
    """A home, its deliveries, the daemon that looks at them."""

    def __init__(self, settings, instance, contacts):
        self.settings, self.contacts = settings, contacts
        self.daemon = InProcessDaemon(settings, instance)
        self.engine = open_ledger(settings.ledger_url)
        latest = next(iter(promotions.history(self.engine, promoted_only=True)), None)
        self.version = int(latest.to_version) if latest else 0

    def deliver(self, month, *, held=()):
        months = np.datetime_as_string(self.contacts.contact_dates.astype("datetime64[M]"))
        land(self.settings, self.contacts.rows(months == month))
        self.daemon.look(CONTACTS)
        make_tables(self.settings, [month], held=held)

    def promote(self, as_of, **more):
        self.version += 1
        promote(self.settings, str(self.version), as_of, **more)

    def rescore(self):
        """Scores by the champions of their days, made by the real asset in the run that the sensor requests."""
        (requested,) = self.daemon.look(PERFORMANCE)
        assert (requested.job_name, requested.asset_selection is not None) == ("performance_job", True)
        assert self.daemon.carry_out(PERFORMANCE, requested).success
        return requested

    def publish(self):
        (requested,) = self.daemon.look(PERFORMANCE)
        assert requested.job_name == "scoring_job"
        assert self.daemon.carry_out(PERFORMANCE, requested).success
        return requested

    def both(self):
        """What each sensor requests, drift first."""
        return self.daemon.look(DRIFT), self.daemon.look(PERFORMANCE)

    @property
    def last(self):
        return responses.latest(self.engine)


def home_of(folder):
    return Settings(home=folder, ledger_url=f"sqlite:///{folder / 'ledger.db'}", settle_seconds=0)


def temporary_instance(folder):
    return dg.DagsterInstance.ephemeral(str(folder))


@pytest.fixture(scope="module")
def january(tmp_path_factory):
    """A home with January delivered, a champion of the 20th, its scores and the published state."""
    folder = tmp_path_factory.mktemp("january")
    (folder / "bank").mkdir()
    with temporary_instance(folder) as instance:
        loop = Loop(home_of(folder / "bank"), instance, made_contacts(DAYS, 30))
        loop.deliver("2020-01")
        loop.promote("2020-01-20")
        loop.rescore()
        loop.publish()
        loop.engine.dispose()
    return folder / "bank"


@pytest.fixture
def make(january, tmp_path):
    """Factory of a loop that continues from January with other contacts, up to a day."""
    with temporary_instance(tmp_path) as instance:
        made = []

        def loop(change=None, until=60, *, fresh=False):
            home = tmp_path / "bank"
            (home.mkdir() if fresh else shutil.copytree(january, home))
            contacts = made_contacts(DAYS, 30, change=change)
            cut = contacts.rows(contacts.contact_dates < FIRST + until)
            made.append(Loop(home_of(home), instance, cut))
            return made[-1]

        yield loop
        for one in made:
            one.engine.dispose()
