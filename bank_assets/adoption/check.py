"""Checks a file against a contract as its rows would be judged on arrival, without landing it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from bank_assets.adoption.table import FileTable
from bank_assets.contract.columns import ColumnRole
from bank_assets.contract.contract import Contract
from bank_assets.contract.rows import BoolArray, Calendar, ColumnRule, RowRules, RowVerdicts, Rule

_SHOWN: Final = 3


@dataclass(frozen=True)
class Violations:
    """How a rule is broken: rows, and sentences with the most frequent values."""

    rule: Rule
    n_rows: int
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class FileCheck:
    """What of a file does not fit a contract.

    Attributes:
        missing: columns of the contract that the file lacks and that nothing replaces.
        implied: columns that the file lacks and whose values follow from the order of its rows.
        n_rejected: rows that break a rule or cannot be split into fields.
    """

    missing: tuple[str, ...]
    implied: tuple[str, ...]
    extra: tuple[str, ...]
    violations: tuple[Violations, ...]
    n_rows: int
    n_rejected: int

    def fits(self, reject_rate_limit: float) -> bool:
        """Whether the header fits and no more rows are rejected than a month may have."""
        return not self.missing and not self.extra and self.n_rejected <= reject_rate_limit * self.n_rows


def check_file(table: FileTable, contract: Contract) -> FileCheck:
    """Judge every row of a file by the rules of a contract."""
    absent = [one for one in contract.columns if one.source not in table.columns and not one.is_optional]
    ordered = {ColumnRole.CONTACT_ID}
    if any(one.source in table.columns for one in contract.with_role(ColumnRole.CALENDAR)):
        ordered.add(ColumnRole.CONTACT_DATE)
    present = tuple(one for one in contract.columns if one.source in table.columns)
    # What is known only after the call may be empty in a contacts delivery.
    rules = tuple(ColumnRule(one, is_optional=not one.is_input, signs=contract.signs(one)) for one in present)
    calendar = Calendar.of(contract) if contract.contact_date in present else None
    verdict = RowRules(rules, calendar=calendar).judge(table.columns)
    n_faults = len(table.faults)
    return FileCheck(
        missing=tuple(one.source for one in absent if one.role not in ordered),
        implied=tuple(one.source for one in absent if one.role in ordered),
        extra=tuple(name for name in table.columns if name not in contract.by_source),
        violations=tuple(_violations(rule, is_broken, verdict) for rule, is_broken in verdict.broken.items()),
        n_rows=table.n_rows + n_faults,
        n_rejected=int((~verdict.is_kept).sum()) + n_faults,
    )


def _violations(rule: Rule, is_broken: BoolArray, verdict: RowVerdicts) -> Violations:
    rows = np.flatnonzero(is_broken)
    _, first, counts = np.unique(verdict.columns[rule.column].codes[rows], return_index=True, return_counts=True)
    sentences = []
    for at in np.argsort(-counts, kind="stable")[:_SHOWN].tolist():
        row = int(rows[first[at]])
        stated = verdict.text(rule.stated, row) if rule.stated else ""
        sentences.append(f"{rule.sentence(verdict.text(rule.column, row), stated)} ({counts[at]:,} times)")
    return Violations(rule, len(rows), tuple(sentences))
