"""The export of a call list: whoever must not be called any more is left out and named; the list on record stays."""

from __future__ import annotations

import csv
import hashlib
import io
from collections import Counter
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from sqlalchemy import Engine

from bank_assets.contract.values import plain_identifier
from bank_assets.core.economics.contact_policy import ContactPolicy
from bank_assets.core.economics.suppression import CUSTOMER_ID, RULE_TEXTS, SUPPRESSED
from bank_assets.ledger.campaigns import CampaignList
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
        head, *rows = csv.reader(io.StringIO(content.decode()))
        place = {name: at for at, name in enumerate(head)}
        ids = [plain_identifier(row[place["contact_id"]]) for row in rows]
        named = [plain_identifier(row[place[CUSTOMER_ID]]) for row in rows] if CUSTOMER_ID in place else ids
        persons = [person or own for person, own in zip(named, ids, strict=True)]
        request = kept.request
        seed, file = str(request.get("holdout_seed", "")), str(request.get("file_sha256", ""))
        about = ListInQuestion(kept.name, kept.actor, seed, file, kept.id)
        days = [row[place["contact_date"]] for row in rows]
        found = self.policy.check(persons, days, history_of(self.ledger, self.policy, persons, days, about))
        listed, left_out = self.suppressions.read(), []
        top, *lines = content.split(b"\r\n")
        allowed = [top]
        for row, both in enumerate(zip(ids, persons, strict=True)):
            if listed.covers(*both):
                left_out.append(LeftOut(ids[row], SUPPRESSED, ""))
            elif rule := str(found.rule[row]):
                left_out.append(LeftOut(ids[row], rule, "" if np.isnat(found.until[row]) else str(found.until[row])))
            else:
                allowed.append(lines[row])
        return Export(b"\r\n".join([*allowed, b""]), left_out, len(allowed) - 1)
