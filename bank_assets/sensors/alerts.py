"""Alert sensors: one turns recorded facts into alerts, the other delivers alerts to the channels.

Alerts come from what Dagster, the ledger and the warehouse have recorded, not from calls in assets. A killed run
cannot lose one, a failed asset check is noticed although it triggers no run-failure sensor (dagster #29896), and no
asset waits for a mail server.
"""

import json
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import dagster as dg

from bank_assets.checks import load_stage_checks
from bank_assets.core.alerts.alert import Alert, Episodes
from bank_assets.landing.register import read_manifest
from bank_assets.ledger import promotions, responses
from bank_assets.resources.ledger import LedgerResource
from bank_assets.resources.notifier import NotifierResource
from bank_assets.resources.run_story import changed_at, failing_automation, finished_runs, story_of
from bank_assets.resources.store import WarehouseResource
from bank_assets.sensors.recorded_facts import (
    MonthGate,
    alerts_of_failing,
    alerts_of_promotions,
    alerts_of_refusals,
    alerts_of_responses,
    alerts_of_run,
    alerts_of_silence,
)
from bank_assets.settings import Settings
from bank_assets.store.warehouse import Warehouse

CURSOR_VERSION: Final = 1
FIRST_LOOK_BACK: Final = timedelta(days=7)
"""The first look goes back this far: the first champion is usually made before `make ui` starts the sensors."""
OVERLAP: Final = timedelta(minutes=10)
"""Runs that changed shortly before the newest one seen are read again, because clocks and commits differ."""
RUNS_PER_LOOK: Final = 20
"""Reading a run over all 31 months took 0.4 s on two busy cores; a sensor has 60 s for an evaluation."""
ROWS_PER_LOOK: Final = 10_000
"""Rows of promotions and judged days; a demo over years writes hundreds between two looks."""
ALERTS: Final = "alert_sensor"
DELIVERY: Final = "alert_delivery_sensor"


@dataclass(frozen=True, slots=True)
class AlertCursor:
    """How far the alert sensor has read.

    Attributes:
        runs_after: last change of the newest run seen, ISO.
        seen: ids of the runs seen within the overlap.
        promotion: id of the last promotions row seen.
        response: sequence number of the last judged day seen.
        episodes: problems that are open and reported.
    """

    runs_after: str
    seen: tuple[str, ...] = ()
    promotion: int = 0
    response: int = 0
    episodes: Episodes = field(default_factory=Episodes)

    def to_json(self) -> str:
        """JSON for Dagster."""
        return json.dumps({"schema_version": CURSOR_VERSION, **asdict(self), "episodes": self.episodes.to_dict()})

    @classmethod
    def from_json(cls, text: str | None, now: datetime) -> "AlertCursor":
        """Read the cursor; without one, or with one of another release, start some days back.

        Alert keys are derived from content, so nothing is reported twice.
        """
        document = json.loads(text) if text else {}
        if document.pop("schema_version", None) != CURSOR_VERSION:
            return cls((now - FIRST_LOOK_BACK).isoformat())
        seen, episodes = tuple(document["seen"]), Episodes.from_dict(document["episodes"])
        return cls(**{**document, "seen": seen, "episodes": episodes})


@dataclass(frozen=True, slots=True)
class Record:
    """Where the sensor reads."""

    instance: dg.DagsterInstance
    ledger: Any
    warehouse: Warehouse
    settings: Settings


def look(record: Record, cursor: AlertCursor, now: datetime) -> tuple[AlertCursor, list[Alert]]:
    """The alerts since the last look, and the cursor to keep once they are on disk."""
    cursor, alerts = _runs(record, cursor)
    cursor, answers = _answers(record, cursor, now)
    cursor, verdicts = _verdicts(record, cursor, now)
    at = now.isoformat(timespec="seconds")
    others = [state.name for state in record.instance.all_instigator_state() if state.name != ALERTS]
    episodes, failing = alerts_of_failing(failing_automation(record.instance, others), cursor.episodes, at)
    cursor = replace(cursor, episodes=episodes)
    refused = alerts_of_refusals(record.settings.landing / "refused")
    return cursor, [*refused, *alerts, *answers, *verdicts, *failing, *_silence(record, now)]


def _runs(record: Record, cursor: AlertCursor) -> tuple[AlertCursor, list[Alert]]:
    newest = datetime.fromisoformat(cursor.runs_after)
    found = finished_runs(record.instance, newest - OVERLAP)
    fresh = [run for run in found if run.dagster_run.run_id not in cursor.seen][:RUNS_PER_LOOK]
    if not fresh:
        return cursor, []
    descriptions = {
        (spec.asset_key.to_user_string(), spec.name): spec.description or ""
        for check in load_stage_checks()
        for spec in check.check_specs
    }
    gates = month_gates(record.warehouse, record.settings.reject_rate_limit)
    judged = responses.latest_day(record.ledger)
    episodes, alerts = cursor.episodes, []
    for run in fresh:
        story = story_of(record.instance, run, descriptions)
        episodes, reported = alerts_of_run(story, episodes, gates, record.settings.reject_rate_limit, judged)
        alerts += reported
    newest = max(newest, *(changed_at(run) for run in fresh))
    kept = {run.dagster_run.run_id: changed_at(run) for run in found}
    looked_at = {*cursor.seen, *(run.dagster_run.run_id for run in fresh)}
    seen = tuple(run_id for run_id, moment in kept.items() if run_id in looked_at and moment > newest - OVERLAP)
    return replace(cursor, runs_after=newest.isoformat(), seen=seen, episodes=episodes), alerts


def month_gates(warehouse: Warehouse, reject_limit: float) -> list[MonthGate]:
    """Verdicts of the validation gate on the current contacts."""
    contacts = warehouse.manifest("contacts")
    found = []
    for month, entry in warehouse.manifest("contacts_validation").items():
        if month not in contacts or entry.metadata.get("contacts_digest") != contacts[month].digest:
            continue  # the contacts have been replaced since
        counts = contacts[month].metadata["contacts"]
        found.append(
            MonthGate(
                month,
                tuple(entry.metadata["errors"]),
                int(counts["rows_in"]),
                int(counts["rejected"]),
                contacts[month].digest,
                is_over_limit=not entry.metadata["passed"] and entry.metadata["reject_rate"] > reject_limit,
            )
        )
    return found


def _answers(record: Record, cursor: AlertCursor, now: datetime) -> tuple[AlertCursor, list[Alert]]:
    rows = responses.history(record.ledger, limit=ROWS_PER_LOOK, after=cursor.response)[::-1]
    seen = replace(cursor, response=rows[-1].seq if rows else cursor.response)
    recent = rows if cursor.response else [row for row in rows if _is_recent(row.at, now)]
    return seen, alerts_of_responses(recent, record.settings.economics)


def _verdicts(record: Record, cursor: AlertCursor, now: datetime) -> tuple[AlertCursor, list[Alert]]:
    rows = [row for row in promotions.history(record.ledger, limit=ROWS_PER_LOOK) if row.id > cursor.promotion][::-1]
    if not rows:
        return cursor, []
    recent = rows if cursor.promotion else [row for row in rows if _is_recent(row.at, now)]
    alerts = alerts_of_promotions(recent, _runs_by_version(record.instance))
    return replace(cursor, promotion=rows[-1].id), alerts


def _is_recent(at: str, now: datetime) -> bool:
    return datetime.fromisoformat(at) > now - FIRST_LOOK_BACK


def _runs_by_version(instance: dg.DagsterInstance) -> dict[str, str]:
    """The run that judged each of the latest versions."""
    found: dict[str, str] = {}
    for event in instance.fetch_materializations(dg.AssetKey("champion_model"), limit=50).records[::-1]:
        materialization = event.asset_materialization
        version = materialization.metadata.get("challenger") if materialization else None
        if version is not None:
            found.setdefault(str(version.value), event.run_id)
    return found


def _silence(record: Record, now: datetime) -> list[Alert]:
    deliveries = read_manifest(record.settings.warehouse)
    if not deliveries:
        return []  # a home without deliveries expects none
    last = deliveries[-1]
    return alerts_of_silence(last.arrived_at, f"{last.arrival}-{last.sha256}", record.settings.quiet_days, now)


def alert_sensors(settings: Settings, status: dg.DefaultSensorStatus) -> list[dg.SensorDefinition]:
    """Both alert sensors of a deployment."""

    @dg.sensor(
        name=ALERTS,
        minimum_interval_seconds=settings.sensor_seconds,
        default_status=status,
        description="Alerts people: failed runs and gates, rejected rows, responses of the loop, "
        "recalibrations, verdicts on models, failing sensors, missing deliveries, the nightly digest. Writes "
        "reports/alerts.jsonl.",
        tags={"bank/workflow": "alerts"},
    )
    def alert_sensor(
        context: dg.SensorEvaluationContext,
        ledger: LedgerResource,
        warehouse: WarehouseResource,
        notifier: NotifierResource,
        settings: dg.ResourceParam[Settings],
    ) -> dg.SensorResult:
        now = datetime.now(UTC)
        record = Record(context.instance, ledger.engine, warehouse.open(), settings)
        cursor, alerts = look(record, AlertCursor.from_json(context.cursor, now), now)
        # Write the alerts before the cursor moves. After a crash in between they are found again, and their keys
        # prevent duplicates.
        reported = notifier.log.append(alerts)
        for alert in reported:
            context.log.info("%s: %s", alert.kind, alert.title)
        return dg.SensorResult(
            skip_reason=f"{len(reported)} new alerts; {len(cursor.episodes.open)} open episodes",
            cursor=cursor.to_json(),
        )

    @dg.sensor(
        name=DELIVERY,
        minimum_interval_seconds=settings.sensor_seconds,
        default_status=status,
        description="Delivers reports/alerts.jsonl to every channel of BANK_ALERT_URLS; a failing channel is retried "
        "within limits and delays no other. Also reports when the alert sensor itself fails.",
        tags={"bank/workflow": "alerts"},
    )
    def alert_delivery_sensor(
        context: dg.SensorEvaluationContext, notifier: NotifierResource, settings: dg.ResourceParam[Settings]
    ) -> dg.SkipReason:
        now = datetime.now(UTC)
        episodes = Episodes.from_dict(json.loads(context.cursor)) if context.cursor else Episodes()
        failing = failing_automation(context.instance, [ALERTS])
        episodes, alerts = alerts_of_failing(failing, episodes, now.isoformat(timespec="seconds"))
        notifier.log.append(alerts)
        context.update_cursor(json.dumps(episodes.to_dict()))
        if not settings.alert_urls:
            return dg.SkipReason("no channel is set (BANK_ALERT_URLS); alerts are in reports/alerts.jsonl and the log")
        progress = notifier.deliver(settings.alert_urls, now=now)
        parts = [
            f"{name}: {one.sent} sent" + (f", {one.failures} failed attempts" if one.failures else "")
            for name, one in progress.items()
        ]
        return dg.SkipReason("; ".join(parts) or "another process is delivering")

    return [alert_sensor, alert_delivery_sensor]
