"""Sensors of the response policy: drift and decay.

What lives here: the Dagster side of `bank_assets.loop.response`. What must not: judging (it does).
Called by `bank_assets.sensors.orphaned_runs`.

Two sensors, one loop: the state is a row in the ledger, and whichever sensor looks first judges the days. A fit
is asked for by the sensor it belongs to: covariates alone to drift, everything that outcomes show to performance.
"""

import hashlib
import json
from typing import Any

import dagster as dg
from sqlalchemy import Engine

from bank_assets.jobs import PERFORMANCE, REFIT, SCORING, SEARCH, all_jobs
from bank_assets.ledger import promotions, responses
from bank_assets.ledger.engine import open_ledger
from bank_assets.ledger.responses import AlreadyJudgedError
from bank_assets.loop.deliveries import due_months
from bank_assets.loop.requests import ask, busy
from bank_assets.loop.response import DRIFT, PERFORMED, NextStep, ResponseLoop
from bank_assets.settings import Settings
from bank_assets.store.campaign_files import example_path
from bank_assets.store.registry import Registry
from bank_assets.store.warehouse import Warehouse

_WATCHED = ("contacts", "contacts_validation", "contact_profiles", "outcomes", "contact_scores", "as_of_state")


def stored_digest(settings: Settings, engine: Engine) -> str:
    """What the loop would look at, as one digest: equal ones mean that the last look still holds."""
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
    """One look of a retrain sensor.

    Args:
        settings: deployment.
        owner: `drift` or `performance`: whose runs this sensor asks for.
        context: of the tick; its cursor remembers what was found idle, so that an idle look reads no table.
    """
    waiting = busy(context.instance)
    if waiting is not None:
        return waiting
    due = due_months(settings)
    if due:
        return dg.SkipReason(f"{len(due)} delivered month(s) are not in the tables yet: {', '.join(due[:3])}.")
    engine = open_ledger(settings.ledger_url)
    try:
        return _look(settings, owner, context, engine)
    finally:
        engine.dispose()


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
        # Kept on an idle look only: whatever is wanted has to be looked at again until it is done.
        context.update_cursor(f"{stored_digest(settings, engine)} {step.message}"[:2_000] if step.is_idle else "")
        return dg.SkipReason(step.message)
    if step.owner != owner:
        return dg.SkipReason(f"{step.message} (asked for by the {step.owner} sensor)")
    return _requested(context, step)


def _requested(context: dg.SensorEvaluationContext, step: NextStep) -> dg.SensorResult | dg.SkipReason:
    assert step.wanted is not None
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
    """Both retrain sensors.

    Args:
        settings: deployment.
        status: whether they start by themselves.
    """
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
        """Ask for the refits that covariates alone call for.

        Why not from the drift report's verdict: that compares a month with the training profile for people. The loop
        asks every day, with the model's own recency weights and sampling noise taken off, and answers only if two
        of three days agree, ten days after the last fit and with enough outcomes.
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
        """Ask for what outcomes call for: recalibration, refit, search; and for scores by a new champion.

        Why it does the scores, too: a day can be judged only by what the champion of its day said, so after each
        promotion the days since are scored again before the loop goes on.
        """
        return evaluate(settings, PERFORMED, context)

    return [drift_retrain_sensor, performance_retrain_sensor]
