"""The replay as one HTML page: what each policy earned, then what the platform's policy did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from bank_assets.core.economics.economics import amount_of
from bank_assets.reports.charts import Chart
from bank_assets.reports.page import render

MEANINGS: Final[Mapping[str, str]] = {
    "never": "trained once, on what the contact alone tells",
    "monthly": "retrained every month on all history",
    "weekly": "retrained every week, with trailing subscription rates and the number planned",
    "drift_only": "as weekly, but retrained only when the drift report is heavy",
    "platform": "this product: response policy, daily intercept, mix of the day's list, exploration",
    "all_outcomes": "this product if the outcome of every contact became known, called or not",
    "no_exploration": "this product as before: it calls what pays, and learns from that alone",
    "contact_all": "calls everyone",
    "contact_none": "calls no one",
    "f1_threshold": "the platform's probabilities, called by the best F1 so far instead of profit",
    "hindsight": "cross-validated over the whole history: sees the days that it decides",
    "oracle": "calls exactly those who will subscribe",
}

_TEMPLATE: Final = """<h1>What would each policy have earned?</h1>
<p class="quiet">{{ document.first_day }} to {{ document.last_day }}, {{ source }}; {{ cost }}
a call, {{ value }} a subscription; outcomes usable
{{ document.outcome_delay_days }} day(s) after the call; one decision step a {{ document.step }};
{% if document.feedback == "full" %}learning from every contact in the history{% else %}learning only from contacts that
were called, of each list {{ document.learning.share|pct(0) }} and at least {{ document.learning.minimum }} to explore{%
endif %}{% if document.holdout_share %}; {{ document.holdout_share|pct(0) }} held out{% endif %}.</p>
<p>Every contact is decided from what was known before its day.{% if document.counted_from > document.first_day %}
Figures count the days from {{ document.counted_from }} on.{% endif %}</p>
<div class="scroll" tabindex="0" role="region" aria-label="Policies in figures">
<table>
<thead><tr><th scope="col">Policy</th><th scope="col" class="num">Profit, EUR</th>
<th scope="col" class="num">of the oracle</th><th scope="col" class="num">Calls</th>
<th scope="col" class="num">Explored</th>
<th scope="col" class="num">Cost of these, EUR</th><th scope="col" class="num">Profit of these, EUR</th>
<th scope="col" class="num">Subscriptions</th><th scope="col" class="num">AUC</th>
<th scope="col" class="num">F1</th><th scope="col" class="num">Calibrated months</th>
<th scope="col" class="num">Trainings</th><th scope="col" class="num">Processor, s</th></tr></thead>
<tbody>
{% for row in rows %}
<tr><th scope="row" class="reason">{{ row.name }}<br><span class="quiet">{{ meanings[row.name] }}</span></th>
<td class="num">{{ "{:,.0f}".format(row.profit_eur) }}</td>
<td class="num">{{ "–" if row.share_of_oracle is none else row.share_of_oracle|pct }}</td>
<td class="num">{{ "{:,}".format(row.contacts_called) }}</td>
<td class="num">{{ "{:,}".format(row.explored_calls) }}</td>
<td class="num">{{ "{:,.0f}".format(row.exploration_cost_eur) }}</td>
<td class="num">{{ "{:,.0f}".format(row.exploration_profit_eur) }}</td>
<td class="num">{{ "{:,}".format(row.subscriptions) }}</td>
<td class="num">{{ "–" if row.roc_auc is none else "%.3f"|format(row.roc_auc) }}</td>
<td class="num">{{ "–" if row.f1 is none else "%.3f"|format(row.f1) }}</td>
<td class="num">{% if row.roc_auc is none %}–{% else %}
{{ row.calibrated_months }} of {{ row.judged_months }}{% endif %}
</td><td class="num">{{ row.trainings }}</td><td class="num">{{ "%.1f"|format(row.cpu_seconds) }}</td></tr>
{% endfor %}
</tbody>
</table></div>
<p class="quiet">A month is calibrated if the mean probability lies within 20 % of the realised rate; judged are months
with 200 outcomes or more. Explored calls are among the calls, and their profit is part of the profit. The oracle,
hindsight and all_outcomes are bounds, not policies that anyone could follow.</p>
{% for one in drawn %}<div class="card stack-top">{{ charts.chart(one) }}</div>{% endfor %}
{% if uncertainty %}
<h2>Do ranges and forecasts hold?</h2>
<p>The observed rate of a month and band of probability lay inside its 90 % range in
{{ uncertainty.ranges.coverage|pct(0) }} of {{ uncertainty.ranges.n_cells }} cases. The realised profit of a month lay
inside its 90 % forecast in {{ uncertainty.forecasts.coverage|pct(0) }} of {{ uncertainty.forecasts.months|length }}
months; interval score {{ uncertainty.forecasts.interval_score|count }} EUR against
{{ uncertainty.forecasts.climatology_score|count }} EUR of what the last 90 days would have said (smaller is
better).</p>
{% endif %}
{% if events %}
<h2>What {{ followed }} did</h2>
<div class="scroll" tabindex="0" role="region" aria-label="Events of {{ followed }}">
<table><thead><tr><th scope="col">Day</th><th scope="col">What</th><th scope="col">Why</th></tr></thead>
<tbody>
{% for event in events %}
<tr><td class="day">{{ event.day }}</td><td>{{ event.kind }}</td><td>{{ event.reason }}</td></tr>
{% endfor %}</tbody></table></div>
<p class="quiet">Recalibrations ({{ recalibrations }}) are not listed: each is
one number, moved before the first call of a day.</p>
{% endif %}
"""


def replay_page(
    document: Mapping[str, Any], drawn: Sequence[Chart], events: Sequence[Mapping[str, str]], *, followed: str
) -> str:
    """Render the replay's result, as printed by `--json`, with its charts and the events of the policy `followed`."""
    return render(
        _TEMPLATE,
        title=f"Replay {document['first_day']} to {document['last_day']}",
        document=document,
        cost=amount_of(document["cost_eur"]),
        value=amount_of(document["value_eur"]),
        rows=sorted(document["policies"], key=lambda row: -row["profit_eur"]),
        meanings=MEANINGS,
        source=document["source"]["label"],
        drawn=drawn,
        uncertainty=document["uncertainty"],
        events=[event for event in events if event["kind"] != "recalibration"],
        recalibrations=sum(event["kind"] == "recalibration" for event in events),
        followed=followed,
    )
