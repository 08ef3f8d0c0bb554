"""The result of a retraining as one HTML page that a manager can read.

The promotion asset writes it; alerts, the Dagster run and the web app link to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bank_assets.core.alerts.alert import sentence
from bank_assets.core.alerts.catalogue import FITS
from bank_assets.core.economics.economics import Economics
from bank_assets.core.quality.comparison import Measure, ModelComparison
from bank_assets.core.quality.objective import PROFIT, ordered_by
from bank_assets.reports.charts import Chart, on_one_axis
from bank_assets.reports.formats import count
from bank_assets.reports.model_charts import calibration_chart, profit_chart
from bank_assets.reports.page import render

_WORDS: Final = {
    "profit_eur": ("Profit of the decisions", "EUR"),
    "f1": ("F1 of the calls", "how well the called are those who subscribe; 1 is perfect"),
    "average_precision": ("Average precision", "how well customers are ranked; 1 is perfect"),
    "log_loss": ("Log loss", "how far probabilities are from what happened; lower is better"),
    "calibration_error": ("Calibration error", "how far predicted rates are from observed ones; lower is better"),
}

_TEMPLATE: Final = """<h1>{{ headline }}</h1>
<p class="quiet">{{ kind|capitalize }}, from what was known before {{ retraining.as_of }}.</p>
{% if retraining.source %}<p><strong>Data: {{ retraining.source }}</strong></p>{% endif %}
<div class="notice {{ tone }}">
<p>{{ effect }}</p>
<p><strong>What to do:</strong> {% if retraining.is_promoted %}
nothing. The web app uses it within seconds; a person may roll back on the Model page.
{% else %}
nothing at once. The loop tries again with new outcomes; if refusals repeat, look at what changed below.
{% endif %}</p>
</div>
<dl class="tiles">
{% for name, figure, note in tiles %}
<div class="tile"><dt>{{ name }}</dt>
<dd><span class="figure">{{ figure }}</span><span class="quiet">{{ note }}</span></dd></div>
{% endfor %}
</dl>
<h2>Why the model was trained</h2>
<ul>{% for reason in retraining.requested_because %}<li>{{ reason }}</li>{% else %}
<li>{% if retraining.kind in ("first", "probation") %}There was no model yet.{% else %}
No limit was broken: a person or the schedule started the training.{% endif %}</li>{% endfor %}</ul>
<h2>Old and new on the same contacts</h2>
<p>{{ retraining.basis }}</p>
{% if rows %}
<p class="quiet">{{ comparison.rows|count }} contacts
{%- if comparison.effective_rows is not none %} (effective {{ comparison.effective_rows|count }}){% endif %}
from {{ comparison.first_day }} to {{ comparison.last_day }},
{{ comparison.subscribed|count }} of them subscribed. Differences with their {{ comparison.confidence|pct(0) }} interval
from resampled days; one that contains 0 may be chance.</p>
<div class="scroll" tabindex="0" role="region" aria-label="Old and new model in figures">
<table id="measures"><thead><tr><th scope="col">Measure</th><th scope="col" class="num">Old</th>
<th scope="col" class="num">New</th><th scope="col" class="num">Better by</th>
<th scope="col">Verdict</th></tr></thead>
<tbody>{% for row in rows %}
<tr><th scope="row">{{ row.name }}<br><span class="quiet">{{ row.hint }}</span></th>
<td class="num">{{ row.before }}</td><td class="num">{{ row.now }}</td>
<td class="num">{{ row.gain }}<br><span class="quiet">{{ row.interval }}</span></td>
<td><span class="badge {{ row.tone }}">{{ row.verdict }}</span></td></tr>
{% endfor %}</tbody></table></div>
<p id="everyone">{{ everyone }}</p>
<div class="grid two">
{% for one in drawn %}<div class="card">{{ charts.chart(one) }}</div>{% endfor %}
</div>
{% endif %}
<h2>What the gate decided</h2>
<p><span class="badge {{ tone }}">{{ "promoted" if retraining.is_promoted else "refused" }}</span>
{{ "These held:" if retraining.is_promoted else "This did not hold:" }}</p>
<ul>{% for reason in retraining.gate_reasons %}<li>{{ reason }}</li>{% endfor %}</ul>
<p>{% if retraining.drift_page %}
<a href="../drift/{{ retraining.drift_page }}">Which customers changed</a> · {% endif %}
Economics: {{ economics.cost_amount }} a call, {{ economics.value_amount }} a subscription
{%- if economics.single_break_even is not none %}; a call is worth it from a
probability of {{ economics.single_break_even|pct(0) }}{% endif %}.</p>
"""


@dataclass(frozen=True, slots=True)
class Retraining:
    """What the page says besides the figures.

    Attributes:
        kind: first, probation, refit or recipe.
        as_of: data time, ISO day.
        old_name: "version 3", or "no model"; its recipe is algorithm and sampler, or "".
        requested_because: the loop's reasons; empty if a person or the schedule requested it.
        basis: which contacts are compared and how, as sentences.
        drift_page: file name of the month's drift page, or "".
        objective: `profit` or `f1`; its measure is the first of the table.
    """

    kind: str
    is_promoted: bool
    as_of: str
    old_name: str
    old_recipe: str
    new_name: str
    new_recipe: str
    requested_because: tuple[str, ...]
    basis: str
    gate_reasons: tuple[str, ...]
    source: str
    drift_page: str
    objective: str = PROFIT

    @property
    def compared_with(self) -> str:
        """What the new model is compared with, for people."""
        return "calling by the recent rate" if self.old_name == "no model" else "the old model"


def retraining_page(retraining: Retraining, comparison: ModelComparison, economics: Economics) -> str:
    """Write the page, one HTML document without outside resources; all text is escaped."""
    profit = comparison.measure("profit_eur") if comparison.is_enough else None
    measured = ordered_by(retraining.objective, tuple(one.name for one in comparison.measures)) if profit else ()
    return render(
        _TEMPLATE,
        title=f"{_headline(retraining)} · {retraining.as_of}",
        retraining=retraining,
        kind=FITS[retraining.kind],
        comparison=comparison,
        headline=_headline(retraining),
        tone="good" if retraining.is_promoted else "watch",
        effect=comparison.effect(retraining.compared_with)
        or f"{retraining.basis} There is no figure for the profit effect yet.",
        tiles=[
            ("Before", retraining.old_name, retraining.old_recipe),
            ("Now" if retraining.is_promoted else "Refused", retraining.new_name, retraining.new_recipe),
            *([_profit_tile(profit)] if profit else []),
        ],
        rows=[_row(comparison.measure(name)) for name in measured],
        everyone=_everyone(comparison),
        drawn=_charts(retraining, comparison),
        economics=economics,
    )


def _everyone(comparison: ModelComparison) -> str:
    """What calling everyone would have earned, and what that rests on."""
    estimated = comparison.everyone
    if estimated is None:
        stand_for = "" if comparison.effective_rows is None else " and all that they stand for, an estimate from calls"
        profit = comparison.profit_everyone_eur
        return f"Calling everyone would have earned {count(profit)} EUR on these contacts{stand_for}."
    if estimated.profit_eur is None:
        return f"What calling everyone would have earned is not known. {estimated.reason}"
    profit, basis = estimated.profit_eur.value, estimated.basis
    lists = f"Calling all {estimated.calls:,} contacts of the lists of these days would have earned {count(profit)} EUR"
    return f"{lists}{f' ({basis})' if basis else ''}. Days on which a call still waits for its outcome are left out."


def _charts(retraining: Retraining, comparison: ModelComparison) -> list[Chart]:
    names = {"before": retraining.old_name, "now": retraining.new_name}
    profits, rates = (
        on_one_axis({name: lines.get(role, ()) for role, name in names.items()})
        for lines in (comparison.profit, comparison.calibration)
    )
    return [profit_chart(*profits), calibration_chart(*rates)]


def _headline(retraining: Retraining) -> str:
    old, new = retraining.old_name, retraining.new_name.capitalize()
    if retraining.is_promoted:
        return f"{new} is the champion"
    stays = "there is still no champion" if old == "no model" else f"{old} stays the champion"
    return f"{new} was refused; {stays}"


def _profit_tile(measure: Measure) -> tuple[str, str, str]:
    if _is_same(measure):
        return "Profit effect", "none", "both call the same customers"
    gain, low, high = (f"{value:+,.0f}".replace("-", "−") for value in (measure.gain, measure.low, measure.high))
    return "Profit effect", f"{gain} EUR", f"{low} to {high} EUR"


def _is_same(measure: Measure) -> bool:
    return measure.low == measure.high == measure.gain == 0.0


def _row(measure: Measure) -> dict[str, str]:
    name, hint = _WORDS[measure.name]
    form = ",.0f" if measure.name == "profit_eur" else ".3f"

    def text(value: float, sign: str = "") -> str:
        return format(value, sign + form).replace("-", "−")

    row = {"name": name, "hint": hint, "before": text(measure.before), "now": text(measure.now)}
    if _is_same(measure):
        return row | {"gain": "–", "interval": "", "verdict": "the same", "tone": "plain"}
    verdict, tone = "may be chance", "plain"
    if measure.low > 0:
        verdict, tone = "better", "good"
    elif measure.high < 0:
        verdict, tone = "worse", "bad"
    interval = f"{text(measure.low, '+')} to {text(measure.high, '+')}"
    return row | {"gain": text(measure.gain, "+"), "interval": interval, "verdict": verdict, "tone": tone}


def why_sentences(reasons: Sequence[str]) -> tuple[str, ...]:
    """Reasons of the loop or of a gate as sentences."""
    return tuple(sentence(reason) for reason in reasons if reason)
