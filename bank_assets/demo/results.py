"""What the demo led to: a line for each delivery, and `reports/demo_summary.json`.

docs/operations.md describes the keys.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bank_assets.core.alerts.alert import AlertKind
from bank_assets.demo.client import Change
from bank_assets.demo.deliveries import DemoDelivery
from bank_assets.demo.profit import PlayedProfit
from bank_assets.demo.watch import RunParts
from bank_assets.ledger.promotions import Promotion
from bank_assets.ledger.responses import Judged
from bank_assets.store.atomic_files import write_atomic

if TYPE_CHECKING:
    from bank_assets.demo.play import Play

FILE: Final = "demo_summary.json"
FITS: Final = ("refit", "recipe", "probation")
_LISTED: Final = (AlertKind.LIST_MADE, AlertKind.LIST_CLOSED, AlertKind.OBJECTION)
_JUDGED: Final = (AlertKind.RECALIBRATED, AlertKind.PROMOTED, AlertKind.REFUSED, AlertKind.NIGHTLY_DIGEST)
DONE: Final = frozenset((*_LISTED, *_JUDGED))
# Width by heading of the table that the demo prints.
COLUMNS: Final = {
    "step": 10, "contacts": 8, "alerts": 6, "recal.": 6, "fits": 4, "promoted": 8, "refused": 7, "champion": 8,
    "profit EUR": 11, "never retr.": 11, "swap s": 7, "idle s": 7, "requests": 8, "failed": 6,
}  # fmt: skip
HEADER: Final = " ".join(f"{name:>{width}}" for name, width in COLUMNS.items())


@dataclass(slots=True)
class StepResult:
    """What one delivery led to.

    Attributes:
        contacts: contacts delivered.
        delivered: moment its files were complete in the landing folder, seconds since the epoch.
        idle_seconds: until the loop had nothing left to do.
        verdicts: of gates, and published recalibrations.
        judged: days that the response policy judged.
        notices: alerts that were sent.
        changes: models and states that began to answer.
        version: champion that answered at the end.
        profit: of all days played so far.
    """

    step: DemoDelivery
    contacts: int
    delivered: float
    idle_seconds: float = 0.0
    version: str = ""
    profit: PlayedProfit = field(default_factory=PlayedProfit)
    runs: Sequence[RunParts] = ()
    changes: Sequence[Change] = ()
    verdicts: list[Promotion] = field(default_factory=list)
    judged: list[Judged] = field(default_factory=list)
    notices: list[dict[str, Any]] = field(default_factory=list)

    def swap(self) -> Change | None:
        """The first answer by the champion that the step ended with, if it is a new one.

        Several fits can follow from one delivery, because the loop assesses its days one by one.
        """
        if len({change.version for change in self.changes}) < 2:
            return None
        return next(change for change in self.changes if change.version == self.version)

    def refreshed(self) -> Change | None:
        """The first answer from the new day's state."""
        return next(iter(self.changes[1:]), None)

    @property
    def alerts(self) -> list[dict[str, Any]]:
        """Notices of a problem; others report what was done."""
        return [notice for notice in self.notices if notice.get("kind") not in DONE]

    @property
    def recalibrations(self) -> int:
        """Days on which the intercept moved materially."""
        return sum(row.is_recalibrated for row in self.judged)

    @property
    def promoted(self) -> list[Promotion]:
        """Promoted fits in order, without the first champion."""
        return [row for row in self.verdicts if row.kind in FITS and row.decision == "promoted"]

    def cells(self) -> list[str]:
        """The cells under `COLUMNS`, without those of the client."""
        swap, fits = self.swap(), [row.decision for row in self.verdicts if row.kind in (*FITS, "first")]
        return [
            self.step.name,
            f"{self.contacts:,}",
            str(len(self.alerts)),
            str(self.recalibrations),
            str(len(fits)),
            str(fits.count("promoted")),
            str(fits.count("refused")),
            self.version or "-",
            f"{self.profit.profit_eur:,.0f}",
            f"{self.profit.profit_never_retrained_eur:,.0f}",
            "-" if swap is None else f"{swap.at - self.delivered:.0f}",
            f"{self.idle_seconds:.0f}",
        ]

    def row(self, requests: int, failures: int) -> str:
        """One line under `HEADER`, with the client's requests and failures so far."""
        cells = (*self.cells(), f"{requests:,}", str(failures))
        return " ".join(f"{cell:>{width}}" for cell, width in zip(cells, COLUMNS.values(), strict=True))

    def to_dict(self) -> dict[str, Any]:
        """The figures of the delivery in the summary."""
        refreshed = self.refreshed()
        return {
            "step": self.step.name,
            "contacts": self.contacts,
            "champion": self.version,
            "idle_seconds": round(self.idle_seconds, 1),
            "state_seconds": round(refreshed.at - self.delivered, 1) if refreshed else None,
            "reaction_parts": reaction_parts(self),
            "verdicts": [
                {"kind": row.kind, "decision": row.decision, "version": row.to_version, "reasons": row.reasons}
                for row in self.verdicts
            ],
            "judged_mornings": len(self.judged),
            "notices": self.notices,
            "runs": [run.to_dict() for run in self.runs],
            "profit_eur": self.profit.profit_eur,
            "profit_never_retrained_eur": self.profit.profit_never_retrained_eur,
        }


def reaction_parts(result: StepResult) -> list[dict[str, str | float]]:
    """The time from a delivery to the new champion's first answer in parts, in seconds; empty without a new champion.

    Each run contributes its wait (from the end of the one before to its request), its start (queue, process, imports)
    and its work; the last one counts until its verdict was written.
    """
    swap = result.swap()
    if swap is None or not result.promoted:
        return []
    moved = datetime.fromisoformat(result.promoted[-1].at).timestamp()
    marks = [("delivered", result.delivered)]
    for run in sorted(result.runs, key=lambda one: one.created):
        if run.created > moved or run.created < marks[-1][1]:
            continue  # requested later, or not part of the chain
        marks += [(f"{run.job} requested", run.created), (f"{run.job} started", run.started)]
        if run.ended <= moved:
            marks.append((f"{run.job} done", run.ended))
    marks += [("alias moved", moved), ("the app answers with the new version", swap.at)]
    return [
        {"from": before[0], "to": after[0], "seconds": round(after[1] - before[1], 1)}
        for before, after in pairwise(marks)
    ]


def read_out_cells(read_out: Mapping[str, Any]) -> list[str]:
    """List, calls, subscriptions, profit, forecast (EUR) and effect of a read-out as the API gives it."""
    made, forecast = read_out["made"], read_out["forecast"]
    expected = "none" if forecast is None else f"{forecast['value']:,.0f}"
    numbers = (f"{made['calls']:,}", f"{made['subscriptions']:,}", f"{made['profit_eur']:,.0f}")
    return [read_out["name"], *numbers, expected, read_out["lift"]["sentence"]]


def build_summary(play: Play) -> dict[str, Any]:
    """Collect the figures."""
    results = play.results
    swaps = [(result, swap) for result in results if (swap := result.swap()) is not None]
    runs = [run for result in results for run in result.runs]
    verdicts = [row for result in results for row in result.verdicts]
    fits = [row for row in verdicts if row.kind in FITS]
    promoted = [row.as_of for row in fits if row.decision == "promoted"]
    profit = asdict(results[-1].profit if results else PlayedProfit())
    spent = sum(run.ended - run.created for run in runs)
    return {
        "schema_version": 1,
        "source": {"label": play.source.label, "is_real": play.source.is_real},
        "first_day": str(play.steps[0].first) if play.steps else None,
        "last_day": str(results[-1].step.last) if results else None,
        "months": len({f"{result.step.first:%Y-%m}" for result in results}),
        "steps": len(results),
        "alerts": sum(len(result.alerts) for result in results),
        "recalibrations": sum(result.recalibrations for result in results),
        "recalibrations_published": sum(row.kind == "recalibration" for row in verdicts),
        "notices": dict(Counter(str(notice["kind"]) for result in results for notice in result.notices)),
        "retrainings": len(fits),
        "promotions": len(promoted),
        "refusals": len(fits) - len(promoted),
        "failed_runs": len(play.failed_runs),
        "failed_sensor_ticks": len(play.failed_ticks),
        "http_requests": play.client.requests,
        "http_failures": play.client.failures,
        "reaction_seconds": [round(swap.at - result.delivered, 1) for result, swap in swaps],
        "contacts_judged": profit.pop("contacts"),
        "profit_by_month": profit.pop("by_month"),
        **profit,
        "fits_on": promoted,
        "replay": play.replayed,
        "lists": play.read_outs,
        "seconds": round(time.time() - play.began, 1),
        "dagster_share": round(1.0 - sum(run.work for run in runs) / spent, 3) if spent else None,
        "failures": [*play.failed_runs, *play.failed_ticks, *play.client.reasons],
        "played": [result.to_dict() for result in results],
    }


def write_summary(play: Play, folders: Iterable[Path]) -> dict[str, Any]:
    """Write the figures to each folder, also after an interruption, and print them."""
    document = build_summary(play)
    for folder in folders:
        write_atomic(folder / FILE, json.dumps(document, indent=1, default=str).encode())
    say = play.console.print
    say(
        f"{document['months']} months in {document['seconds'] / 60:.1f} min: {document['alerts']} alerts, "
        f"{document['recalibrations']} recalibrations, {document['retrainings']} retrainings, "
        f"{document['promotions']} promotions, {document['refusals']} refusals, {document['failed_runs']} failed runs"
    )
    say(f"{document['http_requests']:,} requests meanwhile, {document['http_failures']} failed")
    say(
        f"profit {document['profit_eur']:,.0f} EUR; never retrained {document['profit_never_retrained_eur']:,.0f}, "
        f"only recalibrated {document['profit_recalibrated_only_eur']:,.0f}, "
        f"everyone called {document['profit_contact_everyone_eur']:,.0f}"
    )
    if replayed := document["replay"]:
        say(
            f"replay of the same days: {replayed['platform']['profit_eur']:,.0f} EUR, trained once "
            f"{replayed['never']['profit_eur']:,.0f}; fits there on {', '.join(replayed['fits_on']) or 'no day'}, "
            f"here on {', '.join(document['fits_on']) or 'no day'}"
        )
    for one in document["lists"]:
        name, calls, subscriptions, profit, forecast, effect = read_out_cells(one)
        say(f"{name}: {calls} calls, {subscriptions} subscriptions, {profit} EUR (forecast {forecast}). {effect}")
        say(f"  {one['url']}", style="dim")
    for failure in document["failures"]:
        say(failure, style="red")
    return document
