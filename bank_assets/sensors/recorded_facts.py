"""Turns recorded facts into alerts: finished runs, month gates, verdicts on models, silence, failing sensors.

`core.alerts.catalogue` has the words and `resources.run_story` reads Dagster; only the refusal folder is read here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from bank_assets.core.alerts import catalogue
from bank_assets.core.alerts.alert import Alert, Episodes
from bank_assets.core.alerts.catalogue import NO_VERDICTS, Occurrence
from bank_assets.core.economics.economics import Economics
from bank_assets.core.response.policy import Evidence
from bank_assets.ledger.promotions import Promotion
from bank_assets.ledger.responses import Judged
from bank_assets.resources.run_story import CheckOutcome, Failing, RunStory

GATE: Final = "contacts_validation"
BLOCKED: Final = "DagsterAssetCheckFailedError"
"""A blocking check stopped the run; the failed gate is reported, so the failed run is not reported as well."""
REFUSED_FILES: Final = "no_delivery_is_refused"
"""Refused files have alerts of their own (`alerts_of_refusals`), sent when they are refused."""


@dataclass(frozen=True, slots=True)
class MonthGate:
    """The validation gate's verdict on a month.

    Attributes:
        errors: why the month is held; empty if it passed.
        rejected: rows of `rows_in` that cannot be used.
        is_over_limit: whether too large a share of the rows is unusable, which is one of the errors.
    """

    month: str
    errors: tuple[str, ...]
    rows_in: int
    rejected: int
    contacts_digest: str
    is_over_limit: bool

    @property
    def is_held_for_rows_alone(self) -> bool:
        """Whether the rejected rows are the only error; then the gate itself is not reported as well."""
        return self.is_over_limit and len(self.errors) == 1


def alerts_of_run(
    story: RunStory, episodes: Episodes, gates: Sequence[MonthGate], reject_limit: float, judged: Judged | None
) -> tuple[Episodes, list[Alert]]:
    """Alerts of a finished run in the order of the stages, and the episodes afterwards.

    `judged` is the newest day that the response policy judged.
    """
    alerts: list[Alert] = []
    episodes = _failure(story, episodes, alerts)
    episodes = _gates(story, episodes, gates, alerts)
    if GATE in story.made:
        alerts += [
            catalogue.rows_rejected(
                _end_of(story), gate.month, gate.rejected, gate.rows_in, reject_limit, gate.contacts_digest
            )
            for gate in gates
            if gate.is_over_limit
        ]
    if story.is_success and story.schedule:
        alerts.append(_digest(story, gates, judged))
    return episodes, alerts


def _end_of(story: RunStory, as_of: str | None = None) -> Occurrence:
    return Occurrence(story.ended_at, story.run_id, as_of)


def _failure(story: RunStory, episodes: Episodes, alerts: list[Alert]) -> Episodes:
    if not story.is_success and (story.will_be_retried or story.error == BLOCKED):
        return episodes
    found = () if story.is_success else (f"{story.failed_step}:{story.error}",)
    episodes, fresh, since = episodes.observe(f"run {story.job}", found, story.run_id)
    if fresh:
        what = (story.job, story.failed_step, story.error, story.message, since)
        alerts.append(catalogue.run_failed(_end_of(story), *what))
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
                catalogue.gate_failed(_end_of(story), check.asset, check.name, check.description, named, since)
            )
    return episodes


def _what_failed(check: CheckOutcome, rows_alone: set[str]) -> tuple[str, ...]:
    """What is wrong, as stable words. Months held for rejected rows alone are reported as rejected rows."""
    if check.is_passed:
        return ()
    if not check.found:
        return (check.name,)
    return tuple(name for name in check.found if name not in rows_alone)


def _digest(story: RunStory, gates: Sequence[MonthGate], judged: Judged | None) -> Alert:
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
    calls = made.get("call_list", {}).get("dagster/row_count")
    if calls is not None:
        lines.append(f"{calls:,} customers on the call lists")
    as_of = made.get("as_of_state", {}).get("as_of")
    evidence = Evidence.from_record(judged.evidence) if judged else None
    when = _end_of(story, str(as_of) if as_of else None)
    return catalogue.nightly_digest(when, story.job, lines, evidence, story.seconds)


def alerts_of_promotions(rows: Iterable[Promotion], run_of: Mapping[str, str]) -> list[Alert]:
    """Alerts of verdicts on models; `run_of` is the Dagster run by judged version, as far as known."""
    return [
        catalogue.model_judged(
            Occurrence(row.at, "" if row.kind in NO_VERDICTS else run_of.get(str(row.to_version), ""), row.as_of),
            row_id=row.id,
            gate=row.kind,
            is_promoted=row.decision == "promoted",
            from_version=row.from_version,
            to_version=row.to_version,
            reasons=row.reasons,
            effect=str(row.evidence.get("effect", "")),
            report=str(row.evidence.get("report", "")),
        )
        for row in rows
    ]


def alerts_of_responses(rows: Iterable[Judged], economics: Economics) -> list[Alert]:
    """Alerts of the response policy."""
    return [
        catalogue.loop_responded(
            Occurrence(row.at, as_of=row.as_of),
            answer=row.action,
            has_violations=bool(row.kinds),
            reasons=row.reasons,
            evidence=Evidence.from_record(row.evidence),
            economics=economics,
            episode_id=row.episode_id,
            seq=row.seq,
        )
        for row in rows
        if row.is_alert
    ]


def alerts_of_failing(found: Sequence[Failing], episodes: Episodes, at: str) -> tuple[Episodes, list[Alert]]:
    """Alerts of sensors and schedules that fail, one per streak, and the episodes afterwards."""
    alerts: list[Alert] = []
    prefix = "automation "
    failing = {f"{prefix}{one.name}": one for one in found}
    for subject in [name for name in episodes.open if name.startswith(prefix) and name not in failing]:
        episodes, _, _ = episodes.observe(subject, (), "")
    for subject, one in failing.items():
        episodes, fresh, since = episodes.observe(subject, ("failing",), one.since)
        if fresh:
            what = (one.name, one.kind, one.error, one.failures, since)
            alerts.append(catalogue.sensor_failing(Occurrence(at), *what))
    return episodes, alerts


def alerts_of_refusals(refused: Path) -> list[Alert]:
    """Alerts of delivered files that were refused; the folder need not exist."""
    alerts = []
    for path in sorted(refused.glob("*.reason.json")):
        text = path.read_bytes()
        reason = json.loads(text)
        when, digest = Occurrence(str(reason["refused_at"])), hashlib.sha256(text).hexdigest()
        what = (str(reason["kind"]), str(reason["name"]), str(reason["expected"]), path.name, digest)
        alerts.append(catalogue.file_refused(when, *what))
    return alerts


def alerts_of_silence(last_arrival: str, delivery: str, limit_days: float, now: datetime) -> list[Alert]:
    """An alert if nothing was delivered for too long (days of wall time)."""
    days = (now - datetime.fromisoformat(last_arrival)).total_seconds() / 86_400
    if days < limit_days:
        return []
    when = Occurrence(now.isoformat(timespec="seconds"))
    return [catalogue.nothing_arrived(when, last_arrival, days, limit_days, delivery)]
