"""What the Monitoring page shows."""

# ruff: noqa: RUF009  `described` makes a dataclasses.field, which the rule knows by that name only

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from bank_assets.reports.charts import Chart
from serving.web.view_models import EmptyState, Notice, Tile, described


@dataclass(frozen=True, slots=True)
class AlertLine:
    """Something that people were told."""

    at: str = described("When it happened (ISO).")
    tone: str = described("bad, watch, good or plain.")
    sign: str = described("The same as a word: act, look, done, told, answered or being answered.")
    title: str = described("What is the case, in a few words.")
    text: str = described("What happened, with the numbers.")
    action: str = described("What to do.")
    details: list[str] = described("What a reader may unfold, such as the checks that held.")
    href: str = described("Report or page about it, or empty.")
    run_href: str = described("Run in Dagster, or empty.")


@dataclass(frozen=True, slots=True)
class JudgedNumber:
    """One number of a judged day beside its limit."""

    label: str = described("What was measured.")
    value: str = described("The number, or a sign where the sample is too small.")
    limit: str = described("Its limit in words.")
    is_violated: bool = described("True if the limit is broken.")
    sentence: str = described("The same with everything that went into it.")


@dataclass(frozen=True, slots=True)
class JudgedDay:
    """A day that the loop judged."""

    day: str = described("The day (ISO, data time).")
    numbers: list[JudgedNumber] = described("Each number beside its limit, in one order.")
    answer: str = described("What was answered, and what became of it.")
    tone: str = described("watch if a limit is broken, else plain.")
    reasons: list[str] = described("Why it was answered so, as recorded.")


@dataclass(frozen=True, slots=True)
class ResponseView:
    """What the loop acts on."""

    message: str = described("The newest judged day in one sentence.")
    tiles: list[Tile] = described("Its numbers and limits.")
    charts: list[Chart] = described("Each number over the judged days, with its limit.")
    days: list[JudgedDay] = described("Judged days, newest first.")
    n_earlier: int = described("Judged days before those.")


@dataclass(frozen=True, slots=True)
class HeatCell:
    """Drift of one column in one month."""

    text: str = described("Share of contacts that moved, per cent, or a sign where there is none.")
    shade: str = described("some or much by the size of the effect, else empty; no verdict.")
    sentence: str = described("The same in words.")


@dataclass(frozen=True, slots=True)
class HeatRow:
    """Drift of one column."""

    column: str = described("Name of the column.")
    role: str = described("input, monitored or calendar.")
    cells: list[HeatCell] = described("One per month.")


@dataclass(frozen=True, slots=True)
class DriftDetail:
    """One column of the latest month, in figures."""

    column: str = described("Name of the column.")
    effect: float | None = described("Share of contacts that moved, [0, 1].")
    psi: float | None = described("Population stability index.")
    distance: float | None = described("KS distance without the point mass, or total variation.")
    ks_p: float | None = described("p-value of KS, for information only.")


@dataclass(frozen=True, slots=True)
class DriftView:
    """Drift by column and month."""

    months: list[str] = described("Months, newest first.")
    rows: list[HeatRow] = described("Columns.")
    latest_month: str = described("The newest month.")
    details: list[DriftDetail] = described("Its columns in figures, furthest first.")
    label_rate: Chart = described("Subscription rate by month against the reference.")
    page: str = described("Address of the newest month's report page, or empty.")


@dataclass(frozen=True, slots=True)
class PerformanceRow:
    """One month of realised performance."""

    name: str = described("The month.")
    rows: int = described("Matured contacts.")
    calls: int = described("Of these, called.")
    f1: float | None = described("F1 at the model's threshold.")
    average_precision: float | None = described("Average precision.")
    profit_eur: float | None = described("Profit of the decisions, EUR.")
    profit_everyone_eur: float | None = described("Profit of calling everyone, EUR.")
    observed_expected: float | None = described("Subscriptions observed per expected.")


@dataclass(frozen=True, slots=True)
class PerformanceView:
    """What the decisions really brought."""

    tiles: list[Tile] = described("Figures of the latest window.")
    charts: list[Chart] = described("Profit, F1 and observed/expected by month.")
    rows: list[PerformanceRow] = described("Figures by month.")
    economics: str = described("Cost and value the profit was computed with.")


@dataclass(frozen=True, slots=True)
class ReportLink:
    """A report that can be opened."""

    href: str = described("Its address.")
    name: str = described("What it is.")


@dataclass(frozen=True, slots=True)
class MonitoringPage:
    """Drift, realised performance, reports."""

    template: ClassVar[str] = "pages/monitoring.html"
    title: str = described("Title of the page.")
    notices: list[Notice] = described("What to know first.")
    alerts: list[AlertLine] = described("What people were told, newest first.")
    response: ResponseView | None = described("What the loop acts on, None before the first judged day.")
    response_empty: EmptyState = described("Shown while no day was judged.")
    drift: DriftView | None = described("Drift, None before the first report.")
    drift_empty: EmptyState = described("Shown while there is no drift report.")
    performance: PerformanceView | None = described("Realised performance, None before the first report.")
    performance_empty: EmptyState = described("Shown while there is no performance report.")
    reports: list[ReportLink] = described("Reports that can be opened; empty if none exists.")
