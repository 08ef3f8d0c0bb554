"""The verdicts on all months of contacts as one HTML page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from bank_assets.core.drift.month_profile import MonthProfile
from bank_assets.reports.page import render

_TEMPLATE: Final = """<h1>{{ headline }}</h1>
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
<th scope="col" class="num">Replaced</th></tr></thead>
<tbody>{% for row, verdict in months %}
<tr><th scope="row" class="day">{{ row.month }}</th>
<td><span class="badge {{ "bad" if verdict.errors else "watch" if verdict.warnings or not row.contacts else "good" }}">
{{- "held" if verdict.errors else "no contacts" if not row.contacts else "passed, with hints" if verdict.warnings
else "passed" }}</span></td>
<td class="num">{{ row.rows|count }}</td><td class="num">{{ row.contacts|count }}</td>
<td class="num">{{ row.uncorrected|count }}</td><td class="num">{{ row.superseded|count }}</td></tr>
{% if verdict.errors or verdict.warnings or row.violations %}
<tr class="findings"><td></td><td colspan="5">
{% for text in verdict.errors %}<p><strong>{{ text }}</strong></p>{% endfor %}
{% for text in verdict.warnings %}<p>{{ text }}</p>{% endfor %}
{% if row.violations %}<p class="quiet">Rules broken:
{% for code, rows in row.violations|dictsort|sort(attribute="1", reverse=true) %}
{{ code }} {{ rows|count }}{{ "" if loop.last else ", " }}
{%- endfor %}</p>{% endif %}</td></tr>
{% endif %}{% endfor %}</tbody></table>
</div>
{% if has_data_docs %}<p><a href="../data_docs/index.html">Great Expectations' own pages</a> list every expectation.</p>
{% endif %}
"""


def validation_page(months: Sequence[tuple[MonthProfile, Mapping[str, Any]]], *, has_data_docs: bool) -> str:
    """The page of all months, in order of time: what each month's deliveries look like, and the verdict on them."""
    held = [profile.month for profile, verdict in months if verdict["errors"]]
    filled = [profile.month for profile, verdict in months if profile.contacts or verdict["errors"]]
    headline = f"Validation of contacts: {len(filled) - len(held)} of {len(filled)} months passed"
    return render(
        _TEMPLATE, title=headline, headline=headline, held=held, months=months[::-1], has_data_docs=has_data_docs
    )
