"""Sensors of the landing folder: contacts and outcomes, and campaign files.

What lives here: the Dagster side of `bank_assets.loop.deliveries`. What must not: knowing what is due (it does).
Called by `bank_assets.sensors.orphaned_runs`.
"""

from collections.abc import Sequence

import dagster as dg

from bank_assets.jobs import DATA, SCORING
from bank_assets.landing.deliveries import RegisterResult
from bank_assets.landing.folders import landing_is_missing
from bank_assets.ledger import states
from bank_assets.ledger.engine import open_ledger
from bank_assets.loop.deliveries import (
    campaign_wanted,
    data_wanted,
    due_campaigns,
    register,
)
from bank_assets.loop.requests import RunWanted, ask, busy
from bank_assets.settings import Settings
from bank_assets.store.champion_history import ChampionHistory

TAGS = {"bank/workflow": "delivery"}


def missing(settings: Settings) -> dg.SkipReason:
    """Why nothing is looked at while there is no landing folder."""
    return dg.SkipReason(
        f"{settings.landing}: expected the landing folder, found none; create or mount it; nothing is lost meanwhile."
    )


def _seen(found: RegisterResult) -> str:
    parts = [f"{len(found.unchanged)} file(s) known"]
    if found.new:
        parts.append(f"{len(found.new)} new")
    if found.incomplete:
        parts.append(f"still being written: {', '.join(found.incomplete[:3])}")
    if found.refused:
        parts.append(f"refused: {', '.join(refusal.name for refusal in found.refused[:3])}")
    if found.ignored:
        parts.append(f"not CSV by name: {', '.join(found.ignored[:3])}")
    return "; ".join(parts)


def answer(instance: dg.DagsterInstance, wanted: Sequence[RunWanted]) -> dg.SensorResult | dg.SkipReason:
    """Ask for the runs, or say why not now."""
    requested = busy(instance) or ask(instance, wanted)
    if isinstance(requested, dg.SkipReason):
        return requested
    return dg.SensorResult(run_requests=requested, cursor=wanted[-1].digest)


def can_score(settings: Settings) -> bool:
    """Whether there is a champion and a published state."""
    engine = open_ledger(settings.ledger_url)
    try:
        return ChampionHistory.of(engine).current is not None and states.latest(engine) is not None
    finally:
        engine.dispose()


def delivery_sensors(settings: Settings, status: dg.DefaultSensorStatus) -> list[dg.SensorDefinition]:
    """The sensors of the landing folder.

    Args:
        settings: deployment.
        status: whether they start by themselves.
    """

    @dg.sensor(
        name="new_contacts_sensor",
        job_name=DATA,
        minimum_interval_seconds=settings.sensor_seconds,
        default_status=status,
        description="Contacts or outcomes landed, also late and for past months: makes the months they touch.",
        tags=TAGS,
    )
    def new_contacts_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        """Ask for the months whose deliveries are not in the tables.

        Why not one run per new file: what counts is whether a month's tables follow from its deliveries. So the same
        file twice asks for nothing, two files at once ask for one run, a correction of a past month asks for that
        month, and a look that died half-way or a run that failed is made up for by the next look. A file touched less
        than `settle_seconds` ago is still being written and is left.
        """
        if landing_is_missing(settings.landing):
            return missing(settings)
        found = register(settings, ("contacts", "outcomes"))
        for refusal in found.refused:
            context.log.warning(f"refused {refusal.kind}/{refusal.name}: {refusal.problem}")
        wanted = data_wanted(settings)
        if not wanted:
            return dg.SkipReason(f"every delivered month is made; {_seen(found)}.")
        return answer(context.instance, wanted)

    @dg.sensor(
        name="campaign_sensor",
        job_name=SCORING,
        minimum_interval_seconds=settings.sensor_seconds,
        default_status=status,
        description="A new or changed campaign file landed: scores and ranks its customers.",
        tags=TAGS,
    )
    def campaign_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        """Ask for scores of campaign files whose last arrival has none.

        Why apart from contacts: a list to call is urgent and needs no ETL. Without a champion or a published state
        nothing can be scored; the files wait, and the look after the first promotion finds them.
        """
        if landing_is_missing(settings.landing):
            return missing(settings)
        found = register(settings, ("campaigns",))
        due = due_campaigns(settings)
        if not due:
            return dg.SkipReason(f"every campaign file is scored; {_seen(found)}.")
        if not can_score(settings):
            return dg.SkipReason(f"{len(due)} campaign file(s) wait for the first champion and its state.")
        return answer(context.instance, [campaign_wanted(due)])

    return [new_contacts_sensor, campaign_sensor]
