"""The calls of a list that may be made now: whoever must not be called any more is left out and named.

The list on record stays. Downloads hold these calls, and so do the files of the pipeline, which lie ready.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Engine

from bank_assets.core.economics.contact_policy import ContactPolicy
from bank_assets.core.economics.suppression import RULE_TEXTS, SUPPRESSED, SuppressionList
from bank_assets.ledger import list_life
from bank_assets.ledger.campaigns import CampaignList
from bank_assets.store.call_lists import CallListFiles, CsvRows
from bank_assets.store.contact_history import ListInQuestion, history_of


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


def calls_now(
    ledger: Engine, policy: ContactPolicy, objections: SuppressionList, kept: CampaignList, content: bytes
) -> Export:
    """The calls of a list's file that objections and contact policy still allow."""
    rows = CsvRows.of(content)
    left_out, is_allowed = _left_out(ledger, policy, objections, kept, rows)
    return Export(b"".join(rows.only(is_allowed)), left_out, sum(is_allowed))


def _left_out(
    ledger: Engine, policy: ContactPolicy, objections: SuppressionList, kept: CampaignList, rows: CsvRows
) -> tuple[list[LeftOut], list[bool]]:
    """The calls that must not be made any more, and for each row whether its call may."""
    ids, persons, days = rows.contact_id, rows.person, rows.contact_date
    about = ListInQuestion(kept.name, kept.id)
    found = policy.check(persons, days, history_of(ledger, policy, persons, days, about))
    left_out, is_allowed = list[LeftOut](), list[bool]()
    for row, both in enumerate(zip(ids, persons, strict=True)):
        rule, until = (SUPPRESSED, "") if objections.covers(*both) else (str(found.rule[row]), str(found.until[row]))
        is_allowed.append(not rule)
        if rule:
            left_out.append(LeftOut(ids[row], rule, "" if until == "NaT" else until))
    return left_out, is_allowed


def refresh(
    ledger: Engine, policy: ContactPolicy, objections: SuppressionList, files: CallListFiles, lists: list[CampaignList]
) -> None:
    """Let the files of lists that lie ready hold the calls that may be made now; a list that ended has none."""
    with ledger.connect() as connection:
        ended = list_life.ended(connection, [one.id for one in lists])
    for one in lists:
        name = one.content_path or ""
        if one.id in ended:
            files.offer(name, None)
        elif (made := files.path(name)) is not None:
            rows = CsvRows.of(made)
            files.offer(name, rows.only(_left_out(ledger, policy, objections, one, rows)[1]))
