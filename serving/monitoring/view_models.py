"""What the Monitoring page shows."""

# ruff: noqa: RUF009  `described` makes a dataclasses.field, which the rule knows by that name only

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from bank_assets.core.drift.report import ColumnDrift
from bank_assets.core.quality.performance_report import WindowPerformance
from bank_assets.core.response.policy import LimitComparison
from bank_assets.ledger.responses import Judged
from bank_assets.reports.charts import Chart
from bank_assets.store.alert_log import ChannelProgress, LoggedAlert
from serving.web.view_models import Notice, Tile, described


@dataclass(frozen=True, slots=True)
class AlertLine:
    """An alert as people see it."""

    alert: LoggedAlert = described("The alert.")
    tone: str = described("bad, watch, good or plain.")
    sign: str = described("The same as a word: act, look, done, info, answered or being answered.")
    href: str = described("Report or page about it, or empty.")


@dataclass(frozen=True, slots=True)
class JudgedDay:
    """A day that the loop judged."""

    row: Judged = described("The day, and the reasons for the answer, as recorded.")
    numbers: tuple[LimitComparison, ...] = described("Each number beside its limit, in one order.")
    answer: str = described("What was answered, and what became of it.")


@dataclass(frozen=True, slots=True)
class ResponseView:
    """What the loop acts on."""

    message: str = described("The newest judged day in one sentence.")
    tiles: list[Tile] = described("Its numbers and limits.")
    head: list[tuple[str, str]] = described("Label and limit of each number.")
    charts: list[Chart] = described("Each number over the judged days, with its limit.")
    days: list[JudgedDay] = described("Judged days, newest first.")
    n_earlier: int = described("Judged days before those.")


@dataclass(frozen=True, slots=True)
class DriftView:
    """Drift by column and month."""

    months: list[str] = described("Months, newest first.")
    columns: dict[str, list[ColumnDrift | None]] = described("Drift of each column in those months, None if unknown.")
    details: list[ColumnDrift] = described("The columns of the newest month, furthest first.")
    label_rate: Chart = described("Subscription rate by month against the reference.")
    page: str = described("Address of the newest month's report page, or empty.")


@dataclass(frozen=True, slots=True)
class PerformanceView:
    """What the decisions really brought."""

    tiles: list[Tile] = described("Figures of the latest window, and what lists taught.")
    apart: list[str] = described("Outcomes that teach nothing, with their number and the reason.")
    charts: list[Chart] = described("Profit, F1 and observed/expected by month.")
    months: list[WindowPerformance] = described("Figures by month, newest first.")
    economics: str = described("Cost and value the profit was computed with.")


@dataclass(frozen=True, slots=True)
class WithdrawalLine:
    """What was taken back at one time, for one reason."""

    at: str = described("Time, ISO.")
    what: str = described("The delivery, or the number of contacts; their ids are no matter of this page.")
    reason: str = described("Why.")
    by: str = described("Who.")


@dataclass(frozen=True, slots=True)
class MonitoringPage:
    """Drift, realised performance, reports."""

    template: ClassVar[str] = "pages/monitoring.html"
    title: str = described("Title of the page.")
    notices: list[Notice] = described("What to know first.")
    alerts: list[AlertLine] = described("Alerts, newest first.")
    channels: dict[str, ChannelProgress] = described("Where alerts are sent to, by name, and how far each has come.")
    may_test: bool = described("True if this person may send a test alert.")
    response: ResponseView | None = described("What the loop acts on, None before the first judged day.")
    is_ledger_readable: bool = described("False if what the loop judged cannot be read.")
    drift: DriftView | None = described("Drift, None before the first report.")
    performance: PerformanceView | None = described("Realised performance, None before the first report.")
    withdrawals: list[WithdrawalLine] = described("Deliveries and contacts that no longer count, newest first.")
    reports: list[tuple[str, str]] = described("Path and name of each report that can be opened.")
