"""Scripted drift: which simulated column changes, when, and by how much."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Final

from bank_assets.contract.columns import ColumnKind
from bank_assets.contract.uci import UCI

SHIFTABLE: Final = ("age", "balance", "campaign", "pdays", "previous", "duration")
WEIGHTABLE: Final = ("job", "marital", "education", "default", "housing", "loan", "contact", "poutcome")


@dataclass(frozen=True, slots=True)
class Drift:
    """One scripted change.

    Numbers are scaled, then shifted, then clipped to the contract's bounds; the answer follows the new value, other
    columns stay as they were. `pdays` and `previous` change only for customers who were contacted before. Categories
    are reweighted before they are drawn, so dependent columns and the answer follow.

    Attributes:
        end: first day without it again, or None.
        weights: category → factor on its probability; 1 for those not named.
        rate: factor on the subscription probability (`y` only).
    """

    column: str
    start: date
    end: date | None = None
    shift: float = 0.0
    scale: float = 1.0
    weights: dict[str, float] = field(default_factory=dict)
    rate: float = 1.0

    def __post_init__(self) -> None:
        is_number, is_category = self.column in SHIFTABLE, self.column in WEIGHTABLE
        if not (is_number or is_category or self.column == "y"):
            raise ValueError(
                f"drift: expected a column of {', '.join((*SHIFTABLE, *WEIGHTABLE, 'y'))}, "
                f"found {self.column!r}; choose one of them."
            )
        misused = [
            name
            for name, is_set, fits in (
                ("shift", self.shift != 0, is_number),
                ("scale", self.scale != 1, is_number),
                ("weights", bool(self.weights), is_category),
                ("rate", self.rate != 1, self.column == "y"),
            )
            if is_set and not fits
        ]
        if misused:
            fitting = "shift and scale" if is_number else "weights" if is_category else "rate"
            raise ValueError(f"drift of {self.column}: expected {fitting}, found {', '.join(misused)}; remove them.")
        self._check_weights()
        if self.rate < 0 or (self.end is not None and self.end <= self.start):
            raise ValueError(
                f"drift of {self.column}: expected rate ≥ 0 and end after start, found rate {self.rate:g}, "
                f"start {self.start}, end {self.end}; correct them."
            )

    def _check_weights(self) -> None:
        if not self.weights:
            return
        column = UCI.by_source[self.column]
        unknown = [c for c in self.weights if c not in column.categories]
        if unknown or min(self.weights.values()) < 0 or all(self.weights.get(c, 1) == 0 for c in column.categories):
            raise ValueError(
                f"drift of {self.column}: expected factors ≥ 0, not all 0, for {', '.join(column.categories)}; "
                f"found {self.weights}; correct them."
            )

    def is_active(self, day: date) -> bool:
        """Whether the change holds on a day."""
        return self.start <= day and (self.end is None or day < self.end)

    @property
    def is_of_category(self) -> bool:
        """Whether it reweights categories."""
        return self.column != "y" and UCI.by_source[self.column].kind is not ColumnKind.INTEGER
