"""The drift report as one HTML page that a manager can read: verdict first, then what moved, in plain words.

What lives here: the page's template, and the words for a change.
What must not: statistics (`core.drift`), file writing (the asset does it), any address of another resource: pictures
are embedded, so the page can be mailed and opened offline.
Called by the drift asset and by alerts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from bank_assets.contract import BY_SOURCE
from bank_assets.core.drift_report import ColumnDrift, DriftReport, DriftStatus, LabelRate, Level, Role
from bank_assets.core.profile import NUMERIC, ColumnProfile, Profile
from bank_assets.reports.drift_charts import data_uri, distributions, drift_heatmap, effects_of, label_rates


@dataclass(frozen=True, slots=True)
class Facts:
    """A small table beside the drift itself, such as the result of the retraining it led to.

    Attributes:
        title: heading.
        header: column headings.
        rows: cells, as text.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


_HEADLINES: Final = {
    Level.NONE: "Customers look as they did",
    Level.MODERATE: "Customers have changed somewhat",
    Level.HEAVY: "Customers have changed a lot",
}

_ROLE_WORDS: Final = {
    Role.INPUT: "",
    Role.MONITORED: "known only after the call, so the model does not use it",
    Role.CALENDAR: "calendar, moves by itself",
}

_TEMPLATE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ headline }} · {{ report.current_span }}</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; color: #1d2733; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { margin-bottom: .2rem; } h2 { margin-top: 2.2rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .35rem .6rem; vertical-align: top; }
th { border-bottom: 2px solid #b8c2cf; } td { border-bottom: 1px solid #e3e8ee; } td.number { text-align: right; }
.level { padding: .1rem .5rem; border-radius: .7rem; white-space: nowrap; }
.none { background: #e0eee4; } .moderate { background: #fdebc8; } .heavy { background: #f8d3cb; }
.muted { color: #5a6878; } figure { margin: 1rem 0; } img { max-width: 100%; }
@media print { body { margin: 0; } h2 { break-after: avoid; } figure, tr { break-inside: avoid; } }
</style>
</head>
<body>
<h1>{{ headline }}</h1>
<p class="muted">{{ report.current_span }} ({{ "{:,}".format(report.rows_current) }} contacts), compared with
{{ report.reference_name }}, {{ report.reference_span }} ({{ "{:,}".format(report.rows_reference) }} contacts)</p>
{% if source %}<p><strong>Data: {{ source }}</strong></p>{% endif %}
<p>{{ summary }}</p>
{% if report.reference_overlaps %}
<p>The two periods share days, so changes look smaller than they are.</p>
{% endif %}
<p><span class="level {{ report.label_level }}">Subscription rate: {{ report.label_level }} change</span>
{{ rates }}</p>
{% for facts in all_facts %}
<h2>{{ facts.title }}</h2>
<table><thead><tr>{% for cell in facts.header %}<th scope="col">{{ cell }}</th>{% endfor %}</tr></thead>
<tbody>{% for row in facts.rows %}
<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>
{% endfor %}</tbody></table>
{% endfor %}
{% if moved %}
<h2>What changed</h2>
<table>
<thead><tr><th scope="col">Column</th><th scope="col">Change</th><th scope="col">In words</th>
{% if has_importance %}<th scope="col">Weight in the model</th>{% endif %}</tr></thead>
<tbody>
{% for row in moved %}
<tr><td><strong>{{ row.column.column }}</strong><br><span class="muted">{{ row.description }}</span></td>
<td><span class="level {{ row.column.level }}">{{ row.column.level }}</span></td>
<td>{{ row.words }}{% if row.role %}<br><span class="muted">{{ row.role }}</span>{% endif %}</td>
{% if has_importance %}<td class="number">{{ row.importance }}</td>{% endif %}</tr>
{% endfor %}
</tbody>
</table>
{% endif %}
{% for picture in pictures %}
<figure><img src="{{ picture.uri }}" alt="{{ picture.text }}">
<figcaption class="muted">{{ picture.text }}</figcaption></figure>
{% endfor %}
<h2>All columns</h2>
<table>
<thead><tr><th scope="col">Column</th><th scope="col">Verdict</th><th scope="col">PSI</th>
<th scope="col">D or variation</th><th scope="col">KS p</th><th scope="col">Why</th></tr></thead>
<tbody>
{% for column in report.columns %}
<tr><td>{{ column.column }}</td><td>{% if column.role == "calendar" %}<span class="muted">not judged</span>{% else %}
<span class="level {{ column.level }}">{{ column.level }}</span>{% endif %}</td>
<td class="number">{{ number(column.psi) }}</td>
<td class="number">{{ number(column.ks_distance_rest if column.kind == "numeric" else column.total_variation) }}</td>
<td class="number">{{ "–" if column.ks_p_value is none else "%.2g"|format(column.ks_p_value) }}</td>
<td>{{ column.reason }}</td></tr>
{% endfor %}
</tbody>
</table>
<p class="muted">Verdicts follow the size of a change, never its p-value: with many contacts every small change is
"significant". Values that stand for "none" (no earlier contact, an empty balance) are judged apart from the rest.
PSI is the population stability index over the reference's deciles; D is the Kolmogorov–Smirnov distance; the
variation is the share of contacts that would have to change category.</p>
</body>
</html>
"""


@dataclass(frozen=True, slots=True)
class _Row:
    column: ColumnDrift
    description: str
    words: str
    role: str
    importance: str


@dataclass(frozen=True, slots=True)
class _Picture:
    uri: str
    text: str


def drift_page(
    report: DriftReport,
    reference: Profile | None,
    current: Profile,
    *,
    history: Sequence[DriftReport] = (),
    history_names: Sequence[str] = (),
    importance: Mapping[str, float] | None = None,
    facts: Sequence[Facts] = (),
    source: str = "",
) -> str:
    """Write the page.

    Args:
        report: the comparison.
        reference: the profile compared with, None if there was none.
        current: the profile of the window.
        history: reports of earlier windows, in order, for the pictures over time.
        history_names: name of each of them.
        importance: share of the model's decisions by column, in [0, 1]: whether a change matters.
        facts: more tables, such as the result of a retraining.
        source: where the data comes from ("simulated"), shown at the top.

    Returns:
        A whole HTML document without any outside resource; all text is escaped.
    """
    from jinja2 import Environment, StrictUndefined

    by_name = {column.column: column for column in report.columns}
    weights = importance or {}
    moved = [
        _Row(
            column=by_name[name],
            description=BY_SOURCE[name].description if name in BY_SOURCE else "",
            words=words_of(name, reference.columns[name], current.columns[name]) if reference else "",
            role=_ROLE_WORDS[by_name[name].role],
            importance=f"{weights[name]:.0%}" if name in weights else "–",
        )
        for name in report.drifted_columns
    ]
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(_TEMPLATE).render(
        report=report,
        headline=_HEADLINES[report.level] if report.status is DriftStatus.OK else "No verdict on drift yet",
        summary=_summary(report),
        rates=_rates(report.label_reference, report.label_current),
        moved=moved,
        has_importance=bool(weights),
        all_facts=facts,
        pictures=_pictures(report, reference, current, history, history_names),
        source=source,
        number=lambda value: "–" if value is None else f"{value:.3f}",
    )


def _pictures(
    report: DriftReport,
    reference: Profile | None,
    current: Profile,
    history: Sequence[DriftReport],
    names: Sequence[str],
) -> list[_Picture]:
    found = []
    if reference is not None and report.drifted_columns:
        text = "Distribution of the columns that changed most, before and after"
        found.append(_Picture(data_uri(distributions(reference, current, report.drifted_columns)), text))
    if history:
        effects = {name: effects_of(past) for name, past in zip(names, history, strict=True)}
        text = "Share of contacts that moved, by column and period; grey without a verdict"
        found.append(_Picture(data_uri(drift_heatmap(effects)), text))
        found.append(_Picture(data_uri(label_rates(history, names)), "Subscription rate by period"))
    return found


def _summary(report: DriftReport) -> str:
    if report.status is not DriftStatus.OK:
        return report.message
    judged = [column for column in report.columns if column.role is not Role.CALENDAR]
    inputs = sum(column.role is Role.INPUT and column.level is not Level.NONE for column in judged)
    if not report.drifted_columns:
        return f"None of the {len(judged)} columns watched changed by more than chance and habit explain."
    return (
        f"{len(report.drifted_columns)} of the {len(judged)} columns watched changed, {inputs} of them used by the "
        f"model. The largest change: {report.drifted_columns[0]}."
    )


def _rates(before: LabelRate, after: LabelRate) -> str:
    def text(label: LabelRate) -> str:
        if label.rate is None or label.low is None or label.high is None:
            return "unknown"
        return f"{label.rate:.1%} ({label.low:.1%} to {label.high:.1%}, {label.known:,} known outcomes)"

    return f"before: {text(before)}; now: {text(after)}."


def words_of(name: str, reference: ColumnProfile, current: ColumnProfile) -> str:
    """One sentence on how a column changed.

    The category whose share changed most, or the median; where a value stands for "none", its share first.
    """
    sides = (reference, current)
    if not all(side.present for side in sides):
        return f"values in {_percent(reference)} of the contacts before, in {_percent(current)} now"
    if reference.kind != NUMERIC:
        values = np.union1d(reference.values, current.values)
        shares = np.array([[side.count_of(value) / side.rows for value in values] for side in sides])
        at = int(np.argmax(np.abs(shares[1] - shares[0])))
        return f"“{values[at]}”: {shares[0, at]:.0%} before, {shares[1, at]:.0%} now"
    column = BY_SOURCE.get(name)
    unit = f" {column.unit}" if column and column.unit else ""
    sentinel = column.sentinel if column else None
    parts = []
    if sentinel is not None:
        parts.append(
            f"{sentinel} in {reference.count_of(sentinel) / reference.rows:.0%} of the contacts before, in "
            f"{current.count_of(sentinel) / current.rows:.0%} now"
        )
        sides = (reference.without(sentinel), current.without(sentinel))
    if all(side.present for side in sides):
        parts.append(f"middle value {_median(sides[0]):g}{unit} before, {_median(sides[1]):g}{unit} now")
    return "; ".join(parts)


def _percent(column: ColumnProfile) -> str:
    return f"{column.present / column.rows:.0%}" if column.rows else "none"


def _median(column: ColumnProfile) -> float:
    below = np.cumsum(column.counts)
    return float(column.values[np.searchsorted(2 * below, below[-1], side="left")])
