"""What the Model page shows."""

# ruff: noqa: RUF009  `told` makes a dataclasses.field, which the rule knows by that name only

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from bank_assets.reports.charts import Chart
from serving.web.view_models import EmptyState, Notice, Table, Tile, told


@dataclass(frozen=True, slots=True)
class Weight:
    """How much one group of features moves probabilities."""

    label: str = told("The group in words.")
    amount: str = told("Mean absolute effect, percentage points.")
    width: float = told("Length of its bar, per cent of the longest.")


@dataclass(frozen=True, slots=True)
class CandidateRow:
    """One candidate of the last search."""

    algorithm: str = told("Algorithm.")
    sampler: str = told("Sampler, none for none.")
    roc_auc: float | None = told("AUC out of time.")
    average_precision: float | None = told("Average precision out of time.")
    f1: float | None = told("F1 out of time.")
    brier: float | None = told("Brier score out of time; smaller is better.")
    profit_eur: float | None = told("Profit out of time, EUR.")
    is_champion: bool = told("True if it has the champion's algorithm and sampler.")


@dataclass(frozen=True, slots=True)
class Verdict:
    """One verdict of the promotion gate, or a rollback."""

    at: str = told("When (ISO).")
    kind: str = told("first, refit, recipe, recalibration or rollback.")
    is_promoted: bool = told("True if the challenger came into force.")
    from_version: str = told("Champion before, or empty.")
    to_version: str = told("Challenger.")
    reasons: list[str] = told("Why, as sentences.")
    evidence: list[str] = told("Numbers behind it, name and value.")
    report: str = told("Address of the page about it, or empty.")
    actor: str = told("Who decided.")


@dataclass(frozen=True, slots=True)
class RollbackForm:
    """Putting an earlier version in force."""

    versions: list[str] = told("Versions that were in force before.")
    may: bool = told("True if this person may.")
    version: str = told("Version that was chosen, or empty.", default="")
    reason: str = told("Reason that was given, or empty.", default="")
    fault: str = told("Why nothing was done, or empty.", default="")


@dataclass(frozen=True, slots=True)
class ModelPage:
    """The model in force, how good it is, what else was tried, who was champion when."""

    template: ClassVar[str] = "pages/model.html"
    title: str = told("Title of the page.")
    notices: list[Notice] = told("What to know first, such as a rollback just done.")
    identity: Table = told("Name and value: version, digest, recipe, training, thresholds.")
    tiles: list[Tile] = told("Out-of-time metrics with their intervals.")
    tested: str = told("On how many contacts the metrics rest, in words.")
    charts: list[Chart] = told("Calibration and profit curve; empty if the bundle carries none.")
    charts_empty: EmptyState = told("Shown while the bundle carries no curves.")
    weights: list[Weight] = told("What moves the probabilities, the weightiest first.")
    candidates: list[CandidateRow] = told("Candidates of the last search.")
    chosen_by: str = told("What a recipe is chosen by, profit or F1.")
    candidates_empty: EmptyState = told("Shown while no search is on file.")
    history: list[Verdict] = told("Verdicts, the newest first.")
    rollback: RollbackForm = told("The rollback form.")
