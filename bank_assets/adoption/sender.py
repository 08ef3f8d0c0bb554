"""How a file spells what its contract spells otherwise, as a sender's mapping declares it."""

from __future__ import annotations

from collections.abc import Sequence

from bank_assets.adoption.findings import Findings
from bank_assets.contract.columns import UNKNOWN, YES_NO, Column, ColumnRole
from bank_assets.contract.senders import EVERY_COLUMN, Sender
from bank_assets.contract.values import number_text


def sender_of(name: str, columns: Sequence[Column], found: Findings) -> Sender:
    """How the file spells what the contract spells otherwise."""
    values: list[tuple[str, str, str]] = []
    is_varied = False
    for column in columns:
        one = found.facts.get(column.source)
        if one is None or column.role is ColumnRole.CONTACT_ID:
            continue
        if column.role is ColumnRole.TARGET:
            yes = found.outcome.yes.strip().casefold()
            spelled = ((text, YES_NO[text.strip().casefold() == yes]) for text in one.known)
            values += [(one.name, text, word) for text, word in spelled if text != word]
        else:
            is_varied |= bool(column.categories) and not set(one.known) <= set(column.categories)
        meant = UNKNOWN if UNKNOWN in column.categories else ""
        if column.is_number and column.is_input and column.sentinel is not None:
            meant = number_text(column.sentinel)
        where = EVERY_COLUMN if meant == UNKNOWN else one.name
        values += [(where, text, meant) for text in one.missing if text != meant]
    signs = found.signs
    return Sender(
        name, values=tuple(dict.fromkeys(values)), ignore_case=is_varied, date_format=found.date_format,
        decimal_sign=signs.decimal if signs else "", thousands_sign=signs.thousands if signs else "",
    )  # fmt: skip
