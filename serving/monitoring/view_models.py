"""What the Monitoring page shows."""

# ruff: noqa: RUF009  `told` makes a dataclasses.field, which the rule knows by that name only

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from bank_assets.reports.charts import Chart
from serving.web.view_models import EmptyState, Notice, Tile, told


@dataclass(frozen=True, slots=True)
class AlertLine:
    """Something that people were told."""

    at: str = told("When it happened (ISO).")
    tone: str = told("bad, watch, good or plain.")
    sign: str = told("The same as a word: act, look, done, told, answered or being answered.")
    title: str = told("What is the case, in a few words.")
    text: str = told("What happened, with the numbers.")
    action: str = told("What to do.")
    details: list[str] = told("What a reader may unfold, such as the checks that held.")
    href: str = told("Report or page about it, or empty.")
    run_href: str = told("Run in Dagster, or empty.")


@dataclass(frozen=True, slots=True)
class JudgedNumber:
    """One number of a judged day beside its limit."""

    label: str = told("What was measured.")
    value: str = told("The number, or a sign where the sample is too small.")
    limit: str = told("Its limit in words.")
    is_violated: bool = told("True if the limit is broken.")
    sentence: str = told("The same with everything that went into it.")


@dataclass(frozen=True, slots=True)
class JudgedDay:
    """A day that the loop judged."""

    day: str = told("The day (ISO, data time).")
    numbers: list[JudgedNumber] = told("Each number beside its limit, in one order.")
    answer: str = told("What was answered, and what became of it.")
    tone: str = told("watch if a limit is broken, else plain.")
    reasons: list[str] = told("Why it was answered so, as recorded.")


@dataclass(frozen=True, slots=True)
class ResponseView:
    """What the loop acts on."""

    message: str = told("The newest judged day in one sentence.")
    tiles: list[Tile] = told("Its numbers and limits.")
    charts: list[Chart] = told("Each number over the judged days, with its limit.")
    days: list[JudgedDay] = told("Judged days, newest first.")
    n_earlier: int = told("Judged days before those.")


@dataclass(frozen=True, slots=True)
class HeatCell:
    """Drift of one column in one month."""

    text: str = told("Share of contacts that moved, per cent, or a sign where there is none.")
    shade: str = told("some or much by the size of the effect, else empty; no verdict.")
    sentence: str = told("The same in words.")


@dataclass(frozen=True, slots=True)
class HeatRow:
    """Drift of one column."""

    column: str = told("Name of the column.")
    role: str = told("input, monitored or calendar.")
    cells: list[HeatCell] = told("One per month.")


@dataclass(frozen=True, slots=True)
class DriftDetail:
    """One column of the latest month, in figures."""

    column: str = told("Name of the column.")
    effect: float | None = told("Share of contacts that moved, [0, 1].")
    psi: float | None = told("Population stability index.")
    distance: float | None = told("KS distance without the point mass, or total variation.")
    ks_p: float | None = told("p-value of KS, for information only.")


@dataclass(frozen=True, slots=True)
class DriftView:
    """Drift by column and month."""

    months: list[str] = told("Months, newest first.")
    rows: list[HeatRow] = told("Columns.")
    latest_month: str = told("The newest month.")
    details: list[DriftDetail] = told("Its columns in figures, furthest first.")
    label_rate: Chart = told("Subscription rate by month against the reference.")
    page: str = told("Address of the newest month's report page, or empty.")


@dataclass(frozen=True, slots=True)
class PerformanceRow:
    """One month of realised performance."""

    name: str = told("The month.")
    rows: int = told("Matured contacts.")
    calls: int = told("Of these, called.")
    f1: float | None = told("F1 at the model's threshold.")
    average_precision: float | None = told("Average precision.")
    profit_eur: float | None = told("Profit of the decisions, EUR.")
    profit_everyone_eur: float | None = told("Profit of calling everyone, EUR.")
    observed_expected: float | None = told("Subscriptions observed per expected.")


@dataclass(frozen=True, slots=True)
class PerformanceView:
    """What the decisions really brought."""

    tiles: list[Tile] = told("Figures of the latest window.")
    charts: list[Chart] = told("Profit, F1 and observed/expected by month.")
    rows: list[PerformanceRow] = told("Figures by month.")
    economics: str = told("Cost and value the profit was computed with.")


@dataclass(frozen=True, slots=True)
class ReportLink:
    """A report that can be opened."""

    href: str = told("Its address.")
    name: str = told("What it is.")


@dataclass(frozen=True, slots=True)
class MonitoringPage:
    """Drift, realised performance, reports."""

    template: ClassVar[str] = "pages/monitoring.html"
    title: str = told("Title of the page.")
    notices: list[Notice] = told("What to know first.")
    alerts: list[AlertLine] = told("What people were told, newest first.")
    response: ResponseView | None = told("What the loop acts on, None before the first judged day.")
    response_empty: EmptyState = told("Shown while no day was judged.")
    drift: DriftView | None = told("Drift, None before the first report.")
    drift_empty: EmptyState = told("Shown while there is no drift report.")
    performance: PerformanceView | None = told("Realised performance, None before the first report.")
    performance_empty: EmptyState = told("Shown while there is no performance report.")
    reports: list[ReportLink] = told("Reports that can be opened; empty if none exists.")
