"""The export of a call list: whoever must not be called any more is left out and named; the list on record stays."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Engine

from bank_assets.core.economics.contact_policy import ContactPolicy
from bank_assets.core.economics.suppression import RULE_TEXTS, SUPPRESSED
from bank_assets.ledger.campaigns import CampaignList
from bank_assets.store.call_lists import CsvRows
from bank_assets.store.contact_history import ListInQuestion, history_of
from serving.customers.suppressions import Suppressions


class LeftOut(NamedTuple):
    """A call of a list that must not be made any more."""

    contact_id: str
    reason: str  # a key of `RULE_TEXTS`
    until: str  # first day on which no rule excludes the customer, ISO; "" for an objection

    @property
    def text(self) -> str:
        """The reason in words."""
        return RULE_TEXTS[self.reason]


@dataclass(frozen=True, slots=True)
class Export:
    """The calls of a list that may be made now, as CSV, and the others."""

    content: bytes
    left_out: list[LeftOut]
    n_calls: int

    @property
    def facts(self) -> dict[str, Any]:
        """What is put on record of an export: how many calls it holds, and how many it leaves out by which rule."""
        return {
            "n_calls": self.n_calls,
            "left_out": dict(Counter(one.reason for one in self.left_out)),
            "content_digest": hashlib.sha256(self.content).hexdigest(),
        }


@dataclass(frozen=True, slots=True)
class Exporter:
    """Exports call lists."""

    ledger: Engine
    policy: ContactPolicy
    suppressions: Suppressions

    def now(self, kept: CampaignList, content: bytes) -> Export:
        """The calls of a list's file that objections and contact policy still allow; call it in a thread."""
        rows = CsvRows.of(content)
        ids, persons, days = rows.contact_id, rows.person, rows.contact_date
        request = kept.request
        seed, file = str(request.get("holdout_seed", "")), str(request.get("file_sha256", ""))
        about = ListInQuestion(kept.name, kept.actor, seed, file, kept.id)
        found = self.policy.check(persons, days, history_of(self.ledger, self.policy, persons, days, about))
        listed, left_out = self.suppressions.read(), []
        is_allowed = []
        for row, both in enumerate(zip(ids, persons, strict=True)):
            rule, until = (SUPPRESSED, "") if listed.covers(*both) else (str(found.rule[row]), str(found.until[row]))
            is_allowed.append(not rule)
            if rule:
                left_out.append(LeftOut(ids[row], rule, "" if until == "NaT" else until))
        return Export(rows.only(is_allowed), left_out, sum(is_allowed))
