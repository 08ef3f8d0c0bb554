"""`python -m bank_assets replay`: decide the history day by day with several policies and compare them.

With `--json` stdout is one JSON document and nothing else; progress goes to stderr.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from bank_assets.commands import day, number, whole
from bank_assets.core.economics.economics import COST_COLUMN, VALUE_COLUMN, EconomicsError
from bank_assets.core.economics.exploration import USUAL_LEARNING, LearningBudget
from bank_assets.core.economics.holdout import MAXIMUM_SHARE
from bank_assets.core.features.feedback import CALLED, FEEDBACKS
from bank_assets.core.training.recipes import RecipeError, named_recipes
from bank_assets.core.words import pct
from bank_assets.landing.header import DeliveryRefused
from bank_assets.replay.contacts import History, read_history
from bank_assets.replay.figures import uncertainty
from bank_assets.replay.replay import POLICIES, Job, PolicyOutcome, fingerprint, run_policies
from bank_assets.replay.world import (
    HISTORY_MONTHS,
    STEPS,
    ReplayError,
    ReplaySettings,
    World,
)
from bank_assets.reports.replay_charts import picture, replay_charts
from bank_assets.reports.replay_page import replay_page
from bank_assets.settings import Settings
from bank_assets.sources.source import resolve_history
from bank_assets.sources.uci import SourceError
from bank_assets.store.atomic_files import write_atomic

PROCESSES: Final = 2
ARGUMENTS: Final = ("last_day", "outcome_delay_days", "step", "feedback", "holdout_share")
COLUMNS: Final = (
    "profit EUR", "of oracle", "calls", "explored", "explored EUR", "AUC", "F1", "calibrated", "trainings", "cpu s",
)  # fmt: skip
TABLE_WIDTH: Final = 130  # if stdout is no terminal


def _day(text: str) -> np.datetime64:
    return np.datetime64(day(text))


def _names(text: str) -> list[str]:
    names = list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    unknown = [name for name in names if name not in POLICIES]
    if unknown or not names:
        raise argparse.ArgumentTypeError(f"expected names of {', '.join(POLICIES)}, found {text!r}")
    return names


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--redraw", type=Path, metavar="FILE", help="only draw the report of a replay.json again")
    parser.add_argument("--json", action="store_true", help="print one JSON document, nothing else, to stdout")
    parser.add_argument(
        "--value", type=number(is_money=True), help="value of a subscription, EUR (default: BANK_VALUE_EUR)"
    )
    parser.add_argument("--cost", type=number(is_money=True), help="cost of a call, EUR (default: BANK_COST_EUR)")
    parser.add_argument("--first-day", type=_day, help="first day decided (default: after four months)")
    parser.add_argument("--last-day", type=_day, help="last day decided (default: the last contact)")
    delay = "days until an outcome is usable (default: 1)"
    since = "first day that is counted; earlier days are decided as ever (default: the first day decided)"
    parser.add_argument("--count-from", type=_day, help=since)
    parser.add_argument("--outcome-delay-days", type=whole(), default=1, help=delay)
    parser.add_argument("--step", choices=STEPS, default="day", help="how often the policies assess and refit")
    parser.add_argument("--policies", type=_names, default=list(POLICIES), help="comma-separated (default: all)")
    learned = "learn from called contacts alone, or as if every outcome were known (default: called)"
    parser.add_argument("--feedback", choices=FEEDBACKS, default=CALLED, help=learned)
    share = f"explored calls of a list, as a share of its contacts (default: {USUAL_LEARNING.share:g})"
    parser.add_argument("--learning-share", type=number(0.0, 1.0), default=USUAL_LEARNING.share, help=share)
    least = f"smallest number of explored calls of a list (default: {USUAL_LEARNING.minimum})"
    parser.add_argument("--learning-minimum", type=whole(), default=USUAL_LEARNING.minimum, help=least)
    held_out = "share of the chosen contacts of a list that is not called (default: 0)"
    parser.add_argument("--holdout-share", type=number(0.0, MAXIMUM_SHARE), default=0.0, help=held_out)
    parser.add_argument(
        "--seed", type=whole(0, 2**31 - 1), help="seed of fits, samplers, searches, exploration (default: BANK_SEED)"
    )
    seeds = "replay with N seeds from --seed on; mean ± standard error"
    parser.add_argument("--seeds", type=whole(1), default=1, metavar="N", help=seeds)
    parser.add_argument("--processes", type=whole(1, 4), default=PROCESSES, help="policies at a time")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Replay, print and write the report; returns 0, or 2 for unusable arguments or an unusable source."""
    console = Console(stderr=True, markup=False, highlight=False, soft_wrap=True)
    if args.redraw:
        try:
            folder = write_report(args.redraw.parent, json.loads(args.redraw.read_bytes()))
        except (OSError, ValueError, KeyError, TypeError) as error:
            console.print(f"{args.redraw}: expected a replay.json of this release, found {error!r}; replay again.")
            return 2
        console.print(f"report: {folder / 'index.html'}")
        return 0
    try:
        replay = ReplaySettings(
            settings.economics.stating(args.cost, args.value),
            args.first_day or np.datetime64(settings.contract.month_after(HISTORY_MONTHS)),
            seed=settings.seed if args.seed is None else args.seed,
            candidates=settings.candidates,
            probation=settings.probation,
            objective=settings.objective,
            learning_rows=settings.learning_rows,
            learning=LearningBudget(args.learning_share, args.learning_minimum),
            **{name: getattr(args, name) for name in ARGUMENTS},
        )
        named_recipes(settings.candidates, replay.seed)
        source = resolve_history(settings)
        console.print(f"source: {source.label}{f' ({source.reason})' if source.reason else ''}")
        history = read_history(source, settings)
        if history.left_out:
            console.print(f"{history.left_out} rows left out: outside the contract, or delivered twice")
        world = World(history.contacts, replay)
        since = _counted_from(args, world)
    except (EconomicsError, ReplayError, RecipeError, SourceError, DeliveryRefused) as error:
        console.print(str(error), style="red")
        return 2
    runs = []
    for seed in range(replay.seed, replay.seed + args.seeds):
        seeded = replace(replay, seed=seed)
        folder = settings.home / "replay" / fingerprint(history.digest, seeded)
        runs.append(_replayed(args, Job(history.contacts, seeded, folder, since), len(world.days)))
    document = {**_document(history, replay, world, runs), "counted_from": str(since)}
    events = [asdict(event) for event in runs[0][_followed(runs[0])].counts.events]
    name = "replay" if replay.feedback == CALLED else f"replay-{replay.feedback}"
    folder = write_report(settings.reports / name, {**document, "events": events})
    if args.json:
        sys.stdout.write(json.dumps(document, allow_nan=False) + "\n")
    else:
        Console(width=None if sys.stdout.isatty() else TABLE_WIDTH, markup=False).print(_table(document))
    console.print(f"report: {folder / 'index.html'}")
    return 0


def _counted_from(args: argparse.Namespace, world: World) -> np.datetime64:
    since, last = args.count_from or world.settings.first_day, world.dates[world.is_decided].max()
    if since > last:
        raise ReplayError(f"count from: expected a day up to {last}, found {since}; choose an earlier one.")
    return since


def _replayed(args: argparse.Namespace, job: Job, days: int) -> dict[str, PolicyOutcome]:
    columns = (TextColumn("{task.description:>13}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bars:
        tasks = {name: bars.add_task(name, total=days) for name in args.policies}

        def report(name: str, done: int) -> None:
            bars.update(tasks[name], completed=done)

        found = {}
        for name, outcome in run_policies(args.policies, job, min(args.processes, len(args.policies)), report):
            report(name, days)
            found[name] = outcome
    return {name: found[name] for name in args.policies}


def _document(
    history: History, replay: ReplaySettings, world: World, runs: Sequence[Mapping[str, PolicyOutcome]]
) -> dict[str, Any]:
    amounts, platform = replay.economics.to_dict(), runs[0].get("platform")
    return {
        **{name: amounts[name] for name in (VALUE_COLUMN, COST_COLUMN)},
        **{name: getattr(replay, name) for name in ("outcome_delay_days", "step", "feedback", "holdout_share", "seed")},
        "learning": asdict(replay.learning),
        "first_day": str(replay.first_day),
        "last_day": str(world.dates[world.is_decided].max()),
        "source": {"label": history.source.label, "is_real": history.source.is_real, "contacts": len(history.contacts)},
        "policies": [outcome.result for outcome in runs[0].values()],
        "uncertainty": None if platform is None else uncertainty(world, platform.trace),
        "seeds": over_seeds(replay.seed, runs),
    }


def over_seeds(first: int, runs: Sequence[Mapping[str, PolicyOutcome]]) -> dict[str, Any]:
    """Mean and standard error of each policy's profit over consecutive seeds."""
    profits = {name: [run[name].result["profit_eur"] for run in runs] for name in runs[0]}
    return {
        "seeds": [first + number for number in range(len(runs))],
        "profit_eur": {
            name: {
                "mean": float(np.mean(values)),
                "standard_error": float(np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else None,
                "by_seed": values,
            }
            for name, values in profits.items()
        },
    }


def _followed(names: Collection[str]) -> str:
    return "platform" if "platform" in names else next(iter(names))


def write_report(folder: Path, document: Mapping[str, Any]) -> Path:
    """Write `replay.json`, the page and `replay.svg`; the same document always gives the same page."""
    policies, events = document["policies"], document["events"]
    followed = _followed([one["name"] for one in policies])
    drawn = replay_charts(policies, events, followed=followed, source=document["source"]["label"])
    write_atomic(folder / "replay.json", json.dumps(document, indent=1).encode())
    write_atomic(folder / "replay.svg", picture(drawn).encode())
    write_atomic(folder / "index.html", replay_page(document, drawn, events, followed=followed).encode())
    return folder


def _table(document: Mapping[str, Any]) -> Table:
    table = Table(title=f"Replay {document['counted_from']} to {document['last_day']}: {document['source']['label']}")
    table.add_column("policy", no_wrap=True)
    for name in COLUMNS:
        table.add_column(name, justify="right")

    def text(value: float | None, form: str) -> str:
        return "-" if value is None else format(value, form)

    for row in sorted(document["policies"], key=lambda row: -row["profit_eur"]):
        spread = document["seeds"]["profit_eur"][row["name"]]
        error = spread["standard_error"]
        months = "-" if row["roc_auc"] is None else f"{row['calibrated_months']}/{row['judged_months']}"
        table.add_row(
            row["name"],
            f"{row['profit_eur']:,.0f}" if error is None else f"{spread['mean']:,.0f} ± {error:,.0f}",
            "-" if row["share_of_oracle"] is None else pct(row["share_of_oracle"]),
            f"{row['contacts_called']:,}",
            f"{row['explored_calls']:,}",
            f"{row['exploration_profit_eur']:,.0f}",
            text(row["roc_auc"], ".3f"),
            text(row["f1"], ".3f"),
            months,
            str(row["trainings"]),
            f"{row['cpu_seconds']:.1f}",
        )
    return table
