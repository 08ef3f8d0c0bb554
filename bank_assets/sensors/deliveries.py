"""Sensors of the landing folder: contacts and outcomes, and campaign files. `loop.deliveries` decides what is due."""

import dagster as dg

from bank_assets.landing.deliveries import RegisterResult
from bank_assets.landing.folders import landing_is_missing
from bank_assets.ledger import states
from bank_assets.loop.deliveries import campaign_wanted, data_wanted, due_campaigns, register
from bank_assets.loop.requests import ask, busy
from bank_assets.resources.ledger import LedgerResource
from bank_assets.settings import Settings
from bank_assets.store.champion_history import ChampionHistory


def new_contacts_sensor(
    context: dg.SensorEvaluationContext, settings: dg.ResourceParam[Settings], ledger: LedgerResource
) -> dg.SensorResult | dg.SkipReason:
    """Request the months whose deliveries are not in the tables.

    The sensor compares tables with deliveries and does not count files. The same file twice requests nothing, two files
    at once request one run, a correction of a past month requests that month, and the next tick repeats whatever a
    killed tick or a failed run left undone. A file touched less than `settle_seconds` ago is still being written.
    """
    if landing_is_missing(settings.landing, settings.landing_bucket):
        return missing(settings)
    found = _registered(context, settings, ledger, "contacts", "outcomes", "subscriptions")
    wanted = data_wanted(settings)
    if not wanted:
        return dg.SkipReason(f"every delivered month is made; {_seen(found)}.")
    return busy(context.instance) or ask(context.instance, wanted)


def campaign_sensor(
    context: dg.SensorEvaluationContext, settings: dg.ResourceParam[Settings], ledger: LedgerResource
) -> dg.SensorResult | dg.SkipReason:
    """Request scores of campaign files whose last delivery has none.

    Campaigns have a sensor of their own because a call list is urgent and needs no ETL. Files wait until there is a
    champion with a published state; the first tick after the promotion finds them.
    """
    if landing_is_missing(settings.landing, settings.landing_bucket):
        return missing(settings)
    found = _registered(context, settings, ledger, "campaigns")
    due = due_campaigns(settings)
    if not due:
        return dg.SkipReason(f"every campaign file is scored; {_seen(found)}.")
    if ChampionHistory.of(ledger.engine).current is None or states.latest(ledger.engine) is None:
        return dg.SkipReason(f"{len(due)} campaign file(s) wait for the first champion and its state.")
    return busy(context.instance) or ask(context.instance, [campaign_wanted(due)])


def missing(settings: Settings) -> dg.SkipReason:
    """The skip reason while there is no landing folder."""
    return dg.SkipReason(
        f"{settings.landing}: expected the landing folder, found none; create or mount it; nothing is lost meanwhile."
    )


def _registered(
    context: dg.SensorEvaluationContext, settings: Settings, ledger: LedgerResource, *kinds: str
) -> RegisterResult:
    found = register(settings, ledger.engine, kinds)
    for refusal in found.refused:
        context.log.warning(f"refused {refusal.kind}/{refusal.name}: {refusal.problem}")
    for line in found.recorded:
        context.log.info(line)
    for one in found.withdrawn:
        context.log.warning(f"withdrawn {one.what}: {one.reason}")
    return found


def _seen(found: RegisterResult) -> str:
    parts = {
        "still being written": found.incomplete,
        "refused": [refusal.name for refusal in found.refused],
        "not used": found.ignored,
    }
    named = [f"{what}: {', '.join(names[:3])}" for what, names in parts.items() if names]
    new = [f"{len(found.new)} new"] if found.new else []
    return "; ".join([f"{len(found.unchanged)} file(s) known", *new, *named])
