"""What the Model page shows."""

# ruff: noqa: RUF009  `described` makes a dataclasses.field, which the rule knows by that name only

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from bank_assets.ledger.promotions import Promotion
from bank_assets.reports.charts import Chart
from serving.web.view_models import Notice, Table, Tile, described


@dataclass(frozen=True, slots=True)
class Weight:
    """How much one group of features moves probabilities."""

    label: str = described("The group in words.")
    amount: str = described("Mean absolute effect, percentage points.")
    width: float = described("Length of its bar, per cent of the longest.")


@dataclass(frozen=True, slots=True)
class RollbackForm:
    """Making an earlier version the champion again."""

    versions: list[str] = described("Versions that were champion before.")
    may: bool = described("True if this person may.")
    version: str = described("Version that was chosen, or empty.", default="")
    reason: str = described("Reason that was given, or empty.", default="")
    fault: str = described("Why nothing was done, or empty.", default="")


@dataclass(frozen=True, slots=True)
class ModelPage:
    """The champion, how good it is, what else was tried, who was champion when."""

    template: ClassVar[str] = "pages/model.html"
    title: str = described("Title of the page.")
    notices: list[Notice] = described("What to know first, such as a rollback just done.")
    identity: Table = described("Name and value: version, digest, recipe, training, thresholds.")
    tiles: list[Tile] = described("Out-of-time metrics with their intervals.")
    tested: str = described("On how many contacts the metrics rest, in words.")
    charts: list[Chart] = described("Calibration and profit curve; empty if the bundle carries none.")
    weights: list[Weight] = described("What moves the probabilities, the weightiest first.")
    candidates: list[dict[str, Any]] = described(
        "Candidates of the last search: algorithm, sampler, out-of-time metrics, is_champion."
    )
    chosen_by: str = described("What a recipe is chosen by, profit or F1.")
    history: list[tuple[Promotion, list[str]]] = described(
        "Verdicts of the gate and rollbacks, the newest first, each with the numbers behind it, name and value."
    )
    rollback: RollbackForm = described("The rollback form.")
