"""From the pipeline's reports (drift, performance, alerts) to the Monitoring page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from bank_assets.core.alerts.alert import AlertKind, key_of
from bank_assets.core.drift.report import DriftReport
from bank_assets.core.features.feedback import Feedback
from bank_assets.core.quality.performance_report import PerformanceReport, WindowPerformance
from bank_assets.core.words import pct
from bank_assets.landing.register import Withdrawal
from bank_assets.reports.charts import Chart, Series
from bank_assets.reports.drift_page import by_column, rate_chart
from bank_assets.reports.formats import amount_text, count, eur, number
from bank_assets.store.alert_log import FILE_NAME, LoggedAlert
from serving.monitoring.reports import Reports
from serving.monitoring.response_views import LoopHistory
from serving.monitoring.view_models import AlertLine, DriftView, PerformanceView, WithdrawalLine
from serving.web.view_models import BAD, PLAIN, WATCH, Notice, Tile

SHOWN_MONTHS: Final = 18  # months of the heat table: about one screen; older ones are in the reports
# Tone of an alert -> the word on its badge.
SIGNS: Final = {"bad": "act", "watch": "look", "good": "done", "plain": "info"}
# Kinds of alerts about what the loop judges; the last two were written by earlier versions.
ANSWERED_BY_THE_LOOP: Final = (AlertKind.RESPONSE, "drift", "decay")
OVERVIEWS: Final = ("/", "/monitoring")  # pages that show alerts: a link from there to there leads nowhere


def fault_notices(reports: Reports) -> list[Notice]:
    """Reports that could not be read for this page, one notice for those of a folder with the same fault."""
    alike: dict[tuple[str, str], list[str]] = {}
    for name, why in reports.faults.items():
        folder = name.rpartition("/")[0]
        alike.setdefault((folder, why), []).append(f"A line of {name}" if name == FILE_NAME else name)
    return [
        Notice(WATCH, f"{', '.join(names[:2])}{f' and {len(names) - 2} more' * (len(names) > 2)} cannot be read", why)
        for (_, why), names in alike.items()
    ]


def alert_lines(alerts: Sequence[LoggedAlert], history: LoopHistory | None) -> list[AlertLine]:
    """Arrange alerts, newest first. Those that the loop responds to are no task for people, unless it has stopped."""
    loop, lines = history or LoopHistory(), []
    fit = loop.fit_in_progress
    waiting = key_of(AlertKind.RESPONSE, fit.episode_id) if fit and fit.episode_id else ""
    for one in alerts:
        tone, sign = one.tone, SIGNS.get(one.tone, "info")
        if one.kind in ANSWERED_BY_THE_LOOP and not (loop.stopped_on and tone == BAD):
            tone, sign = PLAIN, "being answered" if one.key == waiting else "answered"
        lines.append(AlertLine(one, tone, sign, "" if one.page in OVERVIEWS else one.page))
    return lines


def withdrawal_lines(made: Sequence[Withdrawal]) -> list[WithdrawalLine]:
    """Arrange withdrawals, newest first; the contacts of one file or reason are one line."""
    alike = Counter((one.at, one.delivery, one.reason, one.by or "a file in landing/withdrawals") for one in made)
    lines = [
        WithdrawalLine(at, delivery or f"{count(n)} contact{'s' if n > 1 else ''}", reason, by)
        for (at, delivery, reason, by), n in alike.items()
    ]
    return lines[::-1]


def drift_view(reports: Mapping[str, DriftReport], page: str = "") -> DriftView:
    """Arrange drift reports by month, oldest first."""
    shown = dict(list(reports.items())[-SHOWN_MONTHS:])
    months, newest_first = list(shown)[::-1], list(shown.values())[::-1]
    details = sorted(newest_first[0].columns, key=lambda one: -(one.effect or 0.0))
    return DriftView(months, by_column(one.columns for one in newest_first), details, rate_chart(shown), page)


def performance_view(report: PerformanceReport) -> PerformanceView:
    """Arrange a performance report."""
    cost, value = (amount_text(report.economics.get(name)) for name in ("cost_eur", "value_eur"))
    return PerformanceView(
        tiles=_latest(report.latest, report.matured) + _learned(report.feedback),
        apart=[f"{count(n)} {text}" for text, n in report.feedback.apart.items()],
        charts=_performance_charts(report.months, report.baseline.roc_auc),
        months=list(report.months[::-1]),
        economics=f"At {cost} a call and {value} a subscription.",
    )


def _performance_charts(months: Sequence[WindowPerformance], validated_auc: float | None) -> list[Chart]:
    def chart(name: str, title: str, y_label: str, y_format: str, *series: Series) -> Chart:
        return Chart(name, title, "month", y_label, [month.name for month in months], series, y_format)

    def line(name: str, key: str, style: str = "line") -> Series:
        return Series(name, [getattr(month, key) for month in months], style=style)

    def band(name: str, key: str) -> Series:
        values, low, high = ([getattr(month, f"{key}{end}") for month in months] for end in ("", "_low", "_high"))
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
            level("At validation", validated_auc),
        ),
    ]


def _learned(feedback: Feedback) -> list[Tile]:
    """What lists taught; nothing where every outcome teaches."""
    if not feedback.calls_due:
        return []
    made = f"{pct(feedback.calls_made / feedback.calls_due, 0)} of {count(feedback.calls_due)} calls of lists made"
    made += f", {count(feedback.explored)} of them explored"
    return [Tile("Learned from", f"{count(feedback.n_taught)} outcomes", made)]


def _latest(latest: WindowPerformance | None, matured: int) -> list[Tile]:
    if latest is None:
        return [Tile("Matured contacts", count(matured), "none to judge yet")]
    span = f"{latest.first_day} to {latest.last_day}"
    if latest.effective_rows is not None:
        span += f", effective {count(latest.effective_rows)}"
    ends = (latest.observed_expected_low, latest.observed_expected_high)
    ratio = f"{number(ends[0], 2)} to {number(ends[1], 2)}"
    everyone, basis = eur(latest.profit_everyone_eur), latest.everyone.basis if latest.everyone else ""
    everyone += f" ({basis})" if basis else ""
    return [
        Tile("Latest window", f"{count(latest.rows)} contacts", span),
        Tile("Profit", eur(latest.profit_eur), f"everyone {everyone}"),
        Tile("F1", number(latest.f1), f"of the calls {number(latest.f1_of_calls)}"),
        Tile("Observed / expected", number(latest.observed_expected, 2), ratio),
        Tile("AUC", number(latest.roc_auc), f"{number(latest.roc_auc_low)} to {number(latest.roc_auc_high)}"),
        Tile("Subscribed", pct(latest.subscribed / latest.rows if latest.rows else None), "of matured"),
    ]
