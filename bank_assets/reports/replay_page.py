"""The replay as one HTML page: what each policy earned, then how the platform got there.

What lives here: the page's template and its words.
What must not: figures that `core.replay` did not compute, files, any address of another resource: the picture is
embedded, so the page can be mailed and opened offline.
Called by the replay command.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from bank_assets.reports.drift_charts import data_uri

MEANINGS: Final[Mapping[str, str]] = {
    "never": "trained once, on what the contact alone tells",
    "monthly": "retrained every month on all history",
    "weekly": "retrained every week, with trailing subscription rates and the number planned",
    "drift_only": "as weekly, but retrained only when the drift report is heavy",
    "platform": "this product: response ladder, daily intercept, mix of the day's list",
    "contact_all": "calls everyone",
    "contact_none": "calls no one",
    "f1_threshold": "the platform's probabilities, called by the best F1 so far instead of profit",
    "hindsight": "cross-validated over the whole history: sees the days that it decides",
    "oracle": "calls exactly those who will subscribe",
}

_TEMPLATE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Replay {{ document.first_day }} to {{ document.last_day }}</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; color: #1d2733; max-width: 68rem; margin: 2rem auto; padding: 0 1rem; }
h1 { margin-bottom: .2rem; } h2 { margin-top: 2.2rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .35rem .6rem; vertical-align: top; }
th { border-bottom: 2px solid #b8c2cf; } td { border-bottom: 1px solid #e3e8ee; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
tr.own { background: #fbeceb; } .muted { color: #5a6878; } figure { margin: 1rem 0; } img { max-width: 100%; }
</style>
</head>
<body>
<h1>What would each policy have earned?</h1>
<p class="muted">{{ document.first_day }} to {{ document.last_day }}, {{ source }}; {{ "%g"|format(document.cost_eur) }}
EUR a call, {{ "%g"|format(document.value_eur) }} EUR a subscription; outcomes usable
{{ document.outcome_delay_days }} day(s) after the call; one decision step a {{ document.step }};
{% if document.feedback == "full" %}learning from every contact in the history{% else %}learning only from contacts that
were called, {{ "%.0f"|format(100 * document.exploration_share) }} % of the others called at random{% endif %}.</p>
<p>Every contact is decided from what was known before its day.</p>
<table>
<thead><tr><th scope="col">Policy</th><th scope="col" class="number">Profit, EUR</th>
<th scope="col" class="number">of the oracle</th><th scope="col" class="number">Calls</th>
<th scope="col" class="number">Subscriptions</th><th scope="col" class="number">AUC</th>
<th scope="col" class="number">F1</th><th scope="col" class="number">Calibrated months</th>
<th scope="col" class="number">Trainings</th><th scope="col" class="number">Processor, s</th></tr></thead>
<tbody>
{% for row in rows %}
<tr{% if row.name == "platform" %} class="own"{% endif %}><td><strong>{{ row.name }}</strong><br>
<span class="muted">{{ meanings[row.name] }}</span></td>
<td class="number">{{ "{:,.0f}".format(row.profit_eur) }}</td>
<td class="number">{{ "–" if row.share_of_oracle is none else "%.1f %%"|format(100 * row.share_of_oracle) }}</td>
<td class="number">{{ "{:,}".format(row.contacts_called) }}</td>
<td class="number">{{ "{:,}".format(row.subscriptions) }}</td>
<td class="number">{{ "–" if row.roc_auc is none else "%.3f"|format(row.roc_auc) }}</td>
<td class="number">{{ "–" if row.f1 is none else "%.3f"|format(row.f1) }}</td>
<td class="number">{% if row.roc_auc is none %}–{% else %}
{{ row.calibrated_months }} of {{ row.judged_months }}{% endif %}
</td><td class="number">{{ row.trainings }}</td><td class="number">{{ "%.1f"|format(row.cpu_seconds) }}</td></tr>
{% endfor %}
</tbody>
</table>
<p class="muted">A month is calibrated if the mean probability lies within 20 % of the realised rate; judged are months
with 200 outcomes or more. The oracle and hindsight are bounds, not policies that anyone could follow.</p>
<figure><img src="{{ picture }}" alt="Cumulative profit of each policy, subscription rate against mean probability, and
events on one time line"></figure>
{% if uncertainty %}
<h2>Do ranges and forecasts hold?</h2>
<p>The observed rate of a month and band of probability lay inside its 90 % range in
{{ percent(uncertainty.ranges.coverage) }} of {{ uncertainty.ranges.n_cells }} cases. The realised profit of a month lay
inside its 90 % forecast in {{ percent(uncertainty.forecasts.coverage) }} of {{ uncertainty.forecasts.months|length }}
months; interval score {{ number(uncertainty.forecasts.interval_score) }} EUR against
{{ number(uncertainty.forecasts.climatology_score) }} EUR of what the last 90 days would have said (smaller is
better).</p>
{% endif %}
{% if events %}
<h2>What {{ followed }} did</h2>
<table><thead><tr><th scope="col">Day</th><th scope="col">What</th><th scope="col">Why</th></tr></thead>
<tbody>
{% for event in events %}<tr><td>{{ event.day }}</td><td>{{ event.kind }}</td><td>{{ event.reason }}</td></tr>
{% endfor %}</tbody></table>
<p class="muted">Recalibrations ({{ recalibrations }}) are not listed: each is one number, moved in the morning.</p>
{% endif %}
</body>
</html>
"""


def replay_page(
    document: Mapping[str, Any], picture: bytes, events: Sequence[Mapping[str, str]], *, followed: str
) -> str:
    """Render the page.

    Args:
        document: the replay's result, as printed by `--json`.
        picture: PNG of `replay_chart`.
        events: events of the policy that is followed.
        followed: its name.

    Returns:
        HTML.
    """
    import jinja2

    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    return environment.from_string(_TEMPLATE).render(
        document=document,
        rows=sorted(document["policies"], key=lambda row: -row["profit_eur"]),
        meanings=MEANINGS,
        source=document["source"]["label"],
        picture=data_uri(picture),
        uncertainty=document["uncertainty"],
        events=[event for event in events if event["kind"] != "recalibration"],
        recalibrations=sum(event["kind"] == "recalibration" for event in events),
        followed=followed,
        percent=lambda share: "–" if share is None else f"{share:.0%}",
        number=lambda value: "–" if value is None else f"{value:,.0f}",
    )
