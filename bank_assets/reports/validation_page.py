"""The verdicts on all months of contacts as one HTML page.

What lives here: the page's template and its words. What must not: judging (`bank_assets.expectations`), file writing
(the validation asset does it). The asset and the Monitoring page link to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bank_assets.reports.page import render

_TEMPLATE: Final = """{% extends "frame" %}
{% block body %}
<h1>{{ headline }}</h1>
<p class="quiet">Great Expectations judges the counts of every month before any row is left out. A month that fails is
held: nothing learns from it until a corrected delivery passes.</p>
<div class="notice {{ "bad" if held else "good" }}">
<p>{{ "Held: " ~ held|join(", ") ~ "." if held else "No month is held." }}</p>
<p><strong>What to do:</strong> {% if held %}Correct the rows that break a rule and deliver them again; the last arrival
of a contact counts.{% else %}Nothing.{% endif %}</p>
</div>
<div class="scroll" tabindex="0" role="region" aria-label="Verdicts by month">
<table id="months"><caption>Newest month first. Rejected rows that a later delivery corrected no longer count.</caption>
<thead><tr><th scope="col">Month</th><th scope="col">Verdict</th><th scope="col" class="num">Rows</th>
<th scope="col" class="num">Contacts</th><th scope="col" class="num">Unusable</th>
<th scope="col" class="num">Replaced</th><th scope="col">Findings</th></tr></thead>
<tbody>{% for row in rows %}
<tr><th scope="row">{{ row.month }}</th>
<td><span class="badge {{ "bad" if row.errors else "watch" if row.warnings else "good" }}">
{{- "held" if row.errors else "passed, with hints" if row.warnings else "passed" }}</span></td>
<td class="num">{{ row.rows|count }}</td><td class="num">{{ row.contacts|count }}</td>
<td class="num">{{ row.uncorrected|count }}</td><td class="num">{{ row.superseded|count }}</td>
<td>{% for text in row.errors %}<p><strong>{{ text }}</strong></p>{% endfor %}
{% for text in row.warnings %}<p>{{ text }}</p>{% endfor %}
{% if row.violations %}<p class="quiet">Rules broken: {{ row.violations }}</p>{% endif %}</td></tr>
{% endfor %}</tbody></table>
</div>
{% if has_data_docs %}<p><a href="../data_docs/index.html">Great Expectations' own pages</a> list every expectation.</p>
{% endif %}
{% endblock %}
"""


@dataclass(frozen=True, slots=True)
class MonthRow:
    """One month of the page.

    Attributes:
        month: `YYYY-MM`.
        rows: delivered rows.
        contacts: usable rows, each contact once.
        uncorrected: unusable rows that nothing corrected.
        superseded: usable rows that a later one replaced.
        errors: findings that hold the month.
        warnings: hints.
        violations: rules broken, with their number of rows, in words.
    """

    month: str
    rows: int
    contacts: int
    uncorrected: int
    superseded: int
    errors: Sequence[str]
    warnings: Sequence[str]
    violations: str


def violations_in_words(violations: Mapping[str, int]) -> str:
    """`age.not_an_integer_in_range 12, row.field_count 1`, the most frequent first."""
    ordered = sorted(violations.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{code} {count:,}" for code, count in ordered)


def validation_page(months: Sequence[MonthRow], *, has_data_docs: bool) -> str:
    """The page of all months.

    Args:
        months: in order of time.
        has_data_docs: whether Great Expectations' own pages are there to be linked.
    """
    held = [row.month for row in months if row.errors]
    headline = f"Validation of contacts: {len(months) - len(held)} of {len(months)} months passed"
    return render(
        _TEMPLATE,
        title=headline,
        headline=headline,
        held=held,
        rows=list(reversed(months)),
        has_data_docs=has_data_docs,
    )
