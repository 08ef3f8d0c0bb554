"""What was delivered and is not yet in the tables, and the runs that it needs, at once or at night."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Engine

from bank_assets.jobs import DATA, MAIN, NIGHTLY, PERFORMANCE, SCORING
from bank_assets.landing.campaign_file import latest_campaigns
from bank_assets.landing.deliveries import RegisterResult, register_deliveries
from bank_assets.landing.feeds import record_feeds
from bank_assets.landing.folders import landing_is_missing
from bank_assets.landing.header import KINDS
from bank_assets.landing.register import Delivery, delivered_months
from bank_assets.loop.requests import RunWanted, ranges_of
from bank_assets.partitions import FIRST_MONTH, month_of
from bank_assets.settings import Settings
from bank_assets.spark.etl import month_fingerprint, month_tables
from bank_assets.store.derivations import stale
from bank_assets.store.lineage import (
    BATCH,
    CONTACTS,
    DRIFT_REPORT,
    GATE,
    PROFILES,
    REPORTED_OUTCOMES,
    far_from_others,
    outcomes_by_month,
    passed_months,
    reported_outcomes,
)
from bank_assets.store.warehouse import Warehouse

FIRST: Final = month_of(FIRST_MONTH)
_NAMED: Final = 3


def register(settings: Settings, engine: Engine, kinds: Sequence[str]) -> RegisterResult:
    """Register the complete files of the landing folder; what came back from calls goes on record at once."""
    now = datetime.now(UTC)
    found = register_deliveries(
        settings.landing,
        settings.warehouse,
        settings.contract,
        now=now,
        settle_seconds=settings.settle_seconds,
        kinds=kinds,
        lake=settings.tables,
        bucket=settings.landing_bucket,
    )
    recorded = record_feeds(settings.landing, settings.warehouse, settings.contract, engine, now, settings.tables)
    found.recorded.extend(recorded)
    return found


def due_months(settings: Settings) -> list[str]:
    """Delivered months that lack something, or were made from other deliveries or by other code, ascending."""
    store = Warehouse(settings.tables, settings.warehouse)
    contacts = delivered_months(settings.warehouse)
    if not contacts:  # outcomes wait for the first contacts
        return []
    delivered = sorted({*contacts, *delivered_months(settings.warehouse, "outcomes")})
    far = far_from_others(store, settings.contract)
    return [
        month
        for month in delivered
        if _is_on_the_axis(month) and not _is_made(settings, store, month, is_far=month in far)
    ]


def _is_on_the_axis(month: str) -> bool:
    """Whether a month has a partition; the axis ends with the current month."""
    return FIRST <= month <= f"{datetime.now(UTC):%Y-%m}"


def _is_made(settings: Settings, store: Warehouse, month: str, *, is_far: bool) -> bool:
    """Whether tables, gate and counts of a month follow from its deliveries; a held month counts as made."""
    if stale(month_tables(store, settings.warehouse, month, settings.contract)):
        return False
    contacts, gate = store.entry(CONTACTS, month), store.entry(GATE, month)
    if contacts is None or gate is None or gate.metadata.get("contacts_digest") != contacts.digest:
        return False
    if gate.metadata.get("is_far", False) != is_far:  # other months came or went
        return False
    # If no month at all passes, the gate's blocking check stops the run: repeating it would change nothing.
    is_held = not gate.metadata["passed"]
    return is_held or all(store.entry(table, month) is not None for table in (PROFILES.name, DRIFT_REPORT.name))


def raw_config(settings: Settings) -> dict[str, Any]:
    """Configuration of a run that looks at the landing folder again: it must leave half-written files alone too."""
    return {"ops": {"raw_contacts": {"config": {"settle_seconds": settings.settle_seconds}}}}


def data_wanted(settings: Settings) -> list[RunWanted]:
    """Runs that bring due months into the tables."""
    due, wanted = due_months(settings), []
    for first, last in ranges_of(due):
        fingerprints = {
            month: month_fingerprint(settings.warehouse, month, settings.contract)
            for month in due
            if first <= month <= last
        }
        named = (
            ", ".join(fingerprints)
            if len(fingerprints) <= _NAMED
            else f"{len(fingerprints)} months from {first} to {last}"
        )
        reason = f"new or changed deliveries for {named}"
        wanted.append(RunWanted(DATA, {"marks": fingerprints}, reason, (first, last), raw_config(settings)))
    return wanted


def due_campaigns(settings: Settings) -> list[Delivery]:
    """Campaign files whose last arrival has not been scored."""
    entries = Warehouse(settings.tables, settings.warehouse).manifest(BATCH.name)
    return [
        delivery
        for name, delivery in latest_campaigns(settings.warehouse).items()
        if name not in entries or entries[name].metadata.get("sha256") != delivery.sha256
    ]


def campaign_wanted(due: Sequence[Delivery]) -> RunWanted:
    """The run that scores some campaign files."""
    names = [delivery.name for delivery in due]
    return RunWanted(
        SCORING,
        {delivery.name: delivery.sha256 for delivery in due},
        f"new or changed campaign files: {', '.join(names[:5])}",
    )


def due_outcome_months(settings: Settings, engine: Engine) -> list[str]:
    """Months of arrival whose outcomes reported to the app are not yet in the tables."""
    store, arrived = Warehouse(settings.tables, settings.warehouse), outcomes_by_month(engine, FIRST)
    tables = {month: reported_outcomes(store, month, rows) for month, rows in arrived.items()}
    return [month for month in stale(tables) if _is_on_the_axis(month)]


def nightly_wanted(settings: Settings, engine: Engine) -> list[RunWanted]:
    """Runs of one night, in the order in which they should be made; empty if nothing was ever delivered.

    The newest month of data is always among them: its outcomes mature, and its scores and the state follow. Outcomes
    reported to the app lie in the month of their arrival, which may be years later; they come first, because scores and
    training read them.

    Raises:
        LandingError: the landing folder cannot be read.
    """
    if not landing_is_missing(settings.landing, settings.landing_bucket):
        register(settings, engine, KINDS)
    delivered = delivered_months(settings.warehouse)
    if not delivered:
        return []
    reported = due_outcome_months(settings, engine)
    # The newest month in use: a single row with a wrong year may make a later one.
    newest = [*delivered, *passed_months(Warehouse(settings.tables, settings.warehouse))][-1]
    months = [*due_months(settings), newest]
    joined = ranges_of([*months, *reported])
    data = [found for found in joined if any(found[0] <= month <= found[1] for month in months)]
    alone = [found for found in joined if found not in data]
    job = MAIN if settings.train_nightly else NIGHTLY
    wanted = [
        RunWanted(
            PERFORMANCE,
            "outcomes told to the app",  # part of the run key
            "outcomes reported to the app",
            found,
            assets=[REPORTED_OUTCOMES.name],
        )
        for found in alone
    ]
    wanted += [
        RunWanted(job, "night", f"the night's work on {first} to {last}", (first, last), raw_config(settings))
        for first, last in data
    ]
    return wanted
