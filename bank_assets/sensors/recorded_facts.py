"""Turns recorded facts into alerts: finished runs, month gates, verdicts on models, refused files.

`core.alerts.catalogue` has the words and `resources.run_story` reads Dagster.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from sqlalchemy import Engine

from bank_assets.checks import load_stage_checks
from bank_assets.core.alerts import campaign_catalogue, catalogue
from bank_assets.core.alerts.alert import Alert, Episodes, Occurrence, few, sentences
from bank_assets.core.economics.economics import Economics
from bank_assets.core.response.policy import Evidence
from bank_assets.ledger import campaigns
from bank_assets.ledger.contact_history import PIPELINE
from bank_assets.ledger.events import Event
from bank_assets.ledger.feeds import HELD_OUT_OF
from bank_assets.ledger.list_life import CLOSED
from bank_assets.ledger.promotions import UNJUDGED, Promotion
from bank_assets.ledger.responses import Judged
from bank_assets.resources.run_story import RunStory
from bank_assets.store.lineage import CONTACTS, GATE
from bank_assets.store.warehouse import Warehouse

# A blocking check stopped the run; the failed gate is reported, so the failed run is not reported as well.
BLOCKED: Final = "DagsterAssetCheckFailedError"
# Refused files have alerts of their own (`alerts_of_refusals`), sent when they are refused.
REFUSED_FILES: Final = "no_delivery_is_refused"
# If no month passes because all are held, these are reported.
NO_MONTH_PASSES: Final = "a_month_passes_its_gate"
MONTHS_HELD: Final = "no_month_is_held"
MADE, OBJECTED, CALLED = "list.made", "suppression.added", "dispositions.recorded"
CAMPAIGN_EVENTS: Final = (MADE, CLOSED, OBJECTED, CALLED)
_REASONS: Final = 3
_MOST_ALIKE: Final = 5  # more files that are refused for one reason at one look are one alert


@dataclass(frozen=True, slots=True)
class MonthGate:
    """The validation gate's verdict on a month.

    Attributes:
        errors: why the month is held; empty if it passed.
        rejected: rows of `rows_in` that cannot be used.
        is_over_limit: whether too large a share of the rows is unusable, which is one of the errors.
        fault: the rule that most rows break, in words.
    """

    month: str
    errors: tuple[str, ...]
    rows_in: int
    rejected: int
    contacts_digest: str
    is_over_limit: bool
    fault: str = ""


def month_gates(warehouse: Warehouse, reject_limit: float) -> list[MonthGate]:
    """Verdicts of the validation gate on the current contacts."""
    contacts = warehouse.manifest(CONTACTS)
    found = []
    for month, entry in warehouse.manifest(GATE).items():
        verdict = entry.metadata
        if month not in contacts or verdict.get("contacts_digest") != contacts[month].digest:
            continue  # the contacts have been replaced since
        counts = contacts[month].metadata["contacts"]
        is_over_limit = not verdict["passed"] and verdict["reject_rate"] > reject_limit
        rows = (int(counts["rows_in"]), int(counts["rejected"]))
        fault = str(verdict.get("commonest_fault", ""))
        errors = tuple(verdict["errors"])
        found.append(MonthGate(month, errors, *rows, contacts[month].digest, bool(is_over_limit), fault))
    return found


def alerts_of_run(
    story: RunStory, episodes: Episodes, gates: Sequence[MonthGate], reject_limit: float, judged: Judged | None
) -> list[Alert]:
    """Alerts of a finished run in the order of the stages; `episodes` are updated.

    `judged` is the newest day that the response policy judged.
    """
    when = Occurrence(story.ended_at, story.run_id)
    alerts: list[Alert] = []
    if story.is_success or not (story.will_be_retried or story.error == BLOCKED):
        found = () if story.is_success else (f"{story.failed_step}:{story.error}",)
        fresh, since = episodes.observe(f"run {story.job}", found, story.run_id)
        if fresh:
            what = (story.job, story.failed_step, story.error, story.message, since)
            alerts.append(catalogue.run_failed(when, *what))
    alerts += _failed_checks(story, when, episodes, gates)
    if GATE in story.made:
        alerts += _rejections(story, when, episodes, gates, reject_limit)
    return [*alerts, _digest(story, gates, judged)] if story.is_success and story.schedule else alerts


def _rejections(
    story: RunStory, when: Occurrence, episodes: Episodes, gates: Sequence[MonthGate], reject_limit: float
) -> list[Alert]:
    """One alert about all months with too many rejected rows that were not reported yet."""
    over = {f"{gate.month} {gate.contacts_digest}": gate for gate in gates if gate.is_over_limit}
    fresh = [over[name] for name in episodes.observe("rows rejected", over, story.run_id)[0]]
    if not fresh:
        return []
    counts = (sum(gate.rejected for gate in fresh), sum(gate.rows_in for gate in fresh))
    digests = ",".join(gate.contacts_digest for gate in fresh)
    worst = max(fresh, key=lambda gate: gate.rejected)
    months = few([gate.month for gate in fresh])
    return [catalogue.rows_rejected(when, months, *counts, reject_limit, digests, fault=worst.fault)]


def _failed_checks(story: RunStory, when: Occurrence, episodes: Episodes, gates: Sequence[MonthGate]) -> list[Alert]:
    # If rejected rows alone hold a month, they are reported and the gate is not.
    rows_alone = {gate.month for gate in gates if gate.is_over_limit and len(gate.errors) == 1}
    alerts: list[Alert] = []
    for (asset, check), failed in story.checks.items():
        if check == REFUSED_FILES or (check == NO_MONTH_PASSES and story.checks.get((asset, MONTHS_HELD))):
            continue
        found = [name for name in failed if name not in rows_alone]
        fresh, since = episodes.observe(f"check {asset} {check}", found, story.run_id)
        if fresh:
            named = () if fresh == (check,) else fresh
            held = [gate for gate in gates if check == MONTHS_HELD and gate.month in fresh]
            reasons = sentences([error for gate in held for error in gate.errors][:_REASONS])
            statement = _statements().get((asset, check), "").strip()
            if reasons:  # they say more than the rest of the description
                statement = " ".join((statement.partition("\n")[0], reasons))
            alerts.append(catalogue.gate_failed(when, asset, check, statement, named, since))
    return alerts


@cache
def _statements() -> dict[tuple[str, str], str]:
    """What each asset check tests, by asset and check."""
    specs = [spec for check in load_stage_checks() for spec in check.check_specs]
    return {(spec.asset_key.to_user_string(), spec.name): spec.description or "" for spec in specs}


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
    when = Occurrence(story.ended_at, story.run_id, str(as_of) if as_of else None)
    return catalogue.nightly_digest(when, story.job, lines, evidence, story.seconds)


def alert_of_promotion(row: Promotion, run_of: Mapping[str, str]) -> Alert:
    """The alert of a row of the promotions; `run_of` is the Dagster run by judged version, as far as known."""
    return catalogue.model_judged(
        Occurrence(row.at, "" if row.kind in UNJUDGED else run_of.get(str(row.to_version), ""), row.as_of),
        row_id=row.id,
        gate=row.kind,
        is_promoted=row.decision == "promoted",
        from_version=row.from_version,
        to_version=row.to_version,
        reasons=row.reasons,
        effect=str(row.evidence.get("effect", "")),
        report=str(row.evidence.get("report", "")),
    )


def alert_of_response(row: Judged, economics: Economics) -> Alert:
    """The alert of a day that the response policy judged."""
    return catalogue.loop_responded(
        Occurrence(row.at, as_of=row.as_of),
        answer=row.action,
        has_violations=bool(row.kinds),
        reasons=row.reasons,
        evidence=Evidence.from_record(row.evidence),
        economics=economics,
        episode_id=row.episode_id,
        seq=row.seq,
    )


def alerts_of_event(event: Event, ledger: Engine) -> list[Alert]:
    """The alerts of an event about campaigns."""
    when = Occurrence(event.at)
    if event.kind == CALLED:
        broken = [campaigns.get_list(ledger, one) for one in event.content.get(HELD_OUT_OF, ())]
        return [campaign_catalogue.holdout_called(when, one.id, one.name) for one in broken if one is not None]
    if event.kind == OBJECTED:
        n_persons = event.content.get("rows", {}).get("suppressions", {}).get("n", 0)
        return [campaign_catalogue.objection_received(when, event.seq, n_persons)]
    made = campaigns.get_list(ledger, event.subject)
    if made is None or (made.actor == PIPELINE and made.revises and event.kind != CLOSED):
        return []  # the first version was reported; the pipeline makes another one every night
    if event.kind == CLOSED:
        due = f"Read what it brought. It was closed early: {event.content['reason']}"
        return [campaign_catalogue.list_closed(when, made.id, made.name, due)]
    return [campaign_catalogue.list_made(when, made.id, made.name, made.summary["called"]["n_calls"])]


def new_failures(failing: Mapping[str, Alert], episodes: Episodes) -> list[Alert]:
    """The alerts about sensors and schedules, by name, that were not sent yet; `episodes` are updated."""
    prefix = "automation "
    for subject in [one for one in episodes.open if one.startswith(prefix) and one[len(prefix) :] not in failing]:
        episodes.observe(subject, (), "")
    return [alert for name, alert in failing.items() if episodes.observe(prefix + name, ("failing",), alert.key)[0]]


def alerts_of_refusals(reasons: Sequence[Mapping[str, str]]) -> list[Alert]:
    """Alerts of files that cannot be used; `reasons` are those of `landing.refusals`."""
    alerts: list[Alert] = []
    of_one_look: dict[tuple[str, str, str], list[Mapping[str, str]]] = {}
    for reason in reasons:
        of_one_look.setdefault((reason["refused_at"], reason["kind"], reason["expected"]), []).append(reason)
    for (at, kind, expected), alike in of_one_look.items():
        if len(alike) > _MOST_ALIKE:
            names, to_do = [reason["name"] for reason in alike], alike[0]["to_do"]
            alerts.append(catalogue.files_unused(Occurrence(str(at)), kind, names, expected, to_do))
    for reason in (one for alike in of_one_look.values() if len(alike) <= _MOST_ALIKE for one in alike):
        when = Occurrence(str(reason["refused_at"]))
        what = (reason["kind"], reason["name"], reason["expected"])
        if moved := reason.get("reason_file"):
            alerts.append(catalogue.file_refused(when, *what, moved, reason["digest"]))
        else:
            alerts.append(catalogue.file_left(when, *what, reason["to_do"], reason["digest"]))
    return alerts
