"""The header of a delivery: which families of files there are, what each must hold, and how a misfit is refused.

What lives here: `DeliveryKind`, the understood `Header`, and `DeliveryRefused` with its three-part message.
What must not: rows and files (see `delivery_file`).
Called by the delivery scan and by whoever checks a file before it is landed.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final

from bank_assets.contract import CAMPAIGN_COLUMNS, DELIVERY_COLUMNS, OUTCOME_COLUMNS, ContractError
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
        with_time: True if the date column may carry a time of day after the day.
        is_past: True if the day cannot lie after the arrival (campaigns are planned ahead).
    """

    name: str
    columns: tuple[str, ...]
    date_column: str
    with_time: bool = False
    is_past: bool = True


CONTACTS: Final = DeliveryKind("contacts", DELIVERY_COLUMNS, "contact_date")
OUTCOMES: Final = DeliveryKind("outcomes", OUTCOME_COLUMNS, "arrived_at", with_time=True)
CAMPAIGNS: Final = DeliveryKind("campaigns", CAMPAIGN_COLUMNS, "contact_date", is_past=False)
KINDS: Final = {kind.name: kind for kind in (CONTACTS, OUTCOMES, CAMPAIGNS)}


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
        "missing": [c for c in kind.columns if c not in columns],
        "extra": [c for c in dict.fromkeys(columns) if c not in kind.columns],
        "named twice": [c for c, count in Counter(columns).items() if count > 1],
    }
    found = "; ".join(f"{what}: {', '.join(repr(c) for c in names)}" for what, names in problems.items() if names)
    if found:
        to_do = "correct the header and deliver the file again"
        if kind is CONTACTS and problems["missing"] == ["contact_id", "contact_date"]:
            to_do = (
                "add contact_id and contact_date (YYYY-MM-DD) to every row and deliver it again; only the whole "
                "UCI file may lack them, and it is given through BANK_SOURCE instead of the landing folder"
            )
        raise DeliveryRefused(name, expected=wanted, found=found, to_do=to_do)
    return Header(columns, delimiter, columns.index(kind.date_column))
