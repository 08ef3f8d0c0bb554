"""What a validation found: our own words, which cross the border of this package.

What lives here: frozen results. What must not: GX objects.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class MonthValidation:
    """Findings of one month.

    Attributes:
        rows: contacts of the month.
        errors: findings that hold the month, as sentences.
        warnings: hints as sentences.
    """

    rows: int = 0
    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ExpectationOutcome:
    """One expectation over all months of the run, as Great Expectations judged it.

    Attributes:
        name: name of the rule.
        severity: `error` or `warning`.
        is_met: whether every judged month meets it.
        unmet: months that do not.
    """

    name: str
    severity: str
    is_met: bool
    unmet: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ValidationSummary:
    """Findings of a run.

    Attributes:
        months: findings by month.
        expectations: every expectation over the whole frame.
        data_docs: index page of the report.
    """

    months: Mapping[str, MonthValidation]
    expectations: tuple[ExpectationOutcome, ...]
    data_docs: Path

    @property
    def is_passed(self) -> bool:
        """Whether no month has an error."""
        return not any(month.errors for month in self.months.values())
