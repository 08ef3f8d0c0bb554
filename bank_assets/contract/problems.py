"""What makes columns no contract: names, roles, values and bounds that contradict one another."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from bank_assets.contract.columns import EARLIEST, INT32, Column, ColumnKind, ColumnRole, KnownWhen, is_text_encoding
from bank_assets.contract.errors import LEAKAGE_RULE, ContractError, Problem
from bank_assets.contract.feeds import DISPOSITIONS
from bank_assets.contract.values import is_identifier

if TYPE_CHECKING:
    from bank_assets.contract.contract import Contract

# The three columns that every contract has are called the same in every table.
TABLE_NAMES: Final[dict[str, str]] = {
    ColumnRole.CONTACT_ID: "contact_id",
    ColumnRole.CONTACT_DATE: "contact_date",
    ColumnRole.TARGET: "is_subscribed",
}
# Columns that the platform adds to its tables.
RESERVED: Final = (
    "arrived_at", "arrived_on", "codes", "delivery_arrival", "delivery_sha256", "kind", "known_on", "line", "reasons",
    "was_previously_contacted",
)  # fmt: skip
# Names that every request has.
REQUESTED: Final = ("contact_id", "customer_id", "contact_date", "economics", "cost_eur", "value_eur")
_KNOWN: Final = {
    ColumnRole.CONTACT_ID: KnownWhen.IDENTIFIER,
    ColumnRole.CUSTOMER_ID: KnownWhen.IDENTIFIER,
    ColumnRole.TARGET: KnownWhen.TARGET,
}
_KINDS: Final = {
    ColumnRole.CONTACT_ID: ColumnKind.STRING,
    ColumnRole.CUSTOMER_ID: ColumnKind.STRING,
    ColumnRole.CONTACT_DATE: ColumnKind.DATE,
    ColumnRole.TARGET: ColumnKind.BOOLEAN,
    ColumnRole.CHANNEL: ColumnKind.CATEGORY,
    ColumnRole.ATTEMPTS: ColumnKind.INTEGER,
    ColumnRole.DAYS_SINCE_PREVIOUS: ColumnKind.INTEGER,
}
_SHARED_ROLES: Final = (ColumnRole.CALENDAR, ColumnRole.PREVIOUS_CAMPAIGN)  # several columns may have them
_IDENTIFIER: Final = re.compile(r"[a-z][a-z0-9_]{0,62}")
_MONTH: Final = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")


NAME_LENGTH: Final = 50  # of a contract: its name begins the identifiers of rows that have none


def problems(contract: Contract) -> Iterator[Problem]:
    """Everything that is wrong with a contract."""
    yield from _of_the_whole(contract)
    yield from _of_names(contract)
    yield from _of_roles(contract)
    for column in contract.columns:
        for sentence in (*_of_kind(column), *_of_values(column), *_of_use(column, contract)):
            yield Problem(sentence, column.source)
    yield from _of_statistics(contract)
    for sender in contract.senders:
        yield from map(Problem, sender.problems(contract))
    yield from _of_senders(contract)


def _of_the_whole(contract: Contract) -> Iterator[Problem]:
    if not is_identifier(contract.name) or len(contract.name) > NAME_LENGTH:
        yield Problem(
            f"expected a name of 1 to {NAME_LENGTH} visible characters, found {contract.name!r}; correct or shorten it."
        )
    if not _MONTH.fullmatch(contract.first_month) or contract.first_month < f"{EARLIEST:%Y-%m}":
        expected = f"expected the first month as YYYY-MM, from {EARLIEST:%Y-%m} on"
        yield Problem(f"{expected}, found {contract.first_month!r}; correct it.")
    if not is_text_encoding(contract.encoding):
        yield Problem(
            f"expected an encoding that contains ASCII, like cp1252, found {contract.encoding!r}; correct it."
        )
    try:
        contract.signs()
    except ContractError as error:
        yield Problem(str(error))
    limits = {
        "version": (1, INT32[1]),
        "far_days": (1, 36_500),
        "few_share": (0, 0.5),
        "few_contacts": (1, INT32[1]),
        "not_reached_cost_share": (0, 1),
    }
    for name, (low, high) in limits.items():
        if not low <= (value := getattr(contract, name)) <= high:
            yield Problem(f"expected {name} from {low} to {high}, found {value}; correct it.")
    for sent, meant in contract.dispositions:
        if meant not in DISPOSITIONS or sent in DISPOSITIONS:
            yield Problem(
                f"expected another spelling of {', '.join(DISPOSITIONS)} in dispositions, found {sent!r} for "
                f"{meant!r}; correct it."
            )


def _of_names(contract: Contract) -> Iterator[Problem]:
    for column in contract.columns:
        if odd := [text for text in (column.source, *column.categories) if not _can_be_delivered(text)]:
            yield Problem(
                f"expected names and categories of one line without blanks around them, as fields are trimmed, found "
                f"{odd[:3]}; correct them.",
                column.source,
            )
    for spelling in ("source", "table"):
        names = [getattr(column, spelling) for column in contract.columns]
        for place, name in enumerate(names):
            if name in names[:place]:
                yield Problem(
                    f"expected every {spelling} name once, found {name!r} repeatedly; rename one of the columns.",
                    contract.columns[place].source,
                )


def _can_be_delivered(text: str) -> bool:
    return text != "" and text == text.strip(" \t\v\f") and not set(text) & set("\r\n\0")


def _of_roles(contract: Contract) -> Iterator[Problem]:
    for role in ColumnRole:
        found = [column.source for column in contract.with_role(role)]
        if not found and role in TABLE_NAMES:
            yield Problem(f"expected one column with the role {role}, found none; give the role to the column.")
        if len(found) > 1 and role not in _SHARED_ROLES:
            yield Problem(
                f"expected the role {role} once, found it on {', '.join(found)}; leave it to one of them.", found[1]
            )
    parts = [column.calendar_part for column in contract.with_role(ColumnRole.CALENDAR)]
    for column in contract.with_role(ColumnRole.CALENDAR):
        if not column.calendar_part or parts.count(column.calendar_part) > 1:
            yield Problem(
                "expected at most one calendar column each for day (a whole number), month (12 categories) and "
                f"weekday (5 to 7 categories from Monday on), found {column.calendar_part or column.kind}; correct it.",
                column.source,
            )


def _of_kind(column: Column) -> Iterator[str]:
    role, known = column.role, column.known
    if role in _KINDS and column.kind is not _KINDS[role]:
        yield f"expected the type {_KINDS[role]} for the role {role}, found {column.kind}; correct type or role."
    wanted = _KNOWN.get(role, KnownWhen.PRE_CONTACT) if role else known
    if role and known is not wanted:
        rule = f"{LEAKAGE_RULE}: " if known is KnownWhen.POST_CONTACT else ""
        yield f"{rule}expected {wanted} for the role {role}, found {known}; correct when it is known, or its role."
    if not role and known is KnownWhen.TARGET:
        yield "expected the role target for what is known as the target, found no role; give it the role."
    if role in TABLE_NAMES and column.table != TABLE_NAMES[role]:
        yield f"expected the table name {TABLE_NAMES[role]} for the role {role}, found {column.table!r}; rename it."
    elif not _IDENTIFIER.fullmatch(column.table) or column.table in RESERVED:
        yield (
            "expected a table name of small letters, digits and _ that the platform does not use itself "
            f"({', '.join(RESERVED)}), found {column.table!r}; choose another one."
        )


def _of_values(column: Column) -> Iterator[str]:
    try:
        column.phrase.format("")
    except (ValueError, LookupError, AttributeError):
        yield f"expected a phrase with {{}} for the value, found {column.phrase!r}; correct its braces."
    spellings: dict[str, str] = {}
    for category in column.categories:
        if (same := spellings.setdefault(" ".join(category.split()).casefold(), category)) is not category:
            yield f"expected categories that differ, found {same!r} and {category!r}; keep one of them."
    if column.is_number:
        yield from _of_numbers(column)
        return
    if column.kind in (ColumnKind.CATEGORY, ColumnKind.BOOLEAN) and len(column.categories) < 2:
        yield f"expected at least two categories, found {list(column.categories)}; list every allowed value."
    stated = [value for value, _ in column.words] + ([] if column.default is None else [column.default])
    if column.categories and (unknown := [value for value in stated if value not in column.categories]):
        yield f"expected default and words of its categories, found {unknown}; correct them or add the category."
    if found := [name for name in ("minimum", "maximum", "sentinel") if getattr(column, name) is not None]:
        yield f"expected bounds and a sentinel of numbers only, found {found} of the type {column.kind}; remove them."


def _of_numbers(column: Column) -> Iterator[str]:
    low, high = column.minimum, column.maximum
    if column.categories:
        yield f"expected a number without categories, found {len(column.categories)}; remove them or change the type."
    if low is not None and high is not None and low > high:
        yield f"expected a minimum up to the maximum, found {low} and {high}; exchange them."
    for name in ("minimum", "maximum", "sentinel", "default"):
        value, is_whole = getattr(column, name), column.kind is ColumnKind.INTEGER
        if value is None:
            continue
        if isinstance(value, str) or (is_whole and value != int(value)):
            yield f"expected a {name} of the type {column.kind}, found {value!r}; correct it."
        elif is_whole and not INT32[0] <= value <= INT32[1]:
            yield f"expected a {name} that 32 bits hold, found {value}; make the column a decimal."
        elif not (-math.inf if low is None else low) <= value <= (math.inf if high is None else high):
            yield f"expected a {name} from {low} to {high}, found {value}; correct it or widen the bounds."


def _of_use(column: Column, contract: Contract) -> Iterator[str]:
    if not 1 <= column.since <= contract.version:
        yield (
            f"expected columns up to version {contract.version}, from 1 on, found one since version {column.since}; "
            "correct it, or raise the contract's version."
        )
    yield from _of_default(column)
    if column in contract.payload and column.source in REQUESTED:
        yield f"expected a name that requests do not use otherwise, found {column.source!r}; rename the column."
    if column in contract.payload and not (column.is_number or column.categories):
        yield (
            f"expected numbers or categories as an input, found the type {column.kind}; list its categories, deliver a "
            "number, or say that it is an identifier."
        )
    if strange := [name for name in column.implies if name not in contract.by_source]:
        yield f"expected implied columns of this contract, found {strange}; correct their names."
    if column.role is ColumnRole.DAYS_SINCE_PREVIOUS and column.sentinel is None:
        yield "expected a sentinel that stands for never, found none; state it, for example -1 or 999."
    if column.group and not column.is_input:
        yield f"{LEAKAGE_RULE}: expected a group of the form for inputs only, found {column.group!r}; remove it."
    if column.group and contract.groups and column.group not in contract.groups:
        yield f"expected a group of {', '.join(contract.groups)}, found {column.group!r}; add it to the groups."
    try:
        contract.signs(column)
    except ContractError as error:
        yield str(error)


def _of_default(column: Column) -> Iterator[str]:
    if column.role is ColumnRole.CUSTOMER_ID:
        if column.default is not None:
            yield (
                f"expected no default for the role {column.role}, which would make one person of many, found "
                f"{column.default!r}; leave it out: where no person is named, the contact is one."
            )
    elif column.is_optional and column.default is None:
        yield (
            f"expected a default, since files of versions before {column.since} lack the column, found none; "
            "state the value that stands for them."
        )


def _of_senders(contract: Contract) -> Iterator[Problem]:
    """Senders that are never read, since the first one that fits a file holds."""
    names = [one.name for one in contract.senders]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield Problem(f"expected every sender's name once, found {name!r} repeatedly; rename one of them.")
    every = next((at for at, one in enumerate(contract.senders) if one.files == "*"), len(names))
    for one in contract.senders[every + 1 :]:
        yield Problem(
            f"sender {one.name}: expected it before sender {names[every]}, whose files are *, every file, and which "
            "therefore holds for all of them; exchange the two."
        )


def _of_statistics(contract: Contract) -> Iterator[Problem]:
    features = [one.feature for one in contract.list_statistics]
    for one in contract.list_statistics:
        what = f"list statistic {one.feature}: "
        column = contract.by_source.get(one.column)
        if column is None or one.column not in contract.payload_columns:
            rule = f"{LEAKAGE_RULE}: " if column is not None and not column.is_input else ""
            yield Problem(
                f"{what}{rule}expected a payload column, found {one.column!r}; "
                f"take one of {', '.join(contract.payload_columns)}.",
                one.column if column else "",
            )
        elif unknown := [value for value in one.values if value not in column.categories]:
            yield Problem(f"{what}expected categories of {one.column}, found {unknown}; correct them.", one.column)
        if features.count(one.feature) > 1 or one.feature in contract.by_source or not one.feature.startswith("plan_"):
            yield Problem(f"{what}expected a name of its own that begins with plan_, found {one.feature!r}; rename it.")
