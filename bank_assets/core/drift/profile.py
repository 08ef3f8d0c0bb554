"""Exact value counts of a set of contacts: all that drift statistics need, and nothing that grows with rows.

Model bundles store one as `reference_profile.json`. The target `y` is a column like any other: its missing values are
outcomes not known yet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bank_assets.contract.columns import YES_NO, ColumnKind, KnownWhen
from bank_assets.contract.contract import Contract
from bank_assets.core.arrays import checked_version

PROFILE_SCHEMA_VERSION: Final = 1
NUMERIC: Final = "numeric"
CATEGORICAL: Final = "category"


def profiled_columns(contract: Contract) -> tuple[str, ...]:
    """Counted columns, in delivery spelling: all but identifiers, dates and free text."""
    return tuple(
        column.source
        for column in contract.columns
        if column.known is not KnownWhen.IDENTIFIER and column.kind not in (ColumnKind.DATE, ColumnKind.STRING)
    )


class ProfileError(ValueError):
    """Counts that cannot be a profile."""


def kind_of(contract: Contract, column: str, default: str = CATEGORICAL) -> str:
    """Numeric or category, by the contract; `default` for a column that the contract does not know."""
    known = contract.find(column)
    if known is None:
        return default
    return NUMERIC if known.is_number else CATEGORICAL


@dataclass(frozen=True, slots=True, eq=False)
class ColumnProfile:
    """Exact value counts of one column.

    Attributes:
        kind: "numeric" or "category".
        values: (n_values,) sorted distinct values, float64 for numeric and str for category columns.
        counts: (n_values,) int64, contacts with that value, all positive.
        missing: contacts without a value.
    """

    kind: str
    values: NDArray[Any]
    counts: NDArray[np.int64]
    missing: int = 0

    def __post_init__(self) -> None:
        values, counts = self.values, self.counts
        if values.shape != counts.shape or values.ndim != 1:
            raise ProfileError(
                f"expected as many counts as values, found {values.shape} values and {counts.shape} counts; "
                f"rebuild the profile from the contacts."
            )
        if counts.size and (int(counts.min()) <= 0 or not np.all(values[:-1] < values[1:])):
            raise ProfileError(
                "expected sorted distinct values with positive counts, found unsorted or repeated values or a count "
                "below 1; count the column again."
            )
        values.flags.writeable = counts.flags.writeable = False

    @property
    def present(self) -> int:
        """Contacts that have a value."""
        return int(self.counts.sum())

    @property
    def rows(self) -> int:
        """Contacts counted, including those without a value."""
        return self.present + self.missing

    def count_of(self, value: Any) -> int:
        """Contacts that have exactly this value."""
        at = int(np.searchsorted(self.values, value)) if self.values.size else 0
        return int(self.counts[at]) if at < self.values.size and self.values[at] == value else 0

    def without(self, value: float) -> ColumnProfile:
        """The column without one value; missing values are dropped too."""
        kept = self.values != value
        return ColumnProfile(self.kind, self.values[kept], self.counts[kept])


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """Exact value counts of all columns, by delivery name, over the same contacts; None for the days of no contact."""

    columns: Mapping[str, ColumnProfile]
    rows: int
    contract: Contract
    first_day: date | None = None
    last_day: date | None = None

    def __post_init__(self) -> None:
        wrong = {name: column.rows for name, column in self.columns.items() if column.rows != self.rows}
        if wrong:
            raise ProfileError(
                f"expected {self.rows} contacts in every column, found {wrong}; count missing values too."
            )

    @property
    def known_outcomes(self) -> int:
        """Contacts whose outcome is known."""
        target = self.columns.get(self.contract.target.source)
        return target.present if target is not None else 0

    @property
    def subscribed(self) -> int:
        """Contacts that subscribed, among the known outcomes."""
        target = self.columns.get(self.contract.target.source)
        return target.count_of(YES_NO[1]) if target is not None else 0

    @property
    def span(self) -> str:
        """The span as text, `2008-05-05…2008-07-31`, or "no contacts"."""
        return f"{self.first_day}…{self.last_day}" if self.first_day and self.last_day else "no contacts"

    @staticmethod
    def empty(contract: Contract) -> Profile:
        """The profile of no contact."""
        return Profile({}, 0, contract)

    def to_dict(self) -> dict[str, Any]:
        """JSON form, as stored in `reference_profile.json`."""
        return {
            "schema_version": PROFILE_SCHEMA_VERSION,
            "rows": self.rows,
            "first_day": self.first_day.isoformat() if self.first_day else None,
            "last_day": self.last_day.isoformat() if self.last_day else None,
            "columns": {
                name: {
                    "kind": column.kind,
                    "missing": column.missing,
                    "values": _plain(column.values),
                    "counts": column.counts.tolist(),
                }
                for name, column in self.columns.items()
            },
        }

    @staticmethod
    def from_dict(document: Mapping[str, Any], contract: Contract) -> Profile:
        """Read what `to_dict` wrote.

        Raises:
            ProfileError: another schema version, or counts that do not fit together.
        """
        remedy = "write the profile again with this release"
        checked_version(document, PROFILE_SCHEMA_VERSION, "reference profile", remedy, ProfileError)
        columns = {
            name: ColumnProfile(
                part["kind"],
                np.asarray(part["values"], dtype=np.float64 if part["kind"] == NUMERIC else np.str_),
                np.asarray(part["counts"], dtype=np.int64),
                int(part["missing"]),
            )
            for name, part in document["columns"].items()
        }
        first, last = document["first_day"], document["last_day"]
        return Profile(
            columns,
            int(document["rows"]),
            contract,
            date.fromisoformat(first) if first else None,
            date.fromisoformat(last) if last else None,
        )


def _plain(values: NDArray[Any]) -> list[Any]:
    """JSON values: whole numbers as integers, which halves the file."""
    if values.dtype.kind == "f" and np.all(values == np.floor(values)):
        return values.astype(np.int64).tolist()
    return values.tolist()
