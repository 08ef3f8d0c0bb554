"""The header of a delivery: which families of files there are, what each must hold, and how a misfit is refused.

What lives here: `DeliveryKind`, the understood `Header`, and `DeliveryRefused` with its three-part message.
What must not: rows and files (see `delivery_file`).
Called by the delivery scan and by whoever checks a file before it is landed.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from bank_assets.contract.contract import ARRIVED_AT, Contract
from bank_assets.contract.errors import ContractError
from bank_assets.contract.reading import Head

_OTHER_DELIMITERS: Final = {"\t": "a tab", "|": "|", ":": ":", "^": "^", "~": "~"}
_LINE_SAMPLE: Final = 80


class DeliveryRefused(ContractError):  # noqa: N818 - says what happened to the delivery
    """A delivered file as a whole cannot be used; nothing of it entered the warehouse.

    Attributes:
        name: the file.
        expected: what the contract expects.
        found: what the file has.
        to_do: what the sender should do.
    """

    def __init__(self, name: str, *, expected: str, found: str, to_do: str) -> None:
        self.name, self.expected, self.found, self.to_do = name, expected, found, to_do
        super().__init__(f"{name}: expected {expected}, found {found}; {to_do}.")


@dataclass(frozen=True, slots=True)
class DeliveryKind:
    """A family of deliveries with one header.

    Attributes:
        name: folder under `landing/`.
        columns: the header as a set; order is free.
        date_column: the column that gives a row its month.
        first_month: first month of the time axis, `YYYY-MM`; a row dated before it is a stray.
        optional: columns that a file may lack, since an earlier version of the contract did.
        with_time: True if the date column may carry a time of day after the day.
        is_past: True if the day cannot lie after the arrival (campaigns are planned ahead).
    """

    name: str
    columns: tuple[str, ...]
    date_column: str
    first_month: str
    optional: tuple[str, ...] = ()
    with_time: bool = False
    is_past: bool = True


KINDS: Final = ("contacts", "outcomes", "campaigns")
"""Names of the families, folders under `landing/`."""


@lru_cache(maxsize=8)
def delivery_kinds(contract: Contract) -> dict[str, DeliveryKind]:
    """The families of deliveries under a contract, by name."""
    date, first, optional = contract.contact_date.source, contract.first_month, contract.optional_columns
    kinds = (
        DeliveryKind("contacts", contract.delivery_columns, date, first, optional),
        DeliveryKind("outcomes", contract.outcome_columns, ARRIVED_AT, first, with_time=True),
        DeliveryKind("campaigns", contract.campaign_columns, date, first, optional, is_past=False),
    )
    return {kind.name: kind for kind in kinds}


@dataclass(frozen=True, slots=True)
class Header:
    """The understood first line of a delivery.

    Attributes:
        columns: names in file order.
        delimiter: `;` or `,`.
        date_index: position of the kind's date column.
    """

    columns: tuple[str, ...]
    delimiter: str
    date_index: int


def read_header(head: Head, kind: DeliveryKind, name: str) -> Header:
    """Understand a header line and compare it with the contract.

    Args:
        head: the first lines of the file.
        kind: the family the file was delivered as.
        name: file name for the message.

    Returns:
        Columns in file order, the delimiter, the position of the date.

    Raises:
        DeliveryRefused: empty, not text, another delimiter, or columns missing, extra or named twice.
    """
    wanted = f"the columns {', '.join(kind.columns)} separated by ; or ,"
    text, delimiter, columns = head.text, head.delimiter, head.columns
    if "\x00" in text or text.startswith("\ufffd\ufffd"):
        raise DeliveryRefused(
            name,
            expected="text in UTF-8 or Latin-1",
            found="UTF-16 or binary content",
            to_do="export the file as CSV in UTF-8 and deliver it again",
        )
    if len(columns) < 2:
        other = next((label for sign, label in _OTHER_DELIMITERS.items() if sign in text), None)
        found = f"fields separated by {other}" if other else f"a first line of one field, {text[:_LINE_SAMPLE]!r}"
        raise DeliveryRefused(name, expected=wanted, found=found, to_do="use ; or , and deliver it again")
    if not set(columns) & set(kind.columns):
        raise DeliveryRefused(
            name,
            expected=f"a header line with {wanted}",
            found=f"no header: the first line begins {text[:_LINE_SAMPLE]!r}",
            to_do="put the column names in the first line and deliver it again",
        )
    problems = {
        "missing": [c for c in kind.columns if c not in columns and c not in kind.optional],
        "extra": [c for c in dict.fromkeys(columns) if c not in kind.columns],
        "named twice": [c for c, count in Counter(columns).items() if count > 1],
    }
    found = "; ".join(f"{what}: {', '.join(repr(c) for c in names)}" for what, names in problems.items() if names)
    if found:
        to_do = "correct the header and deliver the file again"
        if kind.name == "contacts" and problems["missing"] == ["contact_id", "contact_date"]:
            to_do = (
                "add contact_id and contact_date (YYYY-MM-DD) to every row and deliver it again; only the whole "
                "UCI file may lack them, and it is given through BANK_SOURCE instead of the landing folder"
            )
        raise DeliveryRefused(name, expected=wanted, found=found, to_do=to_do)
    return Header(columns, delimiter, columns.index(kind.date_column))
