"""From the pipeline's reports (drift, performance, alerts) to the Monitoring page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from bank_assets.core.alerts.alert import key_of
from bank_assets.core.alerts.catalogue import ResponseBegan
from bank_assets.core.drift.report import shade
from bank_assets.reports.charts import Chart, Series
from bank_assets.reports.formats import NONE, amount_text, count, eur, number, pct
from serving.monitoring.response_views import LoopHistory
from serving.monitoring.view_models import AlertLine, DriftView, HeatCell, HeatRow, PerformanceView
from serving.web.view_models import BAD, PLAIN, Tile

SHOWN_MONTHS: Final = 18
"""Months of the heat table: about one screen; older ones are in the reports."""
SIGNS: Final = {"bad": "act", "watch": "look", "good": "done", "plain": "info"}
"""Tone of an alert -> the word on its badge."""
ANSWERED_BY_THE_LOOP: Final = ("response", "drift", "decay")
"""Kinds of alerts about what the loop judges; the last two were written by earlier versions."""
OVERVIEWS: Final = ("/", "/monitoring")
"""Pages that show alerts: a link from there to there leads nowhere."""
Document = Mapping[str, Any]


def effect_of(column: Document) -> float | None:
    """Share of contacts that moved, [0, 1], as `ColumnDrift.effect` defines it."""
    distance = column["ks_distance_rest"] if column["kind"] == "numeric" else column["total_variation"]
    shifts = [] if distance is None else [distance * column["weight"]]
    if column["point_mass_reference"] is not None and column["point_mass_current"] is not None:
        shifts.append(abs(column["point_mass_reference"] - column["point_mass_current"]))
    return max(shifts, default=None)


def alert_lines(alerts: Sequence[dict[str, Any]], history: LoopHistory | None) -> list[AlertLine]:
    """Arrange alerts, newest first. Those that the loop responds to are no task for people, unless it has stopped."""
    loop = history or LoopHistory()
    fit = loop.fit_in_progress
    waiting = key_of(ResponseBegan.kind, fit.episode_id) if fit and fit.episode_id else ""
    return [_alert_line(one, is_stopped=bool(loop.stopped_on), waiting=waiting) for one in alerts]


def is_answered(alert: Document, *, is_stopped: bool) -> bool:
    """Whether the loop responds to the alert by itself, so no person has to act."""
    return alert["kind"] in ANSWERED_BY_THE_LOOP and not (is_stopped and alert["tone"] == BAD)


def _alert_line(one: dict[str, Any], *, is_stopped: bool, waiting: str) -> AlertLine:
    tone, sign = str(one["tone"]), SIGNS.get(one["tone"], "info")
    if is_answered(one, is_stopped=is_stopped):
        tone, sign = PLAIN, "being answered" if one["key"] == waiting else "answered"
    page = "" if one["page"] in OVERVIEWS else one["page"]
    return AlertLine(one, tone, sign, page)


def drift_view(reports: Mapping[str, Document], page: str = "") -> DriftView:
    """Arrange drift reports."""
    months = list(reports)[-SHOWN_MONTHS:]
    newest_first, latest = months[::-1], reports[months[-1]]
    names = list(dict.fromkeys(column["column"] for month in months for column in reports[month]["columns"]))
    by_month = {month: {column["column"]: column for column in reports[month]["columns"]} for month in months}
    rows = []
    for name in names:
        cells = [_cell(by_month[month].get(name), month) for month in newest_first]
        role = next(by_month[month][name]["role"] for month in months if name in by_month[month])
        rows.append(HeatRow(name, role, cells))
    return DriftView(newest_first, rows, months[-1], _details(latest), _label_rate(reports, months), page)


def _cell(column: Document | None, month: str) -> HeatCell:
    if column is None:
        return HeatCell("–", "", f"{month}: not in the report.")
    effect = effect_of(column)
    if effect is None:
        return HeatCell(NONE, "", f"{month}: not measured.")
    return HeatCell(f"{effect * 100:.0f} %", shade(effect), f"{month}: {effect * 100:.0f} % of the contacts moved.")


def _details(latest: Document) -> list[dict[str, Any]]:
    details = [
        {
            **column,
            "effect": effect_of(column),
            "distance": column["ks_distance_rest"] if column["kind"] == "numeric" else column["total_variation"],
        }
        for column in latest["columns"]
    ]
    return sorted(details, key=lambda one: -(one["effect"] or 0.0))


def _label_rate(reports: Mapping[str, Document], months: Sequence[str]) -> Chart:
    now = [reports[month]["label_current"] for month in months]
    reference = [reports[month]["label_reference"]["rate"] for month in months]
    return Chart(
        "label-rate",
        "Subscription rate among known outcomes, with its 95 % interval",
        "month",
        "subscription rate",
        list(months),
        [
            Series(
                "This month", [one["rate"] for one in now], [one["low"] for one in now], [one["high"] for one in now]
            ),
            Series("Reference", reference, style="reference"),
        ],
        "pct",
    )


def performance_view(report: Document) -> PerformanceView:
    """Arrange a performance report."""
    cost, value = (amount_text(report["economics"][name]) for name in ("cost_eur", "value_eur"))
    return PerformanceView(
        tiles=_latest(report["latest"], report["matured"]),
        charts=_performance_charts(report["months"], report["baseline"]["roc_auc"]),
        months=report["months"][::-1],
        economics=f"At {cost} a call and {value} a subscription.",
    )


def _performance_charts(months: Sequence[Document], promised_auc: float | None) -> list[Chart]:
    def chart(name: str, title: str, y_label: str, y_format: str, *series: Series) -> Chart:
        return Chart(name, title, "month", y_label, [month["name"] for month in months], series, y_format)

    def line(name: str, key: str, style: str = "line") -> Series:
        return Series(name, [month[key] for month in months], style=style)

    def band(name: str, key: str) -> Series:
        values, low, high = ([month[f"{key}{end}"] for month in months] for end in ("", "_low", "_high"))
        return Series(name, values, low, high)

    def level(name: str, value: float | None) -> Series:
        return Series(name, [value] * len(months), style="reference")

    return [
        chart(
            "profit",
            "Profit of the decisions and of calling everyone",
            "profit, EUR",
            "eur",
            line("Decisions", "profit_eur", "bars"),
            line("Everyone", "profit_everyone_eur", "bars"),
        ),
        chart(
            "observed-expected",
            "Subscriptions observed per expected; 1 is right",
            "observed / expected",
            "ratio",
            band("Observed / expected", "observed_expected"),
            level("As expected", 1.0),
        ),
        chart(
            "f1",
            "F1 at the model's threshold, and average precision",
            "share",
            "ratio",
            line("F1", "f1"),
            line("Average precision", "average_precision"),
        ),
        chart(
            "auc",
            "Ranking: AUC of each month, with its interval",
            "AUC",
            "ratio",
            band("AUC", "roc_auc"),
            level("Promised", promised_auc),
        ),
    ]


def _latest(latest: Document | None, matured: int) -> list[Tile]:
    if latest is None:
        return [Tile("Matured contacts", count(matured), "none to judge yet")]
    span = f"{latest['first_day']} to {latest['last_day']}"
    ends = (latest["observed_expected_low"], latest["observed_expected_high"])
    ratio = f"{number(ends[0], 2)} to {number(ends[1], 2)}"
    return [
        Tile("Latest window", f"{count(latest['rows'])} contacts", span),
        Tile("Profit", eur(latest["profit_eur"]), f"everyone {eur(latest['profit_everyone_eur'])}"),
        Tile("F1", number(latest["f1"]), f"of the calls {number(latest['f1_of_calls'])}"),
        Tile("Observed / expected", number(latest["observed_expected"], 2), ratio),
        Tile("AUC", number(latest["roc_auc"]), f"{number(latest['roc_auc_low'])} to {number(latest['roc_auc_high'])}"),
        Tile("Subscribed", pct(latest["subscribed"] / latest["rows"] if latest["rows"] else None), "of matured"),
    ]
