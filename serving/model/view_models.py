"""What the Model page shows."""

# ruff: noqa: RUF009  `described` makes a dataclasses.field, which the rule knows by that name only

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from bank_assets.reports.charts import Chart
from serving.web.view_models import EmptyState, Notice, Table, Tile, described


@dataclass(frozen=True, slots=True)
class Weight:
    """How much one group of features moves probabilities."""

    label: str = described("The group in words.")
    amount: str = described("Mean absolute effect, percentage points.")
    width: float = described("Length of its bar, per cent of the longest.")


@dataclass(frozen=True, slots=True)
class CandidateRow:
    """One candidate of the last search."""

    algorithm: str = described("Algorithm.")
    sampler: str = described("Sampler, none for none.")
    roc_auc: float | None = described("AUC out of time.")
    average_precision: float | None = described("Average precision out of time.")
    f1: float | None = described("F1 out of time.")
    brier: float | None = described("Brier score out of time; smaller is better.")
    profit_eur: float | None = described("Profit out of time, EUR.")
    is_champion: bool = described("True if it has the champion's algorithm and sampler.")


@dataclass(frozen=True, slots=True)
class Verdict:
    """One verdict of the promotion gate, or a rollback."""

    at: str = described("When (ISO).")
    kind: str = described("first, refit, recipe, recalibration or rollback.")
    is_promoted: bool = described("True if the challenger came into force.")
    from_version: str = described("Champion before, or empty.")
    to_version: str = described("Challenger.")
    reasons: list[str] = described("Why, as sentences.")
    evidence: list[str] = described("Numbers behind it, name and value.")
    report: str = described("Address of the page about it, or empty.")
    actor: str = described("Who decided.")


@dataclass(frozen=True, slots=True)
class RollbackForm:
    """Putting an earlier version in force."""

    versions: list[str] = described("Versions that were in force before.")
    may: bool = described("True if this person may.")
    version: str = described("Version that was chosen, or empty.", default="")
    reason: str = described("Reason that was given, or empty.", default="")
    fault: str = described("Why nothing was done, or empty.", default="")


@dataclass(frozen=True, slots=True)
class ModelPage:
    """The model in force, how good it is, what else was tried, who was champion when."""

    template: ClassVar[str] = "pages/model.html"
    title: str = described("Title of the page.")
    notices: list[Notice] = described("What to know first, such as a rollback just done.")
    identity: Table = described("Name and value: version, digest, recipe, training, thresholds.")
    tiles: list[Tile] = described("Out-of-time metrics with their intervals.")
    tested: str = described("On how many contacts the metrics rest, in words.")
    charts: list[Chart] = described("Calibration and profit curve; empty if the bundle carries none.")
    charts_empty: EmptyState = described("Shown while the bundle carries no curves.")
    weights: list[Weight] = described("What moves the probabilities, the weightiest first.")
    candidates: list[CandidateRow] = described("Candidates of the last search.")
    chosen_by: str = described("What a recipe is chosen by, profit or F1.")
    candidates_empty: EmptyState = described("Shown while no search is on file.")
    history: list[Verdict] = described("Verdicts, the newest first.")
    rollback: RollbackForm = described("The rollback form.")
