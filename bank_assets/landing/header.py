"""The kinds of deliveries, the header that each must have, and how a file that does not fit is refused."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from bank_assets.contract.contract import ARRIVED_AT, Contract
from bank_assets.contract.errors import ContractError
from bank_assets.contract.feed_rows import header_of
from bank_assets.contract.feeds import DISPOSITION, DISPOSITION_FEED, FEEDS, SUBSCRIPTION_FEED
from bank_assets.contract.other_formats import other_format
from bank_assets.contract.reading import Head
from bank_assets.contract.sent_text import SentText
from bank_assets.store.call_lists import COLUMNS as LIST_COLUMNS

_OTHER_DELIMITERS: Final = {":": ":", "^": "^", "~": "~"}
_LINE_SAMPLE: Final = 80
_ABOVE: Final = "delete what stands above the column names, or write them in the first line, and deliver it again"


class DeliveryRefused(ContractError):  # noqa: N818 - says what happened to the delivery
    """A delivered file cannot be used as a whole; nothing of it was stored as a table."""

    def __init__(self, name: str, *, expected: str, found: str, to_do: str) -> None:
        self.name, self.expected, self.found, self.to_do = name, expected, found, to_do
        super().__init__(f"{name}: expected {expected}, found {found}; {to_do}.")


@dataclass(frozen=True, slots=True)
class DeliveryKind:
    """Deliveries with one header, in one folder."""

    name: str  # folder under `landing/`
    columns: tuple[str, ...]  # the header, in any order
    date_column: str  # the column that gives a row its month
    contract: Contract  # a row dated before its first month is a stray; its senders' spellings are read
    optional: tuple[str, ...] = ()  # columns that a file of an earlier contract version may lack
    with_time: bool = False  # a time of day may follow the day
    encoding: str = "latin-1"  # of text that is not UTF-8
    is_past: bool = True  # the day cannot lie after the arrival, except for campaigns
    far_days: int | None = None  # days without a row behind which a few rows are strays; None for no limit
    few_share: float = 0.0  # largest share of the rows that counts as few
    ignored: tuple[str, ...] = ()  # columns that a file may have besides


KINDS: Final = ("contacts", "outcomes", "campaigns", SUBSCRIPTION_FEED.name)  # folders under `landing/`


@lru_cache(maxsize=8)
def delivery_kinds(contract: Contract) -> dict[str, DeliveryKind]:
    """The kinds of deliveries under a contract, by name."""
    date, optional = contract.contact_date.source, contract.optional_columns
    far, few, encoding = contract.far_days, contract.few_share, contract.encoding
    feeds = (
        # The files of a call list, with what came of each call beside, are dispositions too.
        (DISPOSITION_FEED, tuple(name for name in LIST_COLUMNS if name not in DISPOSITION_FEED.names)),
        (SUBSCRIPTION_FEED, ()),
    )
    kinds = (
        DeliveryKind("contacts", contract.delivery_columns, date, contract, optional, far_days=far, few_share=few),
        DeliveryKind(
            "outcomes", contract.outcome_columns, ARRIVED_AT, contract, with_time=True, far_days=far, few_share=few
        ),
        DeliveryKind(
            "campaigns", contract.campaign_columns, date, contract, optional, is_past=False, far_days=far, few_share=few
        ),
        *(
            DeliveryKind(one.name, one.names, one.day, contract, one.optional, with_time=True, ignored=ignored)
            for one, ignored in feeds
        ),
    )
    return {kind.name: replace(kind, encoding=encoding) for kind in kinds}


def recognized(kind: DeliveryKind, head: Head, sent: SentText) -> tuple[DeliveryKind, Head]:
    """The kind of a file and its head with the contract's names.

    A file among the outcomes that has a disposition and no outcome is one of dispositions.
    """
    columns, of_feed = sent.header(head.columns), header_of(head.columns, sent)
    if kind.name == "outcomes" and DISPOSITION in of_feed and kind.contract.target.source not in columns:
        kind = delivery_kinds(kind.contract)[DISPOSITION_FEED.name]
    return kind, replace(head, columns=of_feed if kind.name in FEEDS else columns)


def check_format(start: bytes, name: str) -> None:
    """Raise `DeliveryRefused` if the first bytes are those of another format, whatever the name says."""
    if found := other_format(start):
        raise DeliveryRefused(name, expected="a CSV file", found=found.found, to_do=f"{found.to_do}, and deliver that")


def check_text(head: Head, name: str) -> None:
    """Raise `DeliveryRefused` if the head of a file is no text that is read here."""
    if "\x00" in head.text or head.text.startswith("\ufffd\ufffd"):
        raise DeliveryRefused(
            name,
            expected="text in UTF-8 or Latin-1",
            found="UTF-16 or binary content",
            to_do="export the file as CSV in UTF-8 and deliver it again",
        )


def check_header(head: Head, kind: DeliveryKind, name: str) -> None:
    """Check a header against the contract; raise `DeliveryRefused` if it does not fit."""
    wanted = f"the columns {', '.join(kind.columns)} separated by ; , | or tabs"
    text, columns = head.text, head.columns
    check_text(head, name)
    if not text.strip():
        raise DeliveryRefused(name, expected=f"a header line with {wanted}", found="an empty first line", to_do=_ABOVE)
    if len(columns) < 2:
        other = next((label for sign, label in _OTHER_DELIMITERS.items() if sign in text), None)
        found = f"fields separated by {other}" if other else f"a first line of one field, {text[:_LINE_SAMPLE]!r}"
        raise DeliveryRefused(name, expected=wanted, found=found, to_do="use ; , | or tabs and deliver it again")
    if not set(columns) & set(kind.columns):
        raise DeliveryRefused(
            name,
            expected=f"a header line with {wanted}",
            found=f"the first line is no header, it begins {text[:_LINE_SAMPLE]!r}",
            to_do=_ABOVE,
        )
    if found := head.faults((*kind.columns, *kind.ignored), (*kind.optional, *kind.ignored)):
        to_do = "correct the header and deliver the file again"
        lacking = [kind.contract.contact_id.source, kind.contract.contact_date.source]
        if kind.name == "contacts" and head.missing(kind.columns, kind.optional) == lacking:
            to_do = (
                f"add {' and '.join(lacking)} (YYYY-MM-DD) to every row and deliver it again; only a whole file in row "
                "order may lack them, if it is given through BANK_SOURCE and the contract says datesFromRowOrder"
            )
        raise DeliveryRefused(name, expected=wanted, found=found, to_do=to_do)
