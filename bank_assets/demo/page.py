"""The demo's page: profit compared with a model that is never retrained, and what each delivery and list came to.

`reports/demo/index.html` is written again after each delivery, and once more with the read-outs of the lists.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from bank_assets.core.response.policy import ResponseAction
from bank_assets.demo.results import FITS, StepResult, read_out_cells
from bank_assets.reports.page import render
from bank_assets.reports.replay_charts import replay_charts
from bank_assets.store.atomic_files import write_atomic

HEADINGS: Final = (
    "delivery", "contacts", "alerts", "recalibrated days", "fits", "promoted", "refused", "champion",
    "profit so far, EUR", "never retrained, EUR", "new champion answers after, s", "loop idle after, s",
)  # fmt: skip
LIST_HEADINGS: Final = ("list", "calls", "subscriptions", "profit, EUR", "forecast, EUR", "what calling caused")
# Key of the profit in the demo's months, by the policy's name in the replay.
PROFITS: Final = {
    "platform": "profit_eur",
    "never": "profit_never_retrained_eur",
    "contact_all": "profit_contact_everyone_eur",
}

_TEMPLATE: Final = """<h1>{{ title }}</h1>
<p>Data: {{ source }}. platform: the loop. never: the first champion kept. contact_all: everyone is called.</p>
{% for one in drawn %}<div class="card stack-top">{{ charts.chart(one) }}</div>{% endfor %}
<h2>Deliveries</h2>
<div class="scroll" tabindex="0" role="region" aria-label="Deliveries and what they led to">
<table><thead><tr>{% for name in headings %}<th scope="col">{{ name }}</th>{% endfor %}</tr></thead>
<tbody>{% for row in rows %}<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>
{% endfor %}</tbody></table></div>
{% if lists %}<h2>Lists</h2>
<div class="scroll" tabindex="0" role="region" aria-label="Call lists and what they came to">
<table><thead><tr>{% for name in list_headings %}<th scope="col">{{ name }}</th>{% endfor %}</tr></thead>
<tbody>{% for id, cells in lists %}<tr><th scope="row"><a href="/campaign/lists/{{ id }}">{{ cells[0] }}</a></th>
{% for cell in cells[1:] %}<td>{{ cell }}</td>{% endfor %}</tr>
{% endfor %}</tbody></table></div>{% endif %}
"""


def events_of(results: Iterable[StepResult]) -> list[dict[str, str]]:
    """Events by day of the data, in the replay's words."""
    events = []
    for result in results:
        for row in result.judged:
            kinds = {
                "recalibration": row.is_recalibrated,
                "alert": row.is_alert,
                "search": row.action == ResponseAction.SEARCH,
            }
            events += [{"day": row.as_of, "kind": kind, "reason": ""} for kind, is_so in kinds.items() if is_so]
        for verdict in result.verdicts:
            if verdict.kind in FITS and verdict.as_of:
                kind = "model" if verdict.decision == "promoted" else "refused"
                events.append({"day": verdict.as_of, "kind": kind, "reason": "; ".join(verdict.reasons)})
    return events


def write_page(
    reports: Path, results: Sequence[StepResult], source: str, read_outs: Sequence[Mapping[str, Any]] = ()
) -> Path:
    """Write the page from finished steps, at least one of which has a profit, and read-outs; returns its path."""
    profit = results[-1].profit
    policies = [
        {"name": name, "months": [{**month, "profit_eur": month[key]} for month in profit.by_month]}
        for name, key in PROFITS.items()
    ]
    kept = f"{profit.profit_never_retrained_eur:,.0f} of the first champion kept"
    page = render(
        _TEMPLATE,
        title=f"Time travel: {profit.profit_eur:,.0f} EUR against {kept}",
        source=source,
        drawn=replay_charts(policies, events_of(results), followed="platform", source=source),
        headings=HEADINGS,
        rows=[one.cells() for one in results],
        list_headings=LIST_HEADINGS,
        lists=[(one["list_id"], read_out_cells(one)) for one in read_outs],
    )
    path = reports / "demo" / "index.html"
    write_atomic(path, page.encode())
    return path
