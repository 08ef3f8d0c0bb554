"""From a list on record to its page."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final
from urllib.parse import urlencode

from bank_assets.contract.columns import NumberSigns
from bank_assets.contract.names import CALLS, HOLDOUT
from bank_assets.core.campaigns.life import ALLOWED, Action
from bank_assets.core.economics.calling_hours import WEEK
from bank_assets.core.words import pct
from bank_assets.ledger.campaigns import ERASED, CampaignList
from bank_assets.ledger.events import Event
from bank_assets.ledger.list_life import CLOSED, EXPORTED, WITHDRAWN
from bank_assets.reports.formats import amount_text, count, eur
from bank_assets.store.list_states import ListState
from serving.campaigns.form import FIELDS, fields_of
from serving.campaigns.list_view_models import CallListView, ListEvent, ListTable
from serving.campaigns.lists import Lists, open_list
from serving.campaigns.view_models import PlanForm
from serving.feeds.view_models import DispositionsView
from serving.web.templating import words
from serving.web.view_models import WATCH, Notice

NO_LIMIT: Final = "none"
_TEXTS: Final = {
    EXPORTED: "exported ({group})",
    ERASED: "rows of erased customers were removed from its file ({group})",
    WITHDRAWN: "withdrawn: {reason}",
    CLOSED: "closed: {reason}",
}


def list_table(lists: Lists, text: str = "", before: str = "", limit: int = 50) -> ListTable:
    """A part of the lists on record; see `Lists.find`."""
    found = lists.find(text, before, limit + 1)
    return ListTable(found[:limit], text, found[limit - 1].kept.id if len(found) > limit else "")


def open_list_notice(state: ListState, form: PlanForm) -> Notice:
    """That another list of a plan's file is open, and where to go on."""
    list_id, found = state.kept.id, "Another list of this file is open"
    if state.record.stage not in ALLOWED[Action.REVISE]:
        return Notice(WATCH, found, open_list(state), f"/campaign/lists/{list_id}", "See the list")
    fields = {"list": form.list_key, **{name: getattr(form, name) for name in FIELDS}, "revises": list_id}
    return Notice(WATCH, found, open_list(state), f"/campaign?{urlencode(fields)}", "Plan its revision")


def list_view(
    state: ListState, signs: NumberSigns, reported: DispositionsView, *, has_file: bool, files: Collection[str]
) -> CallListView:
    """Arrange a list; `files` are the keys of the files of customers that are kept."""
    kept, record = state.kept, state.record
    key = str(kept.request.get("list_key", ""))
    fields = fields_of({"learning": {}, **kept.request}, kept.economics, signs)  # earlier releases did not explore
    made = ListEvent(kept.created_at, kept.actor, f"made, replaces list {kept.revises}" if kept.revises else "made")
    return CallListView(
        kept=kept,
        stage=record.stage.text,
        due=record.due,
        actions=[action for action, stages in ALLOWED.items() if record.stage in stages],
        settings=settings_shown(kept),
        history=[made, *(_event(one) for one in state.facts.events if one.kind in _TEXTS)],
        revise="/campaign?" + urlencode({"list": key, **fields, "revises": kept.id}) if key in files else "",
        has_file=has_file,
        replaced_by=state.facts.replaced_by,
        reported=reported,
        refused="",
    )


def _event(event: Event) -> ListEvent:
    group = {HOLDOUT: "customers held out"}.get(event.content.get("group", ""), CALLS)
    return ListEvent(event.at, event.actor, _TEXTS[event.kind].format_map({**event.content, "group": group}))


def settings_shown(kept: CampaignList) -> list[tuple[str, str]]:
    """What a list was made under; earlier releases recorded less."""
    request, economics = kept.request, kept.economics
    days = (request.get("first_day"), request.get("last_day"))
    stated = {
        "Days of the calls": " to ".join(sorted(filter(None, {*days}))),
        "Cost of a call": amount_text(economics.get("cost_eur")),
        "Value of a subscription": amount_text(economics.get("value_eur")),
        "Budget": _limit(eur, request.get("budget_eur")),
        "Capacity": _limit(count, request.get("capacity")),
        "Hold-out": pct(request.get("holdout_share")),
        "Learning budget": _learning(request.get("learning", {})),
        "Contact rules": _rules(request.get("rules", {})),
        "Contact policy": _policy(request.get("contact_policy", {})),
        "Calling hours": _hours(request.get("contact_policy", {}).get("hours")),
        "Seed of the draws": str(request.get("holdout_seed", "")),
        "Data up to": str(request.get("as_of", "")),
        "Rejected rows": count(request.get("rows_rejected")),
        "SHA-256 of the contacts": str(request.get("file_sha256", "")),
        "SHA-256 of the objections": str(request.get("suppression_sha256", "")),
    }
    return [(name, text) for name, text in stated.items() if text]


def _learning(budget: Mapping[str, Any]) -> str:
    share, minimum, most = (budget.get(name) for name in ("share", "minimum", "maximum_eur"))
    if not (share or minimum):
        return NO_LIMIT
    return f"{pct(share)} of the contacts, at least {count(minimum)} calls" + (f", at most {eur(most)}" if most else "")


def _rules(rules: Mapping[str, Any]) -> str:
    most, days = rules.get("max_contacts_in_campaign"), rules.get("min_days_since_previous_contact")
    stated = [f"at most {count(most)} contacts in a campaign"] if most is not None else []
    stated += [f"at least {count(days)} days since the last contact"] if days is not None else []
    return ", ".join(stated) or NO_LIMIT


def _policy(policy: Mapping[str, Any]) -> str:
    stated = {
        "at_most": "at most {at_most} contacts in {in_days} days",
        "after_refusal": "{after_refusal} days without a call after a refusal",
        "after_subscription": "{after_subscription} days without a call after a subscription",
        "one_open_list": "one open list for each customer",
    }
    return ", ".join(text.format_map(policy) for name, text in stated.items() if policy.get(name))


def _hours(hours: Mapping[str, Any] | None) -> str:
    if not hours:
        return ""
    names = [day.capitalize() for day in WEEK if day in hours["days"]]
    days = {WEEK: "every day", WEEK[:5]: "Mon to Fri"}.get(tuple(map(str.lower, names)), ", ".join(names))
    zone = (
        f"{hours['zone']}, or in the zone of the customer's {words(hours['column'])}"
        if hours["column"]
        else hours["zone"]
    )
    return f"{hours['first']} to {hours['last']}, {days}, in {zone}; the file states them for each call"


def _limit(write: Any, value: Any) -> str:
    return NO_LIMIT if value is None else str(write(value))
