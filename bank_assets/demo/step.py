"""What one delivery of the demo led to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from bank_assets.core.alerts.alert import AlertKind
from bank_assets.demo.client import Change
from bank_assets.demo.deliveries import DemoDelivery
from bank_assets.demo.profit import PlayedProfit
from bank_assets.demo.watch import RunParts
from bank_assets.ledger import promotions, responses

FITS: Final = ("refit", "recipe", "probation")
DONE: Final = frozenset((AlertKind.RECALIBRATED, AlertKind.PROMOTED, AlertKind.REFUSED, AlertKind.NIGHTLY_DIGEST))
COLUMNS: Final = {
    "step": 10, "contacts": 8, "alerts": 6, "recal.": 6, "fits": 4, "promoted": 8, "refused": 7, "champion": 8,
    "profit EUR": 11, "never retr.": 11, "swap s": 7, "idle s": 7, "requests": 8, "failed": 6,
}  # fmt: skip
"""Width by heading of the table that the demo prints."""
HEADER: Final = " ".join(f"{name:>{width}}" for name, width in COLUMNS.items())


@dataclass(frozen=True, slots=True)
class StepResult:
    """What one delivery led to.

    Attributes:
        contacts: contacts delivered.
        delivered: moment its files were complete in the landing folder, seconds since the epoch.
        idle_seconds: until the loop had nothing left to do.
        verdicts: of gates, and published recalibrations.
        judged: days that the response policy judged.
        notices: alerts that were sent.
        changes: models and states that began to answer.
        version: champion that answered at the end.
        profit: of all days played so far.
    """

    step: DemoDelivery
    contacts: int
    delivered: float
    idle_seconds: float
    runs: Sequence[RunParts]
    verdicts: Sequence[promotions.Promotion]
    judged: Sequence[responses.Judged]
    notices: Sequence[dict[str, Any]]
    changes: Sequence[Change]
    version: str
    profit: PlayedProfit

    def swap(self) -> Change | None:
        """The first answer by the champion that the step ended with, if it is a new one.

        Several fits can follow from one delivery, because the loop assesses its days one by one.
        """
        versions = [change.version for change in self.changes]
        if len(set(versions)) < 2:
            return None
        return next(change for change in self.changes if change.version == self.version)

    def refreshed(self) -> Change | None:
        """The first answer from the new day's state."""
        return next(iter(self.changes[1:]), None)

    @property
    def alerts(self) -> list[dict[str, Any]]:
        """Notices of a problem; others report what was done."""
        return [notice for notice in self.notices if notice.get("kind") not in DONE]

    @property
    def recalibrations(self) -> int:
        """Days on which the intercept moved materially."""
        return sum(row.is_recalibrated for row in self.judged)

    @property
    def promoted(self) -> list[promotions.Promotion]:
        """Promoted fits in order, without the first champion."""
        return [row for row in self.verdicts if row.kind in FITS and row.decision == "promoted"]

    def count(self, kinds: Sequence[str], decision: str | None = None) -> int:
        """Verdicts of some kinds."""
        return sum(row.kind in kinds and decision in (None, row.decision) for row in self.verdicts)

    def row(self, requests: int, failures: int) -> str:
        """One line under `HEADER`, with the client's requests and failures so far."""
        swap = self.swap()
        fits = [*FITS, "first"]
        cells = (
            self.step.name,
            f"{self.contacts:,}",
            len(self.alerts),
            self.recalibrations,
            self.count(fits),
            self.count(fits, "promoted"),
            self.count(fits, "refused"),
            self.version or "-",
            f"{self.profit.profit_eur:,.0f}",
            f"{self.profit.profit_never_retrained_eur:,.0f}",
            "-" if swap is None else f"{swap.at - self.delivered:.0f}",
            f"{self.idle_seconds:.0f}",
            f"{requests:,}",
            failures,
        )
        return " ".join(f"{cell!s:>{width}}" for cell, width in zip(cells, COLUMNS.values(), strict=True))
