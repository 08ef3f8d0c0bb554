"""Everything that a file says about itself: facts of its columns, outcome, time axis, roles and suspected leaks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from bank_assets.adoption.column_facts import ColumnFacts, decimal_sign_of, facts_of
from bank_assets.adoption.leaks import Separation, separations, suspected
from bank_assets.adoption.roles import Outcome, find_outcome, find_roles
from bank_assets.adoption.table import FileTable
from bank_assets.adoption.time_axis import TimeAxis, find_time_axis
from bank_assets.adoption.words import AFTER_THE_CALL, means
from bank_assets.contract.columns import ColumnRole

IDENTIFIERS: Final = (ColumnRole.CONTACT_ID, ColumnRole.CUSTOMER_ID)


@dataclass(frozen=True)
class Findings:
    """What a file says.

    Attributes:
        decimal: decimal sign of the file, "" if it has none.
        roles: role and reason by column; outcome and time axis stand by themselves.
        separation: AUC of each possible input on the later outcomes, the best first.
        leaks: reason by column that is known only after the call, or seems to be.
    """

    table: FileTable
    decimal: str
    facts: Mapping[str, ColumnFacts]
    outcome: Outcome
    axis: TimeAxis
    roles: Mapping[str, tuple[ColumnRole, str]]
    separation: Mapping[str, Separation]
    leaks: Mapping[str, str]


def study(table: FileTable, *, today: date, target: str = "") -> Findings:
    """Look at a file; raise `ContractError` if it has no outcome."""
    decimal = decimal_sign_of(table.columns.values())
    facts = {name: facts_of(name, encoded, decimal) for name, encoded in table.columns.items()}
    outcome = find_outcome(facts, table.name, target)
    others = {name: one for name, one in facts.items() if name != outcome.name}
    axis = find_time_axis(others, table.n_rows, today)
    roles = find_roles(facts, (outcome.name, *axis.columns))
    named = {*axis.columns, *(name for name, (role, _) in roles.items() if role in IDENTIFIERS)}
    inputs = {name: one for name, one in others.items() if name not in named}
    separation = separations(inputs, outcome.is_yes, axis.order[outcome.is_known[axis.order]])
    after = "its name says that it is known only after the call"
    leaks = {name: after for name in inputs if means(name, AFTER_THE_CALL)}
    for name, reason in suspected(separation).items():
        leaks[name] = f"{leaks[name]}, and {reason}" if name in leaks else f"suspected: {reason}"
    return Findings(table, decimal, facts, outcome, axis, roles, separation, leaks)
