"""The columns of `contacts`, `outcomes` and `rejected_contacts`, and how judged rows become Arrow tables.

The sentinel of the days since the last contact becomes explicit: `was_previously_contacted` is false and the days NULL.
`unknown` stays a category, because "the bank does not know" is informative.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Final

import numpy as np
import pyarrow as pa

from bank_assets.contract.column_rules import BoolArray, ColumnRule, DayRange
from bank_assets.contract.columns import Column, ColumnKind, ColumnRole, KnownWhen
from bank_assets.contract.contract import ARRIVED_AT, Contract
from bank_assets.contract.problems import RESERVED
from bank_assets.contract.rows import Calendar, RowRules, RowVerdicts
from bank_assets.contract.sent_text import SentText
from bank_assets.landing.register import Delivery
from bank_assets.spark.text_block import TextBlock
from bank_assets.store.lineage import CONTACTS, OUTCOMES, REJECTED

WAS_PREVIOUSLY_CONTACTED: Final = "was_previously_contacted"
ARRIVED_ON: Final = "arrived_on"
DELIVERY_ARRIVAL: Final = "delivery_arrival"

TABLES: Final = (CONTACTS, OUTCOMES, REJECTED)

_ARRIVAL_DAY: Final = Column(
    ARRIVED_AT, ARRIVED_ON, ColumnKind.DATE, KnownWhen.POST_CONTACT, "Day on which the outcome arrived."
)
_TYPES: Final = {
    ColumnKind.INTEGER: pa.int32(),
    ColumnKind.DECIMAL: pa.float64(),
    ColumnKind.BOOLEAN: pa.bool_(),
    ColumnKind.DATE: pa.date32(),
}


@dataclass(frozen=True)
class Family:
    """One kind of deliveries under a contract, named by the table of its usable rows, `contacts` or `outcomes`."""

    contract: Contract
    table: str

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """Columns of a delivery, in the order in which a row's reasons are listed."""
        if self.table == CONTACTS:
            return self.contract.columns
        return (*(self.contract.by_source[name] for name in self.contract.outcome_columns[:-1]), _ARRIVAL_DAY)

    @cached_property
    def date(self) -> str:
        """Delivered name of the column that gives a row its month."""
        return self.contract.contact_date.source if self.table == CONTACTS else ARRIVED_AT

    @cached_property
    def identifier(self) -> str:
        """Delivered name of the column that identifies the contact."""
        return self.contract.contact_id.source

    @cached_property
    def key(self) -> tuple[str, ...]:
        """Columns of the table that identify a row within its month."""
        contact_id = self.contract.contact_id.table
        return (contact_id,) if self.table == CONTACTS else (contact_id, ARRIVED_ON)

    @cached_property
    def outcome(self) -> tuple[Column, ...]:
        """What is known only after the call."""
        return (self.contract.target, *(self.contract.by_source[n] for n in self.contract.post_contact_columns))

    def rules(self, file: Delivery) -> RowRules:
        """The rules for the rows of one delivery; what is known only after the call may be empty."""
        first, last = date.fromisoformat(file.first_day), date.fromisoformat(file.last_day)
        expected = (
            f"a day YYYY-MM-DD from {self.contract.first_month}-01 to the delivery's own arrival"
            f", near most of its days (usable here: {first} to {last})"
        )
        days = DayRange(first, last, expected, with_time=self.table == OUTCOMES)
        signs = self.contract.signs
        rules = tuple(
            ColumnRule(one, one in self.outcome, days if one.source == self.date else DayRange(), signs(one))
            for one in self.columns
        )
        if self.table == OUTCOMES:  # an outcome must say whether the contact subscribed
            return RowRules(rules, required=(self.contract.target.source,))
        return RowRules(rules, calendar=Calendar.of(self.contract))

    def judge(self, block: TextBlock, file: Delivery) -> tuple[RowVerdicts, dict[str, BoolArray]]:
        """The verdict on the rows of a block as the contract spells them, and the rows that a mapping changed."""
        columns, changed = SentText.of_file(self.contract, file.name).columns(block.columns)
        return self.rules(file).judge(columns, block.misfits), changed


def contacts_of(family: Family, verdict: RowVerdicts, block: TextBlock, file: Delivery, rows: BoolArray) -> pa.Table:
    """The contacts of some usable rows."""
    contract = family.contract
    columns = {one.table: _array(one, verdict, block, rows) for one in contract.columns if one.is_input}
    previous = contract.role(ColumnRole.DAYS_SINCE_PREVIOUS)
    if previous is not None:
        columns[WAS_PREVIOUSLY_CONTACTED] = pa.array(verdict.typed(previous.source)[rows] != previous.sentinel)
    return pa.table(columns | {DELIVERY_ARRIVAL: _arrival(file, rows)})


def outcomes_of(family: Family, verdict: RowVerdicts, block: TextBlock, file: Delivery, rows: BoolArray) -> pa.Table:
    """The outcomes of some usable rows.

    A contact with a known outcome is an outcome too; it arrived on the contact date, because the delivery says nothing
    else, and a call and its result leave the call centre on one day. Earlier outcomes of a contact stay in the table,
    and readers take the latest that had arrived.
    """
    columns = {one.table: _array(one, verdict, block, rows) for one in (family.contract.contact_id, *family.outcome)}
    day = next(one for one in family.columns if one.source == family.date)
    return pa.table(columns | {ARRIVED_ON: _array(day, verdict, block, rows), DELIVERY_ARRIVAL: _arrival(file, rows)})


def _arrival(file: Delivery, rows: BoolArray) -> pa.Array:
    return pa.array(np.full(int(rows.sum()), file.arrival, dtype=np.int32))


def _array(column: Column, verdict: RowVerdicts, block: TextBlock, rows: BoolArray) -> pa.Array:
    """The typed values of a column; an empty field is NULL."""
    name, is_all = column.source, bool(rows.all())
    if column.role is ColumnRole.CONTACT_ID:
        return block.identifiers if is_all else block.identifiers.filter(pa.array(rows))
    values, encoded = verdict.values[name], verdict.columns[name]
    is_null = ~values.is_given
    if column.role is ColumnRole.DAYS_SINCE_PREVIOUS:
        is_null = is_null | (values.typed == column.sentinel)  # the sentinel means "never"
    codes = encoded.codes if is_all else encoded.codes[rows]
    mask = is_null[codes] if is_null.any() else None
    if column.kind not in _TYPES:
        return pa.DictionaryArray.from_arrays(pa.array(codes, mask=mask), pa.array(list(encoded.texts), pa.string()))
    typed = values.typed.astype(np.int32) if column.kind is ColumnKind.INTEGER else values.typed
    return pa.array(typed[codes], _TYPES[column.kind], mask=mask)


def _text_names(contract: Contract) -> dict[str, str]:
    """Names of delivered texts in `rejected_contacts`: those in deliveries, unless no table could have one of them."""
    is_safe = all(name.isidentifier() and name.isascii() and name not in RESERVED for name in contract.delivery_columns)
    names = {column.source: column.source if is_safe else column.table for column in contract.columns}
    return names | {contract.contact_id.source: contract.contact_id.table, ARRIVED_AT: ARRIVED_AT}


def rejected_schema(contract: Contract) -> pa.Schema:
    """Columns and types of `rejected_contacts`: every delivered field as text, and the reasons."""
    return pa.schema(
        [
            ("kind", pa.string()),
            *((name, pa.string()) for name in _text_names(contract).values()),
            ("line", pa.string()),
            ("codes", pa.list_(pa.field("element", pa.string(), nullable=False))),
            ("reasons", pa.list_(pa.string())),
            (DELIVERY_ARRIVAL, pa.int32()),
            ("delivery_sha256", pa.string()),
        ]
    )


def rejected_of(
    family: Family, verdict: RowVerdicts, block: TextBlock, file: Delivery, rows: Sequence[int]
) -> pa.Table:
    """The rejected rows with every reason, and the whole line where its fields cannot be told apart."""
    schema, reasons, names = rejected_schema(family.contract), verdict.reasons(), _text_names(family.contract)
    sent = {**verdict.columns, **block.columns}  # as delivered, before any mapping
    found: dict[str, list[object]] = {name: [] for name in schema.names}
    for row in rows:
        misfit = block.misfits.get(row)
        faults = [misfit[:2]] if misfit else [(rule.code, sentence) for rule, sentence in reasons[row]]
        found["line"].append(misfit[2] if misfit else None)
        found["codes"].append([code for code, _ in faults])
        found["reasons"].append([sentence for _, sentence in faults])
        for name, text_name in names.items():
            text = sent[name].texts[sent[name].codes[row]] if name in sent else ""
            found[text_name].append((block.identifiers[row].as_py() if name == family.identifier else text) or None)
    found["kind"] = [family.table] * len(rows)
    found[DELIVERY_ARRIVAL] = [file.arrival] * len(rows)
    found["delivery_sha256"] = [file.sha256] * len(rows)
    return pa.Table.from_pydict(found, schema=schema)
