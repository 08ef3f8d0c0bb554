"""The figures of a demo: `reports/demo_summary.json` and the closing lines. docs/operations.md describes the keys."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from bank_assets.demo.play import Play
from bank_assets.demo.profit import PlayedProfit
from bank_assets.demo.step import FITS, StepResult
from bank_assets.store.atomic_files import write_atomic

FILE: Final = "demo_summary.json"


def reaction_parts(result: StepResult) -> list[dict[str, str | float]]:
    """The time from a delivery to the new champion's first answer in parts, in seconds; empty without a new champion.

    Each run contributes its wait (from the end of the one before to its request), its start (queue, process, imports)
    and
    its work; the last one counts until its verdict was written.
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


def build_summary(play: Play) -> dict[str, Any]:
    """Collect the figures."""
    results = play.results
    swaps = [(result, swap) for result in results if (swap := result.swap()) is not None]
    profit = results[-1].profit if results else PlayedProfit()
    runs = [run for result in results for run in result.runs]
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
        "recalibrations_published": sum(result.count(["recalibration"]) for result in results),
        "notices": dict(Counter(str(notice["kind"]) for result in results for notice in result.notices)),
        "retrainings": sum(result.count(FITS) for result in results),
        "promotions": sum(result.count(FITS, "promoted") for result in results),
        "refusals": sum(result.count(FITS, "refused") for result in results),
        "failed_runs": len(play.failed_runs),
        "failed_sensor_ticks": len(play.failed_ticks),
        "http_requests": play.client.requests,
        "http_failures": play.client.failures,
        "reaction_seconds": [round(swap.at - result.delivered, 1) for result, swap in swaps],
        "profit_eur": profit.profit_eur,
        "profit_never_retrained_eur": profit.profit_never_retrained_eur,
        "profit_recalibrated_only_eur": profit.profit_recalibrated_only_eur,
        "profit_contact_everyone_eur": profit.profit_contact_everyone_eur,
        "contacts_judged": profit.contacts,
        "profit_by_month": list(profit.by_month),
        "fits_on": [
            row.as_of
            for result in results
            for row in result.verdicts
            if row.kind in FITS and row.decision == "promoted"
        ],
        "replay": play.replayed,
        "seconds": round(time.time() - play.began, 1),
        "dagster_share": round(1.0 - sum(run.work for run in runs) / spent, 3) if spent else None,
        "failures": [*play.failed_runs, *play.failed_ticks, *play.client.reasons],
        "played": [_step(result) for result in results],
    }


def _step(result: StepResult) -> dict[str, Any]:
    refreshed = result.refreshed()
    return {
        "step": result.step.name,
        "contacts": result.contacts,
        "champion": result.version,
        "idle_seconds": round(result.idle_seconds, 1),
        "state_seconds": round(refreshed.at - result.delivered, 1) if refreshed else None,
        "reaction_parts": reaction_parts(result),
        "verdicts": [
            {"kind": row.kind, "decision": row.decision, "version": row.to_version, "reasons": row.reasons}
            for row in result.verdicts
        ],
        "judged_mornings": len(result.judged),
        "notices": list(result.notices),
        "runs": [run.to_dict() for run in result.runs],
        "profit_eur": result.profit.profit_eur,
        "profit_never_retrained_eur": result.profit.profit_never_retrained_eur,
    }


def write_summary(play: Play, folders: Iterable[Path]) -> dict[str, Any]:
    """Write the figures to each folder, also after an interruption, and print them."""
    document = build_summary(play)
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
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
    for failure in document["failures"]:
        say(failure, style="red")
    return document
