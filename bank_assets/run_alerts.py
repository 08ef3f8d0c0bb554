"""From what is on record to alerts: finished runs, gates of months, verdicts on models, silence, failing sensors.

What lives here: which fact makes which alert, and the episodes they belong to.
What must not: reading Dagster (`resources.run_story`), words (`core.*_alerts`), sending (`resources.notifier`).
Called by the alert sensors. Only the refusal folder is read here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from bank_assets.core import model_alerts, operation_alerts
from bank_assets.core.alerts import Alert, Episodes
from bank_assets.ledger.promotions import Promotion
from bank_assets.ledger.responses import Judged
from bank_assets.resources.run_story import CheckOutcome, Failing, RunStory

GATE: Final = "contacts_validation"
BLOCKED: Final = "DagsterAssetCheckFailedError"
"""A blocking check stopped the run; the gate is told, and a second alert would say the same in worse words."""
REFUSED_FILES: Final = "no_delivery_is_refused"
"""Each refused file is told by itself as soon as it is refused (`alerts_of_refusals`)."""
REJECT_RATE: Final = "reject rate:"
"""How the validation stage begins the error of a month with too many rejected rows."""


@dataclass(frozen=True, slots=True)
class MonthGate:
    """What the validation gate said about a month.

    Attributes:
        month: `YYYY-MM`.
        errors: why it is held; empty if it passed.
        rows_in: rows delivered.
        rejected: of these, not usable.
        contacts_digest: of the month's contacts.
    """

    month: str
    errors: tuple[str, ...]
    rows_in: int
    rejected: int
    contacts_digest: str

    @property
    def is_over_limit(self) -> bool:
        """Whether too many rows were rejected."""
        return any(error.startswith(REJECT_RATE) for error in self.errors)

    @property
    def is_held_for_rows_alone(self) -> bool:
        """Whether nothing else is wrong with it; then the rejected rows are told, and not the gate as well."""
        return bool(self.errors) and all(error.startswith(REJECT_RATE) for error in self.errors)


def alerts_of_run(
    story: RunStory, episodes: Episodes, gates: Sequence[MonthGate], reject_limit: float
) -> tuple[Episodes, list[Alert]]:
    """What a finished run has to tell.

    Args:
        story: the run.
        episodes: open before it.
        gates: verdicts on months in force.
        reject_limit: share of rows that may be rejected, [0, 1].

    Returns:
        Episodes afterwards, and alerts in the order of the stages.
    """
    alerts: list[Alert] = []
    episodes = _failure(story, episodes, alerts)
    episodes = _gates(story, episodes, gates, alerts)
    if GATE in story.made:
        alerts += [
            operation_alerts.rows_rejected(
                gate.month,
                gate.rejected,
                gate.rows_in,
                reject_limit,
                contacts_digest=gate.contacts_digest,
                run_id=story.run_id,
                at=story.ended_at,
            )
            for gate in gates
            if gate.is_over_limit
        ]
    if story.is_success and story.schedule:
        alerts.append(_digest(story, gates))
    return episodes, alerts


def _failure(story: RunStory, episodes: Episodes, alerts: list[Alert]) -> Episodes:
    if not story.is_success and (story.will_be_retried or story.error == BLOCKED):
        return episodes
    found = () if story.is_success else (f"{story.failed_step}:{story.error}",)
    episodes, fresh, since = episodes.observe(f"run {story.job}", found, story.run_id)
    if fresh:
        alerts.append(
            operation_alerts.run_failed(
                story.job,
                story.failed_step,
                story.error,
                story.message,
                since=since,
                run_id=story.run_id,
                at=story.ended_at,
            )
        )
    return episodes


def _gates(story: RunStory, episodes: Episodes, gates: Sequence[MonthGate], alerts: list[Alert]) -> Episodes:
    rows_alone = {gate.month for gate in gates if gate.is_held_for_rows_alone}
    for check in story.checks:
        if not check.is_error or check.name == REFUSED_FILES:
            continue
        found = _what_failed(check, rows_alone)
        episodes, fresh, since = episodes.observe(f"check {check.asset} {check.name}", found, story.run_id)
        if fresh:
            named = () if fresh == (check.name,) else fresh
            alerts.append(
                operation_alerts.gate_failed(
                    check.asset,
                    check.name,
                    check.description,
                    named,
                    since=since,
                    run_id=story.run_id,
                    at=story.ended_at,
                )
            )
    return episodes


def _what_failed(check: CheckOutcome, rows_alone: set[str]) -> tuple[str, ...]:
    """What is wrong, as stable words; months that are held for rejected rows alone are told as such."""
    if check.is_passed:
        return ()
    if not check.found:
        return (check.name,)
    return tuple(name for name in check.found if name not in rows_alone)


def _digest(story: RunStory, gates: Sequence[MonthGate]) -> Alert:
    made, lines = story.made, []
    raw = made.get("raw_contacts", {})
    if "new" in raw:
        refused = len(raw.get("refused", []))
        extra = f", {refused} refused" if refused else ""
        lines.append(f"{raw['new']} new deliveries{extra} (source: {raw.get('source', 'deliveries')})")
    held = [gate.month for gate in gates if gate.errors]
    if gates:
        lines.append(
            f"held at their gate: {', '.join(held[-3:])}" if held else f"all {len(gates)} months passed their gate"
        )
    verdict = made.get("champion_model", {})
    if verdict.get("decision") and not verdict.get("unchanged"):
        lines.append(f"version {verdict.get('challenger')} was {verdict['decision']}")
    state = made.get("as_of_state", {})
    calls = made.get("call_list", {}).get("dagster/row_count")
    if calls is not None:
        lines.append(f"{calls:,} customers on the call lists")
    as_of = state.get("as_of")
    return operation_alerts.nightly_digest(
        story.job, lines, story.seconds, run_id=story.run_id, as_of=str(as_of) if as_of else None, at=story.ended_at
    )


def alerts_of_promotions(rows: Iterable[Promotion], run_of: Mapping[str, str]) -> list[Alert]:
    """What the gates decided.

    Args:
        rows: verdicts, oldest first.
        run_of: Dagster run by version judged, as far as known.
    """
    return [
        model_alerts.verdict_on_model(
            row_id=row.id,
            kind=row.kind,
            decision=row.decision,
            from_version=row.from_version,
            to_version=row.to_version,
            reasons=row.reasons,
            effect=str(row.evidence.get("effect", "")),
            as_of=row.as_of,
            at=row.at,
            page=str(row.evidence.get("report", "")),
            run_id=run_of.get(str(row.to_version), "") if row.kind not in ("recalibration", "rollback") else "",
        )
        for row in rows
    ]


def alerts_of_responses(rows: Iterable[Judged]) -> list[Alert]:
    """What the response ladder tells people.

    Args:
        rows: judged mornings, oldest first.
    """
    return [
        model_alerts.response(
            row.rung, row.kinds, row.reasons, seq=row.seq, episode_id=row.episode_id, as_of=row.as_of, at=row.at
        )
        for row in rows
        if row.is_alert
    ]


def alerts_of_failing(found: Sequence[Failing], episodes: Episodes, at: str) -> tuple[Episodes, list[Alert]]:
    """Sensors and schedules that fail, told once per streak.

    Args:
        found: those that fail now.
        episodes: open before.
        at: now, ISO.
    """
    alerts: list[Alert] = []
    prefix = "automation "
    failing = {f"{prefix}{one.name}": one for one in found}
    for subject in [name for name in episodes.open if name.startswith(prefix) and name not in failing]:
        episodes, _, _ = episodes.observe(subject, (), "")
    for subject, one in failing.items():
        episodes, fresh, since = episodes.observe(subject, ("failing",), one.since)
        if fresh:
            alerts.append(
                operation_alerts.sensor_failing(one.name, one.kind, one.error, one.failures, since=since, at=at)
            )
    return episodes, alerts


def alerts_of_refusals(refused: Path) -> list[Alert]:
    """Files that cannot be used and lie beside their reasons.

    Args:
        refused: the folder; it need not exist.
    """
    alerts = []
    for path in sorted(refused.glob("*.reason.json")):
        text = path.read_bytes()
        reason = json.loads(text)
        alerts.append(
            operation_alerts.delivery_refused(
                str(reason["kind"]),
                str(reason["name"]),
                str(reason["expected"]),
                reason_file=path.name,
                reason_digest=hashlib.sha256(text).hexdigest(),
                at=str(reason["refused_at"]),
            )
        )
    return alerts


def alerts_of_silence(last_arrival: str, delivery: str, limit_days: float, now: datetime) -> list[Alert]:
    """Whether nothing was delivered for too long.

    Args:
        last_arrival: when the last delivery came, ISO with zone.
        delivery: its identity.
        limit_days: days of wall time allowed.
        now: wall clock.
    """
    days = (now - datetime.fromisoformat(last_arrival)).total_seconds() / 86_400
    if days < limit_days:
        return []
    return [
        operation_alerts.nothing_arrived(
            last_arrival, days, limit_days, delivery=delivery, at=now.isoformat(timespec="seconds")
        )
    ]
