"""Sensors of the response policy: drift and performance.

Both drive one loop (`loop.response`), whose state is a row in the ledger; the first sensor to tick judges the days. A
fit is requested by the sensor it belongs to: drift for covariates alone, performance for what outcomes show.
"""

import hashlib
import json

import dagster as dg
from sqlalchemy import Engine

from bank_assets.ledger import promotions, responses
from bank_assets.ledger.responses import AlreadyJudgedError
from bank_assets.loop.deliveries import due_months
from bank_assets.loop.requests import ask, busy
from bank_assets.loop.response import DRIFT, PERFORMED, ResponseLoop
from bank_assets.resources.ledger import LedgerResource
from bank_assets.settings import Settings
from bank_assets.sources.source import open_from
from bank_assets.store.list_designs import ListDesigns
from bank_assets.store.warehouse import Warehouse

_WATCHED = ("contacts", "contacts_validation", "contact_profiles", "outcomes", "contact_scores", "as_of_state")


def drift_retrain_sensor(
    context: dg.SensorEvaluationContext, settings: dg.ResourceParam[Settings], ledger: LedgerResource
) -> dg.SensorResult | dg.SkipReason:
    """Request the refits that covariates alone justify.

    The drift report's verdict does not trigger refits: it compares whole months with the training profile, for people.
    The loop assesses every day with the model's own recency weights and without sampling noise. It responds only if two
    of three days agree, ten days after the last fit and with enough outcomes.
    """
    return evaluate(DRIFT, context, settings, ledger)


def performance_retrain_sensor(
    context: dg.SensorEvaluationContext, settings: dg.ResourceParam[Settings], ledger: LedgerResource
) -> dg.SensorResult | dg.SkipReason:
    """Request what outcomes justify: recalibration, refit, search, and scores by a new champion.

    A day can be judged only by what the champion of that day said. After each promotion the days since are therefore
    scored again before the loop goes on.
    """
    return evaluate(PERFORMED, context, settings, ledger)


def evaluate(
    owner: str, context: dg.SensorEvaluationContext, settings: Settings, ledger: LedgerResource
) -> dg.SensorResult | dg.SkipReason:
    """One tick of a retrain sensor; `owner` (`drift` or `performance`) says whose runs it requests.

    The cursor remembers the state that was found idle, so that an idle tick reads no table.
    """
    waiting = busy(context.instance)
    if waiting is not None:
        return waiting
    due = due_months(settings)
    if due:
        return dg.SkipReason(f"{len(due)} delivered month(s) are not in the tables yet: {', '.join(due[:3])}.")
    digest, _, reported = (context.cursor or "").partition(" ")
    if digest and digest == stored_digest(settings, ledger.engine):
        return dg.SkipReason(f"nothing changed since the last look; {reported}")
    try:
        step = ResponseLoop(settings, ledger.engine, context.instance).next_step()
    except AlreadyJudgedError as error:
        return dg.SkipReason(str(error))
    if step.wanted is None:
        # The cursor advances only when nothing is left to do, so that the next tick finds unfinished work again.
        idle = f"{stored_digest(settings, ledger.engine)} {step.message}"[:2_000]
        context.update_cursor(idle if step.is_idle else "")
        return dg.SkipReason(step.message)
    if step.owner != owner:
        return dg.SkipReason(f"{step.message} (requested by the {step.owner} sensor)")
    context.log.info(step.message)
    return ask(context.instance, [step.wanted])


def stored_digest(settings: Settings, engine: Engine) -> str:
    """Digest of everything that the loop reads; while it is unchanged, the last assessment still holds."""
    store = Warehouse(settings.tables, settings.warehouse)
    lists = ListDesigns(store.home, settings.feedback).names()
    content = [
        {table: {key: entry.fingerprint for key, entry in store.manifest(table).items()} for table in _WATCHED},
        [row.seq for row in responses.history(engine, limit=1)],
        [row.id for row in promotions.history(engine, limit=1)],
        open_from(settings.landing),
        *lists,
    ]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]
