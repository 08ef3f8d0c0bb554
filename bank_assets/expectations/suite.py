"""The rules that contacts have to keep, built from the contract.

What lives here: rules as pairs of a GX expectation (for the report) and a Spark condition (for counts by month).
What must not: running them (`runner`). ERROR rules are contract violations, WARN rules are hints.
The ETL quarantines single bad rows already; this gate catches what it must never let through, and what only a whole
month can show.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from pyspark.sql import Column
from pyspark.sql import functions as f

from bank_assets.contract.columns import Column as ContractColumn
from bank_assets.contract.columns import Kind, Known
from bank_assets.contract.uci import UCI

ERROR: Final = "error"
WARNING: Final = "warning"

MINIMUM_ROWS: Final = 30
UNKNOWN_SHARE: Final = 0.9
MEAN_AGE: Final = (25.0, 60.0)
NEGATIVE_SHARE: Final = 0.3
"""Outside these a month is unusual, not wrong. Of the real file's 30 months three are: in May and June 2008 every
channel is unknown, and December 2008 has 13 contacts."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One expectation.

    Attributes:
        name: stable name, part of every message.
        severity: `error` or `warning`.
        expected: what is expected, for people.
        make: builds the GX expectation.
        violation: condition of a row that breaks it.
    """

    name: str
    severity: str
    expected: str
    make: Callable[[Any], Any]
    violation: Column


def _present(column: ContractColumn) -> Rule:
    name = column.table
    return Rule(
        f"{name}_is_present",
        ERROR,
        f"{name} in every row",
        lambda gxe: gxe.ExpectColumnValuesToNotBeNull(column=name),
        f.col(name).isNull(),
    )


def _in_set(column: ContractColumn) -> Rule:
    name, allowed = column.table, list(column.categories)
    return Rule(
        f"{name}_is_allowed",
        ERROR,
        f"{name} one of {', '.join(allowed)}",
        lambda gxe: gxe.ExpectColumnValuesToBeInSet(column=name, value_set=allowed),
        f.col(name).isNotNull() & ~f.col(name).isin(allowed),
    )


def _in_range(column: ContractColumn) -> Rule:
    name, low, high = column.table, int(column.minimum or 0), int(column.maximum or 0)
    low = 0 if column.sentinel == -1 else low  # the sentinel is NULL from `tables` on
    return Rule(
        f"{name}_is_in_range",
        ERROR,
        f"{name} from {low} to {high}",
        lambda gxe: gxe.ExpectColumnValuesToBeBetween(column=name, min_value=low, max_value=high),
        f.col(name).isNotNull() & ((f.col(name) < low) | (f.col(name) > high)),
    )


def contact_rules() -> list[Rule]:
    """Row rules of the contacts table, in the contract's order."""
    rules: list[Rule] = []
    for column in UCI.columns:
        if column.known not in (Known.IDENTIFIER, Known.PRE_CONTACT):
            continue
        if column.sentinel != -1:
            rules.append(_present(column))
        if column.kind is Kind.CATEGORY:
            rules.append(_in_set(column))
        elif column.kind is Kind.INTEGER:
            rules.append(_in_range(column))
    return rules


def suite_expectations(gxe: Any) -> list[tuple[str, str, Any]]:
    """All expectations as (name, severity, GX expectation): row rules and those about the whole table."""
    found = [(rule.name, rule.severity, rule.make(gxe)) for rule in contact_rules()]
    found.append(("contact_id_is_unique", ERROR, gxe.ExpectColumnValuesToBeUnique(column="contact_id")))
    low, high = MEAN_AGE
    found.append(
        (
            "mean_age_is_usual",
            WARNING,
            gxe.ExpectColumnMeanToBeBetween(column="age_years", min_value=low, max_value=high),
        )
    )
    return found
