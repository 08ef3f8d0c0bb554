"""Counts of typed, unfiltered rows by month, which the validation stage judges.

Only counts and categories of the contract leave a task, so nothing about a customer does.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bank_assets.contract.columns import Column
from bank_assets.contract.rows import BoolArray, RowVerdicts
from bank_assets.core.drift.month_profile import OTHER
from bank_assets.spark.month_files import month_text


@dataclass(slots=True)
class Findings:
    """Counts of one month's rows as they were delivered."""

    rows: int = 0
    rejected: int = 0  # rows that break a rule
    violations: Counter[str] = field(default_factory=Counter)  # rows that break each rule, by code
    empty: Counter[str] = field(default_factory=Counter)  # rows with an empty field, by delivered column name
    values: dict[str, Counter[str]] = field(default_factory=dict)  # rows with each category (or `OTHER`), by column

    def add(self, other: "Findings") -> None:
        """Add the counts of further rows of the month."""
        self.rows, self.rejected = self.rows + other.rows, self.rejected + other.rejected
        self.violations.update(other.violations)
        self.empty.update(other.empty)
        for name, counts in other.values.items():
            self.values.setdefault(name, Counter()).update(counts)


def count_block(
    verdict: RowVerdicts, columns: tuple[Column, ...], months: NDArray[np.int64], misfits: Mapping[int, tuple[str, ...]]
) -> dict[str, Findings]:
    """Count a block of judged rows by month, (n,) month numbers; misfits count by the code of their fault only."""
    first = int(months.min())
    place = (months - first).astype(np.int64)
    n_months = int(place.max()) + 1

    def by_month(rows: BoolArray | None = None) -> NDArray[np.int64]:
        return np.bincount(place if rows is None else place[rows], minlength=n_months)

    rows, rejected = by_month(), by_month(~verdict.is_kept)
    found = {n: Findings(int(rows[n]), int(rejected[n])) for n in range(n_months) if rows[n]}
    for rule, broken in verdict.broken.items():
        counts = by_month(broken)
        for n in np.flatnonzero(counts).tolist():
            found[n].violations[rule.code] += int(counts[n])
    for row, (code, *_) in misfits.items():
        found[int(place[row])].violations[code] += 1
    fit = np.ones(len(place), dtype=bool)
    fit[list(misfits)] = False
    for column in columns:
        for n, text, count in _values(column, verdict, place, n_months, fit):
            if text:
                found[n].values.setdefault(column.source, Counter())[text] += count
            else:
                found[n].empty[column.source] += count
    return {month_text(first + n): findings for n, findings in found.items()}


def _values(
    column: Column, verdict: RowVerdicts, place: NDArray[Any], n_months: int, fit: BoolArray
) -> Iterator[tuple[int, str, int]]:
    """Month, category and number of rows; an empty text stands for empty fields."""
    encoded, values = verdict.columns[column.source], verdict.values[column.source]
    if not column.categories and values.is_given.all():
        return
    labels = ["", *column.categories, OTHER] if column.categories else ["", OTHER]
    label = {text: number for number, text in enumerate(labels)}
    of_text = np.array([label.get(text, len(labels) - 1) for text in encoded.texts], dtype=np.int64)
    cell = place * len(labels) + of_text[encoded.codes]
    counts = np.bincount(cell if fit.all() else cell[fit], minlength=n_months * len(labels))
    for at in np.flatnonzero(counts):
        month, number = divmod(int(at), len(labels))
        if column.categories or number == 0:
            yield month, labels[number], int(counts[at])
