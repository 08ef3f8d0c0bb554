"""A history in which April differs, so that the loop has to answer, and what is true once that month is done."""

from pathlib import Path

import numpy as np

from bank_assets.ledger import promotions, responses, states
from bank_assets.ledger.engine import open_ledger
from bank_assets.settings import Settings
from bank_assets.store.warehouse import Warehouse
from bank_assets_tests.world.contacts import FIRST
from bank_assets_tests.world.home import campaign_text, land

DAYS = 101  # 2020-01-01 to 2020-04-10: room for one fit before the cool-down is over
CHANGE = 91  # 2020-04-01


def more_subscribe(frame, number, log_odds):
    """In April far more customers subscribe."""
    return log_odds + np.where(number >= CHANGE, 2.2, 0.0)


def of_months(contacts, *months):
    names = np.datetime_as_string(contacts.contact_dates.astype("datetime64[M]"))
    return contacts.rows(np.isin(names, months))


def settings_of(home: Path) -> Settings:
    return Settings(
        home=home,
        ledger_url=f"sqlite:///{home / 'ledger.db'}",
        mlflow_uri=f"sqlite:///{home / 'mlflow.db'}",
        mlflow_artifacts=(home / "mlartifacts").as_uri(),
        settle_seconds=0,
        spark_master="local[2]",
        spark_memory="1g",
    )


def history(settings):
    engine = open_ledger(settings.ledger_url)
    try:
        return promotions.history(engine), responses.history(engine, limit=1_000), states.latest(engine)
    finally:
        engine.dispose()


def assert_april_was_worked_through(settings, contacts):
    """Nothing is lost, every day was judged once, the champion learned from April, and the state is new."""
    store = Warehouse(settings.warehouse)
    april = of_months(contacts, "2020-04")
    assert store.manifest("contacts")["2020-04"].rows == len(april)
    assert store.manifest("contact_scores")["2020-04"].rows == len(april)
    made, judged, state = history(settings)
    days = [row.as_of for row in judged if row.evidence]
    assert len(days) == len(set(days))
    assert max(days) == str(FIRST + DAYS) == state.as_of
    fits = [row for row in made if row.kind == "refit"]
    assert fits
    assert all(row.decision == "promoted" and row.as_of > "2020-04-01" for row in fits)
    assert len(fits) == len({row.as_of for row in fits}) == sum(row.action == "retrain" for row in judged)


def land_april(home, contacts):
    """April arrives, and a campaign file with some of its customers."""
    land(home, of_months(contacts, "2020-04"))
    (home.landing / "campaigns").mkdir()
    listed = of_months(contacts, "2020-04").rows(np.arange(40))
    (home.landing / "campaigns" / "spring.csv").write_text(campaign_text(listed))


def spoiled(text: str, share: float) -> str:
    """The same delivery with ages that cannot be read in a share of its rows."""
    header, *rows = text.splitlines()
    position = header.split(";").index("age")
    for index in range(int(len(rows) * share)):
        fields = rows[index].split(";")
        fields[position] = "seven"
        rows[index] = ";".join(fields)
    return "\n".join([header, *rows]) + "\n"
