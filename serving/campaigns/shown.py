"""What a plan that was shown rests on, so that a list is made of that plan or somebody is asked.

A form or a client sends it back with the order to make the list. Values are for people; digests are shortened.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import msgspec
import numpy as np

from bank_assets.core.economics.call_plan import REASON_TEXTS
from bank_assets.core.economics.contact_policy import ContactHistory
from bank_assets.core.economics.suppression import RULE_TEXTS
from bank_assets.reports.formats import count, eur
from serving.campaigns.call_lists import ScoredList
from serving.campaigns.planning import PlannedCampaign
from serving.web.problems import ConflictError
from serving.web.view_models import Table

LABELS: Final = {
    "file": "Contacts (SHA-256)",
    "model": "Model",
    "as_of": "Data up to",
    "settings": "Settings (digest)",
    "excluded": "Excluded by rules",
    "calls": "Calls",
    "cost": "Cost",
    "profit": "Expected profit",
    "customers": "Who is called, and why (digest)",
}
NOT_SHOWN: Final = "not shown"
DIGITS: Final = 12
Shown = dict[str, str]


def shown_of(chosen: ScoredList, planned: PlannedCampaign) -> Shown:
    """What a plan rests on and comes to; two plans agree if all of it is equal."""
    plan, scored = planned.plan, planned.scored
    rules = {reason: n for reason, n in plan.excluded.items() if reason in RULE_TEXTS}
    columns = (scored.contact_date, plan.reason.astype("U24"), plan.propensity, plan.probability)
    return {
        "file": chosen.read.digest[:DIGITS],
        "model": f"version {scored.champion.version} ({scored.champion.digest[:DIGITS]})",
        "as_of": f"{scored.published.as_of} ({scored.published.digest[:DIGITS]})",
        "settings": _digest(repr(replace(planned.settings, history=ContactHistory())).encode()),
        "excluded": ", ".join(f"{count(n)} {REASON_TEXTS[reason]}" for reason, n in rules.items()) or "nobody",
        "calls": count(plan.called.n_calls),
        "cost": eur(plan.called.cost_eur),
        "profit": eur(planned.forecast.profit_eur.expected),
        "customers": _digest("\n".join(plan.contact_id).encode(), *(np.asarray(one).tobytes() for one in columns)),
    }


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b"\n".join(parts)).hexdigest()[:DIGITS]


def read_shown(text: str) -> Shown:
    """What a form sends back; nothing if it sends none."""
    try:
        return msgspec.json.decode(text, type=Shown)
    except msgspec.DecodeError:
        return {}


def changes(shown: Mapping[str, str], now: Mapping[str, str]) -> Table:
    """What is no longer as it was shown: name, shown, now; no rows if nothing changed."""
    rows = [
        [LABELS[name], shown.get(name, NOT_SHOWN), value] for name, value in now.items() if shown.get(name) != value
    ]
    return Table(["", "Shown", "Now"], rows)


def check_shown(shown: Mapping[str, str], now: Mapping[str, str]) -> None:
    """Raise `ConflictError` if a plan is no longer the one that was shown."""
    if changed := changes(shown, now).rows:
        found = "; ".join(f"{name}: {before} is now {after}" for name, before, after in changed)
        raise ConflictError(
            f"list: expected the plan that was shown, found another ({found}). Nothing was made; take the plan again, "
            "and send its `shown` if you agree with it."
        )
