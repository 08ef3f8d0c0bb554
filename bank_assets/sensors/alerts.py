"""Alert sensors: one turns recorded facts into alerts, the other delivers alerts to the channels.

Alerts come from what Dagster, the ledger and the warehouse have recorded, not from calls in assets. A killed run
cannot lose one, a failed asset check is noticed although it triggers no run-failure sensor (dagster #29896), and no
asset waits for a mail server.
"""

import json
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Final

import dagster as dg
from sqlalchemy import Engine

from bank_assets.core.alerts.alert import Alert, Episodes, Occurrence
from bank_assets.core.alerts.campaign_catalogue import list_closed
from bank_assets.core.alerts.catalogue import nothing_arrived
from bank_assets.core.campaigns.life import Stage
from bank_assets.landing.refusals import refusals
from bank_assets.landing.register import read_manifest
from bank_assets.ledger import campaigns, events, feeds, promotions, responses
from bank_assets.resources.ledger import LedgerResource
from bank_assets.resources.notifier import Notifier
from bank_assets.resources.run_story import changed_at, failing_automation, finished_runs, story_of
from bank_assets.sensors.recorded_facts import (
    CAMPAIGN_EVENTS,
    alert_of_promotion,
    alert_of_response,
    alerts_of_event,
    alerts_of_refusals,
    alerts_of_run,
    month_gates,
    new_failures,
)
from bank_assets.settings import Settings
from bank_assets.store.list_states import Known, states_of
from bank_assets.store.warehouse import Warehouse

CURSOR_VERSION: Final = 1
# The first look goes back this far: the first champion is usually made before `make ui` starts the sensors.
FIRST_LOOK_BACK: Final = timedelta(days=7)
# Runs that changed shortly before the newest one seen are read again, because clocks and commits differ.
OVERLAP: Final = timedelta(minutes=10)
# Reading a run over all 31 months took 0.4 s on two busy cores; a sensor has 60 s for an evaluation.
RUNS_PER_LOOK: Final = 20
# Rows of promotions and judged days; a demo over years writes hundreds between two looks.
ROWS_PER_LOOK: Final = 10_000
ALERTS: Final = "alert_sensor"


@dataclass(slots=True)
class AlertCursor:
    """How far the alert sensor has read.

    Attributes:
        runs_after: last change of the newest run seen, ISO.
        seen: ids of the runs seen within the overlap.
        promotion: id of the last promotions row seen.
        response: sequence number of the last judged day seen.
        event: number of the last event about campaigns seen.
        books: day up to which subscriptions were known, ISO, or "".
        episodes: problems that are open and reported.
    """

    runs_after: str
    seen: tuple[str, ...] = ()
    promotion: int = 0
    response: int = 0
    event: int = 0
    books: str = ""
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
class Look:
    """One look of the alert sensor at what is recorded."""

    instance: dg.DagsterInstance
    engine: Engine
    warehouse: Warehouse
    settings: Settings
    cursor: AlertCursor
    now: datetime

    def alerts(self) -> list[Alert]:
        """The alerts since the last look. The cursor moves on; keep it once they are on disk."""
        failing = failing_automation(self.instance, self.now, lambda name: name != ALERTS)
        return [
            *alerts_of_refusals(refusals(self.settings.landing, self.settings.warehouse)),
            *self._runs(),
            *self._responses(),
            *self._promotions(),
            *self._campaigns(),
            *new_failures(failing, self.cursor.episodes),
            *self._silence(),
        ]

    def _runs(self) -> list[Alert]:
        cursor, limit = self.cursor, self.settings.reject_rate_limit
        newest = datetime.fromisoformat(cursor.runs_after)
        found = finished_runs(self.instance, newest - OVERLAP)
        fresh = [run for run in found if run.dagster_run.run_id not in cursor.seen][:RUNS_PER_LOOK]
        if not fresh:
            return []
        gates, judged = month_gates(self.warehouse, limit), responses.latest_day(self.engine)
        stories = [story_of(self.instance, run) for run in fresh]
        alerts = [alert for one in stories for alert in alerts_of_run(one, cursor.episodes, gates, limit, judged)]
        newest = max(newest, *(changed_at(run) for run in fresh))
        looked_at = {*cursor.seen, *(one.run_id for one in stories)}
        recent = [run.dagster_run.run_id for run in found if changed_at(run) > newest - OVERLAP]
        cursor.runs_after, cursor.seen = newest.isoformat(), tuple(one for one in recent if one in looked_at)
        return alerts

    def _responses(self) -> list[Alert]:
        before = self.cursor.response
        rows = responses.history(self.engine, limit=ROWS_PER_LOOK, after=before)[::-1]
        self.cursor.response = rows[-1].seq if rows else before
        reported = [row for row in rows if row.is_alert and (before or self._is_recent(row.at))]
        return [alert_of_response(row, self.settings.economics) for row in reported]

    def _promotions(self) -> list[Alert]:
        before = self.cursor.promotion
        rows = [row for row in promotions.history(self.engine, limit=ROWS_PER_LOOK) if row.id > before][::-1]
        if not rows:
            return []
        self.cursor.promotion, run_of = rows[-1].id, self._runs_by_version()
        return [alert_of_promotion(row, run_of) for row in rows if before or self._is_recent(row.at)]

    def _campaigns(self) -> list[Alert]:
        """Lists made and closed, calls of held-out customers, and objections."""
        before = self.cursor.event
        rows = events.after(self.engine, before, CAMPAIGN_EVENTS, ROWS_PER_LOOK)
        self.cursor.event = rows[-1].seq if rows else before
        reported = [row for row in rows if before or self._is_recent(row.at)]
        return [*(alert for row in reported for alert in alerts_of_event(row, self.engine)), *self._closed()]

    def _closed(self) -> list[Alert]:
        """Lists whose window the subscriptions feed has covered since the last look.

        Only lists that planned days are looked at whose window can end since then: a look must stay short, however many
        lists were ever made.
        """
        before, until = self.cursor.books, feeds.subscriptions_until(self.engine) or ""
        if until <= before:
            return []
        self.cursor.books, days = until, self.settings.attribution_days
        earliest = str(date.fromisoformat(before) - timedelta(days=days)) if before else ""
        planned = [(one, one.request.get("last_day", "")) for one in campaigns.lists(self.engine, ROWS_PER_LOOK)]
        lists = [one for one, last_day in planned if last_day and earliest <= last_day <= until]
        with self.engine.connect() as connection:
            # Whether any call was reported is all that matters here; counting contacts takes long.
            states = states_of(connection, lists, Known(self.now.date(), until, days), lambda _, __, n: (n, ""))
        when = Occurrence(self.now.isoformat(timespec="seconds"), as_of=until)
        return [
            list_closed(when, one.kept.id, one.kept.name, one.record.due)
            for one in states
            if one.record.stage is Stage.CLOSED and not one.record.ended_by and str(one.record.window_ends) > before
        ]

    def _is_recent(self, at: str) -> bool:
        return datetime.fromisoformat(at) > self.now - FIRST_LOOK_BACK

    def _runs_by_version(self) -> dict[str, str]:
        """The run that judged each of the latest versions."""
        found: dict[str, str] = {}
        for event in self.instance.fetch_materializations(dg.AssetKey("champion_model"), limit=50).records[::-1]:
            materialization = event.asset_materialization
            version = materialization.metadata.get("challenger") if materialization else None
            if version is not None:
                found.setdefault(str(version.value), event.run_id)
        return found

    def _silence(self) -> list[Alert]:
        deliveries = read_manifest(self.settings.warehouse)
        if not deliveries:
            return []  # a home without deliveries expects none
        last, limit = deliveries[-1], self.settings.quiet_days
        days = (self.now - datetime.fromisoformat(last.arrived_at)) / timedelta(days=1)
        if days < limit:
            return []
        when = Occurrence(self.now.isoformat(timespec="seconds"))
        return [nothing_arrived(when, last.arrived_at, days, limit, f"{last.arrival}-{last.sha256}")]


def alert_sensor(
    context: dg.SensorEvaluationContext,
    ledger: LedgerResource,
    warehouse: dg.ResourceParam[Warehouse],
    settings: dg.ResourceParam[Settings],
) -> dg.SensorResult:
    """Write the alerts about what was recorded since the last look."""
    now = datetime.now(UTC)
    cursor = AlertCursor.from_json(context.cursor, now)
    alerts = Look(context.instance, ledger.engine, warehouse, settings, cursor, now).alerts()
    # Write the alerts before the cursor moves. After a crash in between they are found again, and their keys prevent
    # duplicates.
    reported = Notifier(settings).log.append(alerts)
    for alert in reported:
        context.log.info("%s: %s", alert.kind, alert.title)
    return dg.SensorResult(
        skip_reason=f"{len(reported)} new alerts; {len(cursor.episodes.open)} open episodes", cursor=cursor.to_json()
    )


def alert_delivery_sensor(context: dg.SensorEvaluationContext, settings: dg.ResourceParam[Settings]) -> dg.SkipReason:
    """Deliver the alerts to the channels, and notice if the alert sensor itself fails."""
    now, notifier = datetime.now(UTC), Notifier(settings)
    episodes = Episodes.from_dict(json.loads(context.cursor)) if context.cursor else Episodes()
    failing = new_failures(failing_automation(context.instance, now, lambda name: name == ALERTS), episodes)
    notifier.log.append(failing)
    context.update_cursor(json.dumps(episodes.to_dict()))
    if not settings.alert_urls:
        return dg.SkipReason("no channel is set (BANK_ALERT_URLS); alerts are in reports/alerts.jsonl and the log")
    progress = notifier.deliver(settings.alert_urls, now=now)
    parts = [
        f"{name}: {one.sent} sent" + (f", {one.failures} failed attempts" if one.failures else "")
        for name, one in progress.items()
    ]
    return dg.SkipReason("; ".join(parts) or "another process is delivering")
