"""Sensors of the landing folder: contacts and outcomes, and campaign files. `loop.deliveries` decides what is due."""

from collections.abc import Sequence

import dagster as dg

from bank_assets.jobs import DATA, SCORING
from bank_assets.landing.deliveries import RegisterResult, landing_is_missing
from bank_assets.ledger import states
from bank_assets.ledger.engine import opened_ledger
from bank_assets.loop.deliveries import campaign_wanted, data_wanted, due_campaigns, register
from bank_assets.loop.requests import RunWanted, ask, busy
from bank_assets.settings import Settings
from bank_assets.store.champion_history import ChampionHistory

TAGS = {"bank/workflow": "delivery"}


def missing(settings: Settings) -> dg.SkipReason:
    """The skip reason while there is no landing folder."""
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
    """Request the runs, or give the reason for waiting."""
    requested = busy(instance) or ask(instance, wanted)
    if isinstance(requested, dg.SkipReason):
        return requested
    return dg.SensorResult(run_requests=requested, cursor=wanted[-1].digest)


def can_score(settings: Settings) -> bool:
    """Whether there is a champion and a published state."""
    with opened_ledger(settings.ledger_url) as engine:
        return ChampionHistory.of(engine).current is not None and states.latest(engine) is not None


def delivery_sensors(settings: Settings, status: dg.DefaultSensorStatus) -> list[dg.SensorDefinition]:
    """The sensors of the landing folder."""

    @dg.sensor(
        name="new_contacts_sensor",
        job_name=DATA,
        minimum_interval_seconds=settings.sensor_seconds,
        default_status=status,
        description="New contacts or outcomes, also late ones for past months: makes the affected months.",
        tags=TAGS,
    )
    def new_contacts_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        """Request the months whose deliveries are not in the tables.

        The sensor compares tables with deliveries and does not count files. The same file twice requests nothing, two
        files
        at once request one run, a correction of a past month requests that month, and the next tick repeats whatever a
        killed tick or a failed run left undone. A file touched less than `settle_seconds` ago is still being written.
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
        description="A new or changed campaign file: scores and ranks its customers.",
        tags=TAGS,
    )
    def campaign_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        """Request scores of campaign files whose last delivery has none.

        Campaigns have a sensor of their own because a call list is urgent and needs no ETL. Files wait until there is a
        champion with a published state; the first tick after the promotion finds them.
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
