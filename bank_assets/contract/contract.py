"""`Contract`: the columns of a bank as one immutable value.

Spark schema, row rules, expectations, features, request schema, form, reasons and docs are derived from it, so they
cannot disagree. Model bundles carry its canonical JSON and decision records its digest: each is read by the contract
that it was made under.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from typing import Any

from bank_assets.contract.canonical import DEVIATIONS, affects_rows, canonical_text, parts_of, plain, sha256
from bank_assets.contract.columns import Column, ColumnRole, KnownWhen, ListStatistic, NumberSigns
from bank_assets.contract.errors import LEAKAGE_RULE, ContractError, LeakageError
from bank_assets.contract.feeds import OF_FEEDS
from bank_assets.contract.problems import problems
from bank_assets.contract.senders import Sender

ARRIVED_AT = "arrived_at"  # extra column of outcome deliveries: when the outcome became known


@dataclass(frozen=True, eq=False)
class Contract:
    """The columns of a bank's contacts, and what follows from them.

    Attributes:
        version: whole number that rises with every change of a column, a bound or a table name.
        first_month: first month of the time axis, `YYYY-MM`; a contact dated before it is rejected as a row.
        list_statistics: numbers about a day's whole call list, in the order of the model's inputs.
        decimal_sign: decimal sign of numbers in delivered text, unless a column has its own.
        thousands_sign: thousands sign of numbers in delivered text, "" for none, unless a column has its own.
        dates_from_row_order: whether a source file without contact dates is dated by its calendar columns and order.
        senders: mappings of senders who spell columns or values in their own way; the first that fits a file holds.
        encoding: codec of delivered text that is not UTF-8; it spells ASCII as ASCII does.
        far_days: days without a contact behind which a few contacts are implausible.
        few_share: largest share of a delivery that counts as few.
        few_contacts: in the tables, fewer contacts count as few.
        dispositions: (sent text, disposition) of what call centres write in place of `feeds.DISPOSITIONS`.
        not_reached_cost_share: cost of a call that reached nobody, as a share of the cost of a call.
    """

    name: str
    version: int
    first_month: str
    columns: tuple[Column, ...]
    list_statistics: tuple[ListStatistic, ...] = ()
    groups: tuple[str, ...] = ()
    decimal_sign: str = "."
    thousands_sign: str = ""
    dates_from_row_order: bool = False
    encoding: str = "latin-1"
    far_days: int = 200
    few_share: float = 0.05
    few_contacts: int = 30
    senders: tuple[Sender, ...] = ()
    dispositions: tuple[tuple[str, str], ...] = ()
    not_reached_cost_share: float = 1.0

    def __post_init__(self) -> None:
        if found := list(problems(self)):
            raise ContractError(f"contract {self.name}: {' '.join(map(str, found))}", found)

    def __eq__(self, other: object) -> bool:
        """Contracts are equal if their canonical forms are."""
        return isinstance(other, Contract) and self.digest == other.digest

    def __hash__(self) -> int:
        """Hash of the digest."""
        return hash(self.digest)

    # Look-ups

    @cached_property
    def by_source(self) -> Mapping[str, Column]:
        """Column by its name in deliveries."""
        return {column.source: column for column in self.columns}

    def find(self, name: str) -> Column | None:
        """The column with this delivery or table name, or None."""
        return self.by_source.get(name) or next((one for one in self.columns if one.table == name), None)

    def with_role(self, role: ColumnRole) -> tuple[Column, ...]:
        """All columns of a role."""
        return tuple(column for column in self.columns if column.role is role)

    def role(self, role: ColumnRole) -> Column | None:
        """The column of a role, or None if this contract has none."""
        return next(iter(self.with_role(role)), None)

    @cached_property
    def target(self) -> Column:
        """The outcome that models predict."""
        return self.with_role(ColumnRole.TARGET)[0]

    @cached_property
    def contact_id(self) -> Column:
        """Identifier of a contact."""
        return self.with_role(ColumnRole.CONTACT_ID)[0]

    @cached_property
    def contact_date(self) -> Column:
        """Day of the call."""
        return self.with_role(ColumnRole.CONTACT_DATE)[0]

    @cached_property
    def customer_id(self) -> Column:
        """Identifier of the person behind a contact: the contact id, unless the contract has a column for it."""
        return self.role(ColumnRole.CUSTOMER_ID) or self.contact_id

    @cached_property
    def identifiers(self) -> Mapping[str, Column]:
        """Columns of the contact and, if this contract has one, of its person, by their names in requests."""
        roles = (ColumnRole.CONTACT_ID, ColumnRole.CUSTOMER_ID)
        return {str(role): column for role in roles for column in self.with_role(role)}

    def signs(self, column: Column | None = None) -> NumberSigns:
        """The signs of numbers in delivered text, those of one column or of the whole contract."""
        decimal, thousands = (column.decimal_sign, column.thousands_sign) if column else (None, None)
        return NumberSigns(
            self.decimal_sign if decimal is None else decimal,
            self.thousands_sign if thousands is None else thousands,
        )

    # Views: names in deliveries unless said otherwise

    @cached_property
    def delivery_columns(self) -> tuple[str, ...]:
        """Header of a contacts delivery, in any order."""
        return tuple(column.source for column in self.columns)

    @cached_property
    def optional_columns(self) -> tuple[str, ...]:
        """Columns that a delivery, campaign file or payload may lack."""
        return tuple(column.source for column in self.columns if column.is_optional)

    @cached_property
    def outcome_columns(self) -> tuple[str, ...]:
        """Header of an outcomes delivery."""
        return (self.contact_id.source, self.target.source, *self.post_contact_columns, ARRIVED_AT)

    @cached_property
    def campaign_columns(self) -> tuple[str, ...]:
        """Header of a campaign file: what is known before the call."""
        return tuple(column.source for column in self.columns if column.is_input)

    @cached_property
    def payload(self) -> tuple[Column, ...]:
        """Columns that describe a customer in an API payload, without those that follow from the contact date."""
        return tuple(
            column
            for column in self.columns
            if column.known is KnownWhen.PRE_CONTACT
            and column.role not in (ColumnRole.CONTACT_DATE, ColumnRole.CALENDAR)
        )

    @cached_property
    def payload_columns(self) -> tuple[str, ...]:
        """Names of the payload's columns."""
        return tuple(column.source for column in self.payload)

    @cached_property
    def numeric_columns(self) -> tuple[str, ...]:
        """Payload columns that are numbers."""
        return tuple(column.source for column in self.payload if column.is_number)

    @cached_property
    def category_columns(self) -> tuple[str, ...]:
        """Payload columns that are categories or yes/no."""
        return tuple(column.source for column in self.payload if not column.is_number)

    def lacking(self, other: Contract) -> tuple[str, ...]:
        """Inputs of another contract that this one lacks, or holds as numbers instead of categories."""
        numbers = set(other.numeric_columns) - set(self.numeric_columns)
        return tuple(sorted(numbers | set(other.category_columns) - set(self.category_columns)))

    @cached_property
    def calendar_columns(self) -> tuple[str, ...]:
        """Columns that follow from the contact date."""
        return tuple(column.source for column in self.with_role(ColumnRole.CALENDAR))

    @cached_property
    def protected_columns(self) -> tuple[str, ...]:
        """Columns by which fairness is reported."""
        return tuple(column.source for column in self.columns if column.protected)

    @cached_property
    def post_contact_columns(self) -> tuple[str, ...]:
        """Columns that are known only after the call, the target aside."""
        return tuple(column.source for column in self.columns if column.known is KnownWhen.POST_CONTACT)

    def month_after(self, months: int) -> date:
        """First day of the month that comes some months after the first month."""
        years, month = divmod(int(self.first_month[5:]) - 1 + months, 12)
        return date(int(self.first_month[:4]) + years, month + 1, 1)

    def refuse_post_contact(self, names: Iterable[str]) -> None:
        """Raise `LeakageError` if a name (delivery or table spelling) is the target or is known only after the call."""
        leaking = [name for name in names if (column := self.find(name)) is not None and not column.is_input]
        if leaking:
            raise LeakageError(
                f"{LEAKAGE_RULE}: expected only columns known before the call, found {leaking}; "
                f"they are known only after it, so remove them from the inputs."
            )

    @cached_property
    def agreements(self) -> tuple[tuple[Column, Column], ...]:
        """Pairs of columns of which the second must hold something where the first does.

        Declared by `implies`, and by roles: days since a previous contact imply a number of previous contacts.
        """
        declared = [(column, self.by_source[name]) for column in self.columns for name in column.implies]
        days = self.with_role(ColumnRole.DAYS_SINCE_PREVIOUS)
        counts = [column for column in self.with_role(ColumnRole.PREVIOUS_CAMPAIGN) if column.sentinel is not None]
        pairs = (*declared, *((one, count) for one in days if one.sentinel is not None for count in counts))
        return tuple({(one.source, other.source): (one, other) for one, other in pairs}.values())

    # Versions and the canonical form

    def at(self, version: int) -> Contract:
        """The contract as an earlier version had it: without the columns that came later."""
        columns = tuple(column for column in self.columns if column.since <= version)
        names = {column.source for column in columns}
        statistics = tuple(one for one in self.list_statistics if one.column in names)
        senders = self.senders if columns == self.columns else ()  # they may name columns that came later
        return replace(self, version=version, columns=columns, list_statistics=statistics, senders=senders)

    def to_dict(self) -> dict[str, Any]:
        """JSON form; `from_dict` reads it. What has its default is left out, so new attributes change no digest."""
        return {
            "name": self.name,
            "version": self.version,
            "first_month": self.first_month,
            "columns": [plain(column) for column in self.columns],
            "list_statistics": [plain(statistic) for statistic in self.list_statistics],
            "groups": list(self.groups),
        } | self._deviations

    @property
    def _deviations(self) -> dict[str, Any]:
        values = plain(self)
        if self.senders:
            values["senders"] = [plain(sender) for sender in self.senders]
        return {name: values[name] for name in DEVIATIONS if name in values}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Contract:
        """Read what `to_dict` wrote.

        Raises:
            ContractError: the document is no contract; the message names what does not fit.
        """
        deviations = {name: document[name] for name in DEVIATIONS if name in document}
        try:
            deviations["senders"] = tuple(map(Sender.from_dict, document.get("senders", ())))
            deviations["dispositions"] = tuple(map(tuple, document.get("dispositions", ())))
            return cls(
                str(document["name"]),
                int(document["version"]),
                str(document["first_month"]),
                *parts_of(document),
                tuple(document["groups"]),
                **deviations,
            )
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, ContractError):
                raise
            raise ContractError(
                f"contract: expected what `to_dict` writes, found {type(error).__name__}: {error}; "
                "it was written by another release, use that one or mend the document."
            ) from error

    @cached_property
    def canonical(self) -> str:
        """Canonical JSON: sorted keys, no white space, ASCII."""
        return canonical_text(self.to_dict())

    @cached_property
    def digest(self) -> str:
        """Hexadecimal sha256 of the canonical form."""
        return sha256(self.canonical)

    @cached_property
    def rows_digest(self) -> str:
        """Hexadecimal sha256 of everything that affects rows. A change of wording alone recomputes no table."""
        columns = [affects_rows(column) for column in self.columns]
        statistics = [plain(statistic) for statistic in self.list_statistics]
        affecting = {name: value for name, value in self._deviations.items() if name not in OF_FEEDS}
        deviations = [affecting] if affecting else []
        return sha256(canonical_text([self.first_month, columns, statistics, *deviations]))

    @property
    def reference(self) -> str:
        """Name, version and digest in one text, as decision records keep them."""
        return f"{self.name} {self.version} sha256:{self.digest}"
