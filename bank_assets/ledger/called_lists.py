"""Which call list a disposition belongs to, and what of a row contradicts the list that it names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, select

from bank_assets.contract.feeds import Disposition
from bank_assets.contract.names import HELD_OUT
from bank_assets.contract.values import found_words
from bank_assets.ledger.campaign_models import campaign_lists, list_rows
from bank_assets.ledger.list_life import given_up


class RowError(ValueError):
    """A row contradicts the list that it names."""


class ListsOf:
    """The lists that hold the contacts of a batch."""

    def __init__(self, connection: Connection, batch: Sequence[Disposition]) -> None:
        ids = {one.contact_id for one in batch}
        query = select(*list_rows.c["list_id", "contact_id", "customer_id", "reason", "is_called"])
        self._rows: dict[str, list[Row[Any]]] = {}
        for row in connection.execute(query.where(list_rows.c.contact_id.in_(ids))):
            self._rows.setdefault(row.contact_id, []).append(row)
        stated = {one.list_id for one in batch if one.list_id} | {r.list_id for of in self._rows.values() for r in of}
        about = select(*campaign_lists.c["id", "created_at", "request"]).where(campaign_lists.c.id.in_(stated))
        # When a list was made, and the day for which it was, ISO; "" if that is not known.
        self._made: dict[str, tuple[str, str]] = {
            row.id: (row.created_at, str(row.request.get("as_of") or "")) for row in connection.execute(about)
        }
        self._given_up = given_up(connection, list(self._made))
        first_rows = select(list_rows.c.list_id).where(list_rows.c.list_id.in_(stated), list_rows.c.row == 1)
        self._indexed = set(connection.execute(first_rows).scalars())  # earlier releases kept no rows of lists

    def _of(self, list_id: str) -> tuple[str, str]:
        return self._made.get(list_id, ("", ""))

    def customer_of(self, one: Disposition, place: Row[Any] | None) -> str | None:
        """The person behind a contact: as the report, else its list, else any list names them."""
        named = (row.customer_id for row in (place, *self._rows.get(one.contact_id, [])) if row is not None)
        return one.customer_id or next(filter(None, named), None)

    def place_of(self, one: Disposition) -> Row[Any] | None:
        """The row of the list that a call belongs to, or None.

        A call that names no list belongs to the newest list, made for a day up to the call and in use, that calls the
        contact, else to the newest that holds it out.
        """
        found = self._rows.get(one.contact_id, [])
        if one.list_id is None:
            concerned = [row for row in found if row.is_called or row.reason == HELD_OUT]
            in_use = [row for row in concerned if row.list_id not in self._given_up]
            earlier = [row for row in in_use if self._of(row.list_id)[1] <= one.day]
            return max(earlier, key=lambda row: (row.is_called, self._of(row.list_id)[0], row.list_id), default=None)
        place = next((row for row in found if row.list_id == one.list_id), None)
        if place is None and one.list_id not in self._made and one.list_id not in self._indexed:
            raise RowError(f"list_id: expected a call list on record, found {found_words(one.list_id)}; correct it")
        if place is None and one.list_id in self._indexed:
            raise RowError(
                f"contact_id: expected a contact of list {one.list_id}, found {found_words(one.contact_id)} (were "
                "leading zeros lost?); correct it, or leave list_id empty for a call outside of the list"
            )
        if one.day < (since := self._of(one.list_id)[1]):
            raise RowError(f"called_at: expected a day from {since} on, for which the list was made, found {one.day}")
        return place
