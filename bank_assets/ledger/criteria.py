"""Whom and what a search or an erasure is about: conditions on single decisions and on rows of lists."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final

from sqlalchemy import ColumnElement, Connection, Engine, Table, and_, false, or_, select, tuple_, union

from bank_assets.ledger.campaign_models import campaign_lists, dispositions, list_rows, subscriptions
from bank_assets.ledger.models import decisions, outcomes, payloads
from bank_assets.ledger.records import CursorError, Decision, FoundRow, RowId, row_of

Conditions = list[ColumnElement[bool]]
# Tables of what came back, whose rows an erasure keeps without a person.
FEEDS: Final = (dispositions, subscriptions, outcomes)


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a search goes on: after a single decision, and after a row; None before the first of either."""

    seq: int | None = None
    row: RowId | None = None

    @classmethod
    def read(cls, text: str | None) -> Cursor:
        """Read what `str` wrote; earlier releases wrote the number of a single decision alone."""
        if text is None:
            return cls()
        seq, tilde, row = text.partition("~")
        found = row_of(row)
        # 18 digits fit a BIGINT whatever they are.
        is_number = seq.isascii() and seq.isdecimal() and len(seq) <= 18
        if not (is_number or (tilde and not seq)) or (tilde and found is None):
            raise CursorError("cursor: expected the `next_cursor` of an earlier page, found another text.")
        return cls(int(seq) if seq else None, found)

    def __str__(self) -> str:
        """As text of at most 66 characters."""
        row = "" if self.row is None else f"~{self.row[0]}.{self.row[1]}"
        return f"{'' if self.seq is None else self.seq}{row}"

    def after(self, one: Decision | FoundRow) -> Cursor:
        """The cursor behind a decision of the page."""
        return Cursor(self.seq, row_of(one.id)) if isinstance(one, FoundRow) else Cursor(one.seq, self.row)


@dataclass(frozen=True, slots=True)
class Person:
    """A customer with the contacts by which the record knows them."""

    customer_id: str
    contact_ids: tuple[str, ...]  # the customer's own id among them

    @classmethod
    def find(cls, connection: Connection, customer_id: str | None) -> Person | None:
        """Look up the contacts of a customer; None for None."""
        if customer_id is None:
            return None
        knowing = (payloads, list_rows, dispositions)
        named = (select(one.c.contact_id).where(one.c.customer_id == customer_id) for one in knowing)
        found = connection.execute(union(*named)).scalars()
        return cls(customer_id, (customer_id, *(one for one in found if one is not None)))

    def rows_in(self, table: Table) -> ColumnElement[bool]:
        """Rows about the person: by customer id, or by contact id alone where no customer is named.

        Each side of the OR has an index, so that either database looks up and does not scan.
        """
        if "contact_id" not in table.c:
            return table.c.customer_id == self.customer_id
        if "customer_id" not in table.c:
            return table.c.contact_id.in_(self.contact_ids)
        is_contact = and_(table.c.contact_id.in_(self.contact_ids), table.c.customer_id.is_(None))
        return or_(table.c.customer_id == self.customer_id, is_contact)


@dataclass(frozen=True, slots=True)
class Whose:
    """Whose rows an erasure takes out of files: a contact's, those of a customer's contacts, or all before a day."""

    contact_ids: frozenset[str] = frozenset()
    customer_id: str | None = None
    before: str = ""  # ISO day

    @classmethod
    def find(
        cls, engine: Engine, *, contact_id: str | None, customer_id: str | None, decided_before: date | None
    ) -> Whose:
        """Look up the contacts of a customer, which must not be erased yet."""
        with engine.connect() as connection:
            person = Person.find(connection, customer_id)
        ids = person.contact_ids if person else filter(None, [contact_id])
        return cls(frozenset(ids), customer_id, decided_before.isoformat() if decided_before else "")

    @property
    def ids(self) -> frozenset[str]:
        """Every identifier."""
        return self.contact_ids | {self.customer_id} if self.customer_id is not None else self.contact_ids

    def is_of(self, contact_id: str, customer_id: str) -> bool:
        """Whether a row is theirs; lists without a customer repeat the contact, or leave it empty."""
        if self.customer_id is None or customer_id in ("", contact_id):
            return contact_id in self.contact_ids
        return customer_id == self.customer_id


def on_singles(
    contact_id: str | None,
    person: Person | None,
    since: str | None,
    until: str | None,
    **equal: str | None,
) -> Conditions:
    """Conditions of a search on single decisions."""
    where = [decisions.c[name] == value for name, value in equal.items() if value is not None]
    if contact_id is not None:
        where.append(payloads.c.contact_id == contact_id)
    if person is not None:
        where.append(decisions.c.id.in_(select(payloads.c.decision_id).where(person.rows_in(payloads))))
    # The index on ids narrows the search (an id is made within a second of its decision); the time then decides.
    if since is not None:
        where += [decisions.c.id >= _id_at(since, -1), decisions.c.decided_at >= since]
    if until is not None:
        where += [decisions.c.id < _id_at(until, +1), decisions.c.decided_at < until]
    return where


def on_rows(
    contact_id: str | None,
    person: Person | None,
    since: str | None,
    until: str | None,
    **equal: str | None,
) -> Conditions:
    """The same conditions on rows of lists."""
    columns = {
        "batch_id": list_rows.c.list_id,
        "actor": campaign_lists.c.actor,
        "model_version": campaign_lists.c.model_version,
    }
    where = [columns[name] == value for name, value in equal.items() if value is not None and name in columns]
    if contact_id is not None:
        where.append(list_rows.c.contact_id == contact_id)
    if person is not None:
        where.append(person.rows_in(list_rows))
    if (decision := equal["decision"]) is not None:
        where.append(list_rows.c.is_called == (decision == "call"))
    if since is not None:
        where.append(campaign_lists.c.created_at >= since)
    if until is not None:
        where.append(campaign_lists.c.created_at < until)
    return where


def _id_at(moment: str, seconds: int) -> str:
    """The smallest id of a time, moved by some seconds; "" or "g" where no id can be smaller or larger."""
    at = datetime.fromisoformat(moment)
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
    milliseconds = int(at.timestamp() * 1_000) + seconds * 1_000
    if milliseconds < 0:
        return ""
    digits = f"{milliseconds:012x}"
    return f"{digits[:8]}-{digits[8:]}" if len(digits) == 12 else "g"


def to_erase(
    contact_id: str | None, person: Person | None, decided_before: date | None, decision_id: str | None
) -> dict[Table, Conditions]:
    """Conditions on payloads, on rows of lists, and on what came back from calls and from the books."""
    about: dict[Table, Conditions] = {table: [] for table in (payloads, list_rows, *FEEDS)}
    for table, where in about.items():
        if contact_id is not None:
            where.append(table.c["contact_id" if "contact_id" in table.c else "customer_id"] == contact_id)
        if person is not None:
            where.append(person.rows_in(table))
    if decision_id is not None:
        about[payloads].append(payloads.c.decision_id == decision_id)
        about[list_rows].append(tuple_(list_rows.c.list_id, list_rows.c.row) == (row_of(decision_id) or ("", 0)))
    if decided_before is not None:
        midnight = _midnight(decided_before)
        decided = select(decisions.c.id).where(decisions.c.decided_at < midnight)
        about[payloads].append(payloads.c.decision_id.in_(decided))
        lists = select(campaign_lists.c.id).where(campaign_lists.c.created_at < midnight)
        about[list_rows].append(list_rows.c.list_id.in_(lists))
    for table in FEEDS:
        of_feed: Conditions = [table.c.salt.is_not(None) | table.c.person_hash.is_(None)]  # not erased yet
        if decision_id is not None:
            of_feed.append(false() if table is not outcomes else outcomes.c.decision_id == decision_id)
        if decided_before is not None:
            of_feed.append(table.c.recorded_at < midnight)
        about[table] += of_feed
    if not about[payloads]:
        raise ValueError(
            "expected contact_id, customer_id, decision_id or decided_before, found none; say whose data to erase."
        )
    return about


def _midnight(decided_before: date) -> str:
    today = datetime.now(UTC).date()
    if decided_before > today:
        raise ValueError(
            f"decided_before: expected today ({today}, UTC) or an earlier day, found {decided_before}; "
            "every decision lies before a future day, so all of them would be erased."
        )
    # Times in the columns have one width and are UTC, so text comparison with a midnight in that form is correct.
    return f"{decided_before.isoformat()}T00:00:00.000000Z"
