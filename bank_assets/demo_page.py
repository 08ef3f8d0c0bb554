"""The demo as a page: the profit line against a model never retrained, and what each delivery led to.

What lives here: `reports/demo/index.html` and its picture, written again after each delivery.
What must not: figures (`demo_profit`, `demo_step`). Called by `bank_assets.demo_play`; the web app shows the folder.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Final

from bank_assets.core.response.policy import Rung
from bank_assets.demo_step import FITS, StepResult
from bank_assets.reports.replay_charts import replay_chart
from bank_assets.store.atomic_files import write_atomic

FOLDER: Final = "demo"
PAGE: Final = "index.html"
PICTURE: Final = "profit.png"
HEADINGS: Final = (
    "delivery", "contacts", "alerts", "recalibrated mornings", "fits", "promoted", "champion", "profit so far, EUR",
    "never retrained, EUR", "new champion answers after, s",
)  # fmt: skip


def events_of(results: Iterable[StepResult]) -> list[dict[str, str]]:
    """What happened, by day of data time, in the replay's words."""
    events = []
    for result in results:
        for row in result.judged:
            kinds = {"recalibration": row.is_recalibrated, "alert": row.is_alert, "search": row.rung == Rung.SEARCH}
            events += [{"day": row.as_of, "kind": kind, "reason": ""} for kind, is_so in kinds.items() if is_so]
        for verdict in result.verdicts:
            if verdict.kind in FITS and verdict.as_of:
                kind = "model" if verdict.decision == "promoted" else "refused"
                events.append({"day": verdict.as_of, "kind": kind, "reason": "; ".join(verdict.reasons)})
    return events


def write_page(reports: Path, results: Sequence[StepResult], source: str) -> Path:
    """Write page and picture.

    Args:
        reports: the home's folder of reports.
        results: finished steps, at least one with a profit.
        source: label of the data; a simulation says so.

    Returns:
        The page.
    """
    folder = reports / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    profit = results[-1].profit
    picture = replay_chart(profit.by_day, profit.by_month, events_of(results), followed="platform", source=source)
    write_atomic(folder / PICTURE, picture)
    head = "".join(f"<th>{escape(name)}</th>" for name in HEADINGS)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in _cells(one))}</tr>" for one in results)
    lead = f"{profit.profit_eur:,.0f} EUR against {profit.profit_never_retrained_eur:,.0f} of the first champion kept"
    drawn = "cumulative profit by policy, subscription rate against mean probability, what the loop did, over time"
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Time travel</title></head><body><main>'
        f"<h1>Time travel: {escape(lead)}</h1>"
        f"<p>Data: {escape(source)}. platform: the loop. never: the first champion, kept. contact_all: no model.</p>"
        f'<p><img src="{PICTURE}" alt="{drawn}"></p>'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></main></body></html>"
    )
    write_atomic(folder / PAGE, page.encode())
    return folder / PAGE


def _cells(result: StepResult) -> tuple[str, ...]:
    swap = result.swap()
    return (
        result.step.name,
        f"{result.contacts:,}",
        str(len(result.alerts)),
        str(result.recalibrations),
        str(result.count(FITS)),
        str(len(result.promoted)),
        result.version or "none",
        f"{result.profit.profit_eur:,.0f}",
        f"{result.profit.profit_never_retrained_eur:,.0f}",
        "-" if swap is None else f"{swap.at - result.delivered:.0f}",
    )
