"""The drift report as one HTML page that a manager can read: what moved, in plain words.

The page describes a month and gives no verdict, since nothing acts on a month; it names the loop's limits instead. The
drift asset writes it; alerts, the Dagster run and the web app link to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any, Final

from bank_assets.core.drift.profile import Profile
from bank_assets.core.drift.report import ColumnDrift, DriftReport, DriftRole, DriftStatus, LabelRate
from bank_assets.core.response.policy import ResponsePolicy
from bank_assets.core.words import pct
from bank_assets.reports.charts import Chart, Series
from bank_assets.reports.drift_words import bars_of, words_of
from bank_assets.reports.page import render

SHOWN_BARS: Final = 6  # columns shown with their distribution; the others are in the table
SHOWN_PERIODS: Final = 12
MATTERS_MUCH: Final = 0.10  # of the model's weight
MATTERS: Final = 0.03

_ROLE_WORDS: Final = {
    DriftRole.INPUT: "",
    DriftRole.MONITORED: "Known only after the call, so the model does not use it.",
    DriftRole.CALENDAR: "Calendar, moves by itself.",
}

_TEMPLATE: Final = """<h1>{{ headline }}</h1>
<p class="quiet">{{ report.current_span }} ({{ report.rows_current|count }} contacts), compared with
{{ report.reference_name }}, {{ report.reference_span }} ({{ report.rows_reference|count }} contacts)</p>
{% if source %}<p><strong>Data: {{ source }}</strong></p>{% endif %}
<div class="notice">
<p>{{ summary }}</p>
{% if matters %}<p>{{ matters }}</p>{% endif %}
<p><strong>What to do:</strong> nothing. The loop does not act on months. It judges each delivered day by the
{{ policy.window_days }} days before it, and answers if a column moved by more than {{ policy.covariate_excess|pct(0) }}
of the contacts beyond noise, if subscriptions are more than {{ "%g"|format(policy.calibration_ratio) }} times those
expected or fewer by that factor, or if the AUC is certainly below {{ "%g"|format(policy.ranking_floor) }}. The
Monitoring page shows these numbers.</p>
</div>
{% if report.reference_overlaps %}
<p>The two periods share days, so changes look smaller than they are.</p>
{% endif %}
<h2>Subscription rate</h2>
<p>{{ rates }}</p>
{% if rate_chart %}{{ charts.chart(rate_chart) }}{% endif %}
{% if moved %}
<h2>What changed</h2>
<p class="quiet">Furthest first. Upper bar: before; lower bar: now.</p>
<div class="grid two">
{% for one in moved %}
<article class="card"><header><h3>{{ one.column.column }}</h3>
<span class="quiet">{{ one.column.effect|pct(0) }} moved</span></header>
<p class="quiet">{{ one.description }}</p>
<p>{{ one.words }}.{% if one.role %} <span class="quiet">{{ one.role }}</span>{% endif %}</p>
{% if one.weight %}<p class="weight">{{ one.weight }}</p>{% endif %}
{% if one.bars %}
<table class="bars"><caption>Share of contacts</caption>
<thead><tr><th scope="col">value</th><th scope="col"></th><th scope="col" class="num">before</th>
<th scope="col" class="num">now</th></tr></thead>
<tbody>{% for bar in one.bars %}
<tr><th scope="row">{{ bar.label }}</th><td>{{ bar.drawing }}</td>
<td class="num">{{ bar.before|pct(0) }}</td><td class="num">{{ bar.now|pct(0) }}</td></tr>
{% endfor %}</tbody></table>
{% endif %}
</article>
{% endfor %}
</div>
{% endif %}
{% if periods %}
<h2>Over time</h2>
<p class="quiet">Share of contacts that moved, in per cent. The shades begin at 10 and 25 % and are no limits.</p>
<div class="scroll" tabindex="0" role="region" aria-label="Drift by column and period">
<table class="heat"><thead><tr><th scope="col">Column</th>
{% for name in periods %}<th scope="col">{{ name }}</th>{% endfor %}</tr></thead>
<tbody>{% for name, cells in heat.items() %}
<tr><th scope="row">{{ name }}</th>{% for one in cells %}
{% if one is none or one.effect is none %}<td class="unknown">–</td>{% else %}
<td class="{{ one.shade }}">{{ "%.0f"|format(100 * one.effect) }}</td>{% endif %}{% endfor %}</tr>
{% endfor %}</tbody></table></div>
{% endif %}
<h2>All columns</h2>
<div class="scroll" tabindex="0" role="region" aria-label="All columns with their statistics">
<table>
<thead><tr><th scope="col">Column</th><th scope="col" class="num">Moved</th><th scope="col" class="num">PSI</th>
<th scope="col" class="num">D or variation</th><th scope="col" class="num">KS p</th></tr></thead>
<tbody>
{% for column in report.columns %}
<tr><th scope="row">{{ column.column }}</th>
<td class="num">{{ "n/a" if column.effect is none else column.effect|pct(0) }}</td>
<td class="num">{{ column.psi|number }}</td>
<td class="num">{{ column.distance|number }}</td>
<td class="num">{{ column.ks_p_value|p_value }}</td></tr>
{% endfor %}
</tbody>
</table></div>
<h2>How to read this</h2>
<p>Look at the size of a change, not at its p-value: with many contacts every small change is "significant". Values that
stand for "none" (no earlier contact, nothing on an account) are compared apart from the rest.
PSI is the population stability index over ten equal shares of the reference; D is the Kolmogorov–Smirnov distance; the
variation is the share of contacts that would have to change category.{% if has_importance %} The weight of a column is
its share of what moves the model's probabilities.{% endif %}</p>
"""


def drift_page(
    report: DriftReport,
    reference: Profile | None,
    current: Profile,
    *,
    history: Mapping[str, DriftReport] | None = None,
    importance: Mapping[str, float] | None = None,
    source: str = "",
) -> str:
    """Write the page, one HTML document without outside resources; all text is escaped.

    Args:
        report: the comparison.
        reference: the profile compared with, None if there was none.
        current: the profile of the window.
        history: reports of earlier windows by name, in order, this one last.
        importance: mean absolute contribution to the probability by column, on any scale.
        source: where the data comes from ("simulated"), shown at the top.
    """
    total = sum((importance or {}).values())
    weights = {name: value / total for name, value in (importance or {}).items()} if total else {}
    shown = dict(list((history or {}).items())[-SHOWN_PERIODS:])
    moved = _moved_columns(report)
    headline = _headline(report, len(moved))
    return render(
        _TEMPLATE,
        title=f"{headline} · {report.current_span}",
        report=report,
        headline=headline,
        summary=_summary(report, moved),
        matters=_matters(moved, weights),
        policy=ResponsePolicy(),
        rates=_rates(report.label_reference, report.label_current),
        rate_chart=rate_chart(shown) if len(shown) > 1 else None,
        moved=_cards(moved, reference, current, weights),
        has_importance=bool(weights),
        periods=list(shown)[::-1] if len(shown) > 1 else [],
        heat=by_column(_judged_columns(one) for one in list(shown.values())[::-1]),
        source=source,
    )


def _cards(
    moved: Mapping[str, ColumnDrift], reference: Profile | None, current: Profile, weights: Mapping[str, float]
) -> list[dict[str, Any]]:
    columns = current.contract.by_source
    return [
        {
            "column": found,
            "description": columns[name].description if name in columns else "",
            "words": words_of(columns.get(name), reference.columns[name], current.columns[name]) if reference else "",
            "role": _ROLE_WORDS[found.role],
            "weight": _weight(weights.get(name), found.role) if weights else "",
            "bars": bars_of(reference.columns[name], current.columns[name]) if reference and at < SHOWN_BARS else (),
        }
        for at, (name, found) in enumerate(moved.items())
    ]


def _weight(weight: float | None, role: DriftRole) -> str:
    if role is not DriftRole.INPUT:
        return ""
    if weight is None:
        return "The model does not use it."
    word = "matters much" if weight >= MATTERS_MUCH else "matters" if weight >= MATTERS else "hardly matters"
    return f"It {word}: {pct(weight, 0)} of the model's weight." if weight >= 0.005 else f"It {word}: below 1 %."


def _moved_columns(report: DriftReport) -> dict[str, ColumnDrift]:
    """Columns that moved visibly, furthest first; the calendar always moves."""
    found = [one for one in _judged_columns(report) if one.shade]
    return {one.column: one for one in sorted(found, key=lambda one: -(one.effect or 0.0))}


def _headline(report: DriftReport, n_moved: int) -> str:
    if report.status is not DriftStatus.OK:
        return "Nothing to compare yet"
    return f"Customers differ in {n_moved} columns" if n_moved else "Customers look as they did"


def _matters(moved: Mapping[str, ColumnDrift], weights: Mapping[str, float]) -> str:
    if not weights or not moved:
        return ""
    share = sum(weights.get(name, 0.0) for name in moved)
    heavy = [name for name in moved if weights.get(name, 0.0) >= MATTERS_MUCH]
    which = f"; those that matter much: {', '.join(heavy)}" if heavy else "; none of them matters much on its own"
    return f"The columns that moved carry {pct(share, 0)} of the model's weight{which}."


def _summary(report: DriftReport, moved: Mapping[str, ColumnDrift]) -> str:
    if report.status is not DriftStatus.OK:
        return report.message
    watched = sum(column.role is not DriftRole.CALENDAR for column in report.columns)
    if not moved:
        return f"In none of the {watched} columns did as much as a tenth of the contacts move."
    inputs = sum(column.role is DriftRole.INPUT for column in moved.values())
    first = next(iter(moved.values()))
    return (
        f"In {len(moved)} of {watched} columns a tenth of the contacts or more moved; the model uses {inputs} of them. "
        f"The furthest is {first.column}, with {pct(first.effect or 0.0, 0)}."
    )


def _rates(before: LabelRate, after: LabelRate) -> str:
    def text(label: LabelRate) -> str:
        if label.rate is None or label.low is None or label.high is None:
            return "unknown"
        return f"{pct(label.rate)} ({pct(label.low)} to {pct(label.high)}, {label.known:,} known outcomes)"

    return f"Before: {text(before)}; now: {text(after)}."


def rate_chart(history: Mapping[str, DriftReport]) -> Chart:
    """Subscription rate of each period, by name, with its interval, beside that of the reference."""
    now = [one.label_current for one in history.values()]
    before = [one.label_reference.rate for one in history.values()]
    ends = [one.low for one in now], [one.high for one in now]
    return Chart(
        "subscription-rate",
        "Share of customers who subscribed, by period, with its 95 % interval",
        "period",
        "subscribed",
        list(history),
        [
            Series("each period", [one.rate for one in now], *ends, style="dots"),
            Series("compared with", before, style="reference"),
        ],
        "pct",
    )


def _judged_columns(report: DriftReport) -> list[ColumnDrift]:
    return [one for one in report.columns if report.status is DriftStatus.OK and one.role is not DriftRole.CALENDAR]


def by_column(periods: Iterable[Iterable[ColumnDrift]]) -> dict[str, list[ColumnDrift | None]]:
    """The drift of each column, period by period; None where a period lacks the column."""
    found = [{one.column: one for one in columns} for columns in periods]
    return {name: [columns.get(name) for columns in found] for name in dict.fromkeys(chain.from_iterable(found))}
