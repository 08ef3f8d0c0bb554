"""From the champion, its history and the last search to the Model page.

Curves come from `metrics.curves` of decision.json: `calibration` (`core.quality.metrics.CalibrationBin`) and `profit`
(`core.quality.comparison.profit_curve`), both optional.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from bank_assets.contract.contract import Contract
from bank_assets.core.model.reasons import label_of
from bank_assets.core.quality.objective import best_first, ordered_by
from bank_assets.core.words import pct
from bank_assets.ledger.promotions import Promotion
from bank_assets.reports.charts import Chart, Series
from bank_assets.reports.formats import amount_text, count, eur, number
from bank_assets.reports.model_charts import calibration_chart, profit_chart
from serving.decisions.form import labels_of
from serving.model.schemas import ModelInfo
from serving.model.view_models import Weight
from serving.web.templating import moment, words
from serving.web.view_models import PLAIN, Table, Tile

# Metrics shown, in this order, if the bundle has them.
NAMES: Final = {
    "profit_eur": "Profit",
    "roc_auc": "AUC",
    "average_precision": "Average precision",
    "f1": "F1",
    "brier": "Brier score",
    "log_loss": "Log loss",
    "calibration_slope": "Calibration slope",
}
SHOWN_WEIGHTS: Final = 10
Document = Mapping[str, Any]


def identity_table(info: ModelInfo) -> Table:
    """What the model is, name by name."""
    training, parameters = info.training, info.hyper_parameters
    cost, value = (amount_text(info.economics.get(name)) for name in ("cost_eur", "value_eur"))
    given = ", ".join(f"{name} {value}" for name, value in sorted(parameters.items())) or "the recipe's own"
    rows = [
        ["Version", f"{info.name} {info.version}, loaded {moment(info.loaded_at)}"],
        ["Digest", info.digest],
        ["Recipe", f"{words(info.algorithm)}, sampler {words(info.sampler)}"],
        ["Hyper-parameters", given],
        ["Learned from", f"{count(training.get('rows'))} contacts before {training.get('as_of', 'n/a')}"],
        *([["Fitted on", sample_sentence(sample)]] if (sample := training.get("sample")) else []),
        ["Data", training.get("source", "n/a")],
        ["Training snapshot", str(training.get("snapshot", "n/a"))],
        ["MLflow run", str(info.mlflow_run_id or training.get("mlflow_run_id") or "n/a")],
        ["Tuned for", f"{cost} a call, {value} a subscription"],
        ["Thresholds", f"profit {pct(info.thresholds.get('profit'))}, F1 {pct(info.thresholds.get('f1'))}"],
        ["Recalibration", recalibration_sentence(info)],
        ["Registry", info.registry_message],
    ]
    return Table(["Name", "Value"], rows)


def sample_sentence(sample: Mapping[str, int]) -> str:
    """How many contacts the fit used, where there were more than its limit."""
    drawn, limit = count(sample["drawn"]), count(sample["limit"])
    return f"{drawn} of them, drawn by customer and recency (BANK_LEARNING_ROWS {limit})"


def recalibration_sentence(info: ModelInfo) -> str:
    """The current intercept, and what it did to the log loss of the outcomes that it was fitted on."""
    found = info.recalibration
    if not found:
        return "no evidence on file; the next published state records it"
    moved = f"log-odds {found['shift_before']:+.3f} to {found['shift_after']:+.3f} as of {info.as_of}"
    if not found["contacts"]:
        return f"{moved}, no matured outcome yet"
    losses = f"log loss {number(found['log_loss_before'], 4)} to {number(found['log_loss_after'], 4)}"
    return f"{moved}; {losses} on the {count(found['contacts'])} latest matured outcomes, newer ones weighted more"


def metric_tiles(metrics: Document, objective: str) -> list[Tile]:
    """Metrics with their intervals, the objective's own first."""
    intervals = metrics.get("intervals", {})
    tiles = []
    for name in ordered_by(objective, tuple(NAMES)):
        label = NAMES[name]
        write = eur if name == "profit_eur" else number
        interval = intervals.get(name)
        value = interval[1] if interval else metrics.get(name)
        if not isinstance(value, (int, float)):
            continue
        note = f"{write(interval[0])} to {write(interval[2])}, 90 % interval" if interval else "all out-of-time folds"
        tiles.append(Tile(label, write(value), note, PLAIN))
    return tiles


def sentence_on_the_test(metrics: Document) -> str:
    """On what the metrics rest."""
    intervals = metrics.get("intervals", {})
    rows, effective = intervals.get("rows"), intervals.get("effective_rows")
    if not rows:
        return "Measured out of time: on contacts called after those that each fold had learned from."
    size = count(rows) + (f" (effective {count(effective)})" if effective not in (None, rows) else "")
    return (
        f"Measured out of time. Figures with an interval: the latest {size} contacts, called after those it had "
        "learned from; the others: all out-of-time folds together."
    )


def curve_charts(metrics: Document) -> list[Chart]:
    """Calibration and profit curve."""
    curves, charts = metrics.get("curves", {}), []
    if bins := curves.get("calibration"):
        rates = Series("observed", [one["rate"] for one in bins])
        charts.append(calibration_chart([one["mean_proba"] for one in bins], [rates]))
    if profit := curves.get("profit"):
        earned = Series("profit", profit["value"], profit["low"], profit["high"])
        charts.append(profit_chart(profit["share_called"], [earned]))
    return charts


def weights_of(importance: Mapping[str, float], contract: Contract) -> list[Weight]:
    """Importance by feature group, the weightiest first."""
    ordered = sorted(importance.items(), key=lambda item: -item[1])[:SHOWN_WEIGHTS]
    most = max((value for _, value in ordered), default=0.0)
    labels = labels_of(contract)
    return [
        Weight(
            labels.get(group) or label_of(group, {}, contract),
            f"{value * 100:.1f} points",
            round(100 * value / most, 1) if most else 0.0,
        )
        for group, value in ordered
    ]


def candidate_rows(candidates: Sequence[Document], info: ModelInfo, objective: str) -> list[dict[str, Any]]:
    """Candidates, the best by the objective first."""
    return [
        {
            **{name: one.get(name) for name in ("algorithm", "sampler", *NAMES)},
            "is_champion": (one.get("algorithm"), one.get("sampler")) == (info.algorithm, info.sampler),
        }
        for one in sorted(candidates, key=lambda one: best_first(objective, one))
    ]


def verdicts(history: Sequence[Promotion]) -> list[tuple[Promotion, list[str]]]:
    """The history of the gate, each verdict with the numbers behind it."""
    return [
        (one, evidence_lines({name: value for name, value in one.evidence.items() if name != "report"}))
        for one in history
    ]


def evidence_lines(evidence: Document, prefix: str = "") -> list[str]:
    """Nested numbers as `name: value`."""
    lines: list[str] = []
    for name, value in evidence.items():
        label = f"{prefix}{words(str(name))}"
        if isinstance(value, Mapping):
            lines += evidence_lines(value, f"{label}, ")
        else:
            shown = number(value, 4) if isinstance(value, float) else str(value)
            lines.append(f"{label}: {shown}")
    return lines


def earlier_versions(history: Sequence[Promotion], champion: str) -> list[str]:
    """Versions that were champion before, the latest first."""
    found = [one.to_version for one in history if one.decision == "promoted" and one.to_version]
    return [version for version in dict.fromkeys(found) if version != champion]
