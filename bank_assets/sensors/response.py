"""Sensors of the response policy: drift and performance.

Both drive one loop (`loop.response`), whose state is a row in the ledger; the first sensor to tick judges the days. A
fit is requested by the sensor it belongs to: drift for covariates alone, performance for what outcomes show.
"""

import hashlib
import json
from typing import Any

import dagster as dg
from sqlalchemy import Engine

from bank_assets.jobs import PERFORMANCE, REFIT, SCORING, SEARCH, all_jobs
from bank_assets.ledger import promotions, responses
from bank_assets.ledger.engine import opened_ledger
from bank_assets.ledger.responses import AlreadyJudgedError
from bank_assets.loop.deliveries import due_months
from bank_assets.loop.requests import ask, busy
from bank_assets.loop.response import DRIFT, PERFORMED, ResponseLoop
from bank_assets.settings import Settings
from bank_assets.store.campaign_files import example_path
from bank_assets.store.registry import Registry
from bank_assets.store.warehouse import Warehouse

_WATCHED = ("contacts", "contacts_validation", "contact_profiles", "outcomes", "contact_scores", "as_of_state")


def stored_digest(settings: Settings, engine: Engine) -> str:
    """Digest of everything that the loop reads; while it is unchanged, the last assessment still holds."""
    store = Warehouse(settings.warehouse)
    example = example_path(settings.landing)
    content = [
        {table: {key: entry.fingerprint for key, entry in store.manifest(table).items()} for table in _WATCHED},
        [row.seq for row in responses.history(engine, limit=1)],
        [row.id for row in promotions.history(engine, limit=1)],
        example.stat().st_mtime_ns if example.is_file() else 0,
    ]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]


def evaluate(settings: Settings, owner: str, context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    """One tick of a retrain sensor; `owner` (`drift` or `performance`) says whose runs it requests.

    The cursor remembers the state that was found idle, so that an idle tick reads no table.
    """
    waiting = busy(context.instance)
    if waiting is not None:
        return waiting
    due = due_months(settings)
    if due:
        return dg.SkipReason(f"{len(due)} delivered month(s) are not in the tables yet: {', '.join(due[:3])}.")
    with opened_ledger(settings.ledger_url) as engine:
        return _look(settings, owner, context, engine)


def _look(
    settings: Settings, owner: str, context: dg.SensorEvaluationContext, engine: Engine
) -> dg.SensorResult | dg.SkipReason:
    digest, _, reported = (context.cursor or "").partition(" ")
    if digest and digest == stored_digest(settings, engine):
        return dg.SkipReason(f"nothing changed since the last look; {reported}")
    try:
        step = response_loop_of(settings, engine, context.instance).next_step()
    except AlreadyJudgedError as error:
        return dg.SkipReason(str(error))
    if step.wanted is None:
        # The cursor advances only when nothing is left to do, so that the next tick finds unfinished work again.
        context.update_cursor(f"{stored_digest(settings, engine)} {step.message}"[:2_000] if step.is_idle else "")
        return dg.SkipReason(step.message)
    if step.owner != owner:
        return dg.SkipReason(f"{step.message} (requested by the {step.owner} sensor)")
    requests = ask(context.instance, [step.wanted])
    if isinstance(requests, dg.SkipReason):
        return requests
    context.log.info(step.message)
    return dg.SensorResult(run_requests=requests)


def response_loop_of(settings: Settings, engine: Engine, instance: dg.DagsterInstance) -> ResponseLoop:
    """The loop of a deployment."""
    registry = Registry(settings.mlflow_uri, settings.mlflow_artifacts, settings.home / "models")

    def decision_of(version: str) -> dict[str, Any]:
        return dict(json.loads(registry.bundle(version)["decision.json"]))

    return ResponseLoop(settings, engine, instance, decision_of)


def response_sensors(settings: Settings, status: dg.DefaultSensorStatus) -> list[dg.SensorDefinition]:
    """Both retrain sensors."""
    jobs = [job for job in all_jobs() if job.name in (PERFORMANCE, REFIT, SEARCH, SCORING)]

    @dg.sensor(
        name="drift_retrain_sensor",
        job_name=REFIT,
        minimum_interval_seconds=settings.sensor_seconds,
        default_status=status,
        description="The mix of the customers moved away from what the champion learned from: refits its recipe.",
        tags={"bank/workflow": "response", "bank/evidence": "covariates"},
    )
    def drift_retrain_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        """Request the refits that covariates alone justify.

        The drift report's verdict does not trigger refits: it compares whole months with the training profile, for
        people.
        The loop assesses every day with the model's own recency weights and without sampling noise. It responds only if
        two of
        three days agree, ten days after the last fit and with enough outcomes.
        """
        return evaluate(settings, DRIFT, context)

    @dg.sensor(
        name="performance_retrain_sensor",
        jobs=jobs,
        minimum_interval_seconds=settings.sensor_seconds,
        default_status=status,
        description="Outcomes matured: publishes the recalibrated state; refits, searches or stops on decay.",
        tags={"bank/workflow": "response", "bank/evidence": "outcomes"},
    )
    def performance_retrain_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        """Request what outcomes justify: recalibration, refit, search, and scores by a new champion.

        A day can be judged only by what the champion of that day said. After each promotion the days since are
        therefore
        scored again before the loop goes on.
        """
        return evaluate(settings, PERFORMED, context)

    return [drift_retrain_sensor, performance_retrain_sensor]
