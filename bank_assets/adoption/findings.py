"""Everything that a file says about itself: facts of its columns, outcome, time axis, roles and suspected leaks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property

from bank_assets.adoption.column_facts import ISO_DAY, PLAIN, ColumnFacts, facts_of
from bank_assets.adoption.leaks import separations, suspected
from bank_assets.adoption.roles import IDENTIFIERS, Outcome, find_outcome, find_roles
from bank_assets.adoption.table import FileTable
from bank_assets.adoption.time_axis import TimeAxis, find_time_axis
from bank_assets.adoption.words import AFTER_THE_CALL, means
from bank_assets.contract.columns import ColumnRole, NumberSigns


@dataclass(frozen=True)
class Findings:
    """What a file says.

    Attributes:
        roles: role and reason by column; outcome and time axis stand by themselves.
        separation: AUC of each possible input on the later outcomes and its standard error, the best first.
        leaks: reason by column that is known only after the call, or seems to be.
    """

    table: FileTable
    facts: Mapping[str, ColumnFacts]
    outcome: Outcome
    axis: TimeAxis
    roles: Mapping[str, tuple[ColumnRole, str]]
    separation: Mapping[str, tuple[float, float]]
    leaks: Mapping[str, str]

    @cached_property
    def date_format(self) -> str:
        """The format of days that a sender's mapping has to state, "" if all are written YYYY-MM-DD."""
        named = [self.facts[name].date_format for name in (*self.axis.columns[:1], *self.facts)]
        return next((one for one in named if one not in ("", ISO_DAY)), "")

    @cached_property
    def signs(self) -> NumberSigns | None:
        """The signs of all numbers of the file, None if it needs none or its columns have their own."""
        numbers = [one for one in self.facts.values() if one.is_number]
        found = {one.signs for one in numbers}
        is_plain = found == {PLAIN} and not any(one.has_zeros for one in numbers)
        return found.pop() if len(found) == 1 and not is_plain else None


def study(table: FileTable, *, today: date, target: str = "") -> Findings:
    """Look at a file; raise `ContractError` if it has no outcome."""
    facts = facts_of(table.columns)
    outcome = find_outcome(facts, table.name, target)
    others = {name: one for name, one in facts.items() if name != outcome.name}
    axis = find_time_axis(others, table.n_rows, today)
    roles = find_roles(others, axis.columns)
    named = {*axis.columns, *(name for name, (role, _) in roles.items() if role in IDENTIFIERS)}
    inputs = {name: one for name, one in others.items() if name not in named and one.known}
    separation = separations(inputs, outcome.is_yes, axis.order[outcome.is_known[axis.order]])
    after = "its name says that it is known only after the call"
    leaks = {name: after for name in inputs if means(name, AFTER_THE_CALL)}
    for name, reason in suspected(separation).items():
        leaks[name] = f"{leaks[name]}, and {reason}" if name in leaks else f"suspected: {reason}"
    return Findings(table, facts, outcome, axis, roles, separation, leaks)
