"""`python -m bank_assets run`: land the source and run the main job with a progress bar and a summary."""

import argparse
import json
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

import dagster as dg
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from sqlalchemy.exc import OperationalError

from bank_assets.assets import load_stage_assets
from bank_assets.commands import day
from bank_assets.commands.run_summary import build_summary, print_summary
from bank_assets.definitions import build_defs
from bank_assets.jobs import MAIN, PERFORMANCE
from bank_assets.landing.contract_in_use import check_contract
from bank_assets.landing.deliveries import register_deliveries
from bank_assets.landing.folders import LandingError
from bank_assets.landing.header import DeliveryRefused
from bank_assets.landing.register import delivered_months
from bank_assets.ledger.engine import opened_ledger
from bank_assets.loop.requests import RANGE_END, RANGE_START
from bank_assets.partitions import key_of, months_between
from bank_assets.resources.instance import open_instance
from bank_assets.resources.run_lock import holding_run_lock, reap_orphans
from bank_assets.resources.run_story import innermost
from bank_assets.settings import Settings
from bank_assets.sources.landing import land_source
from bank_assets.sources.source import resolve_source
from bank_assets.sources.uci import SourceError
from bank_assets.store.atomic_files import write_atomic
from bank_assets.store.champion_history import ChampionHistory
from bank_assets.store.contact_store import ContactStore
from bank_assets.store.lake_of_home import check_lake
from bank_assets.store.lineage import passed_months, stale_scores
from bank_assets.store.relocation import relocate
from bank_assets.store.warehouse import Warehouse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `run`."""
    parser.add_argument("--first", type=day, help="first day to land from the source, ISO; default all")
    parser.add_argument("--last", type=day, help="last day to land from the source, ISO; default all")
    parser.add_argument("--no-land", action="store_true", help="take what lies in the landing folder; land nothing")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Land the source and run the main job; returns 1 after a technical failure, 0 otherwise, also after a refusal."""
    console = Console(stderr=True, markup=False)  # a path may contain `[…]`
    started = time.monotonic()
    check_lake(settings.warehouse, settings.tables)
    check_contract(settings.warehouse, settings.contract)
    relocate(settings.mlflow_uri, settings.mlflow_artifacts)
    try:
        _land(arguments, settings, console)
    except (SourceError, DeliveryRefused, LandingError) as error:
        console.print(str(error), style="red")
        return 1
    months = delivered_months(settings.warehouse)
    if not months:
        console.print(
            "no contacts were delivered: expected at least one usable file in "
            f"{settings.landing / 'contacts'}, found none; see {settings.landing / 'refused'} for refusals",
            style="red",
        )
        return 1
    keys = [key_of(month) for month in months_between(months[0], months[-1])]
    with open_instance(settings) as instance:
        for orphan in reap_orphans(instance):
            console.print(f"failed the orphaned run {orphan}: its process is gone", style="yellow")
        seconds: dict[str, float] = {}
        is_done = execute(MAIN, settings, instance, keys, console, seconds)
        if is_done and has_new_champion(settings):
            # The new champion scores the days since its data ended; otherwise the next run would find work left.
            is_done = execute(PERFORMANCE, settings, instance, keys, console, {})
    seconds["total"] = round(time.monotonic() - started, 1)
    summary = build_summary(settings, seconds)
    path = settings.reports / "run_summary.json"
    write_atomic(path, json.dumps(summary, indent=1).encode())
    print_summary(summary, Console(markup=False))
    console.print(f"summary: {path}")
    return 0 if is_done else 1


def _land(arguments: argparse.Namespace, settings: Settings, console: Console) -> None:
    """Land the source, unless the arguments say no, and register what lies in the landing folder."""
    if not arguments.no_land:
        source = resolve_source(settings)
        landed = land_source(source, settings, first=arguments.first, last=arguments.last)
        console.print(f"source: {source.label}" + (f"; {source.reason}" if source.reason else ""))
        console.print(
            f"landed {sum(landed.rows.values()):,} contacts of {len(landed.rows)} months, "
            f"{len(landed.written)} files new, {len(landed.unchanged)} unchanged"
        )
        if landed.kept:
            console.print(
                f"kept as changed by somebody else: {', '.join(landed.kept)}; remove a file to have it written again",
                style="yellow",
            )
    arrived = datetime.now(UTC)
    folders = settings.landing, settings.warehouse
    tables, bucket = settings.tables, settings.landing_bucket
    found = register_deliveries(*folders, settings.contract, now=arrived, settle_seconds=0, lake=tables, bucket=bucket)
    for refusal in found.refused:
        console.print(f"not used: {refusal.problem}", style="yellow")


def has_new_champion(settings: Settings) -> bool:
    """Whether the stored scores or the last drift report are older than the champion."""
    with opened_ledger(settings.ledger_url) as engine:
        champions = ChampionHistory.of(engine)
    if champions.current is None:
        return False
    store = Warehouse(settings.tables, settings.warehouse)
    references = [entry.metadata.get("reference") for entry in store.manifest("drift_report").values()]
    compared = [reference for reference in references if reference]
    lists = ContactStore(store, settings.contract, settings.feedback).lists(passed_months(store))
    is_stale = bool(stale_scores(store, champions, lists))
    return is_stale or (bool(compared) and compared[-1] != f"champion v{champions.current}")


def execute(
    job: str,
    settings: Settings,
    instance: dg.DagsterInstance,
    keys: list[str],
    console: Console,
    seconds: dict[str, float],
) -> bool:
    """Run a job over a range of months in this process and add its seconds by stage to `seconds`.

    Returns whether every step succeeded and no blocking check failed.
    """
    definition = build_defs(settings=settings).resolve_job_def(job)
    nodes = {node.name for node in definition.nodes}
    # Of asset steps, without checks; a step that makes several assets has one stage.
    stage_of = {
        asset.op.name: next(iter(asset.specs)).group_name or ""
        for asset in load_stage_assets()
        if asset.op.name in nodes
    }
    run_id = str(uuid.uuid4())
    with _watching(console, instance, run_id, job, stage_of), holding_run_lock(instance, run_id):
        result = definition.execute_in_process(
            instance=instance,
            run_id=run_id,
            raise_on_error=False,
            tags={RANGE_START: keys[0], RANGE_END: keys[-1]},
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
    for event in result.all_events:
        stage = stage_of.get(event.step_key or "")
        if event.is_step_success and stage:
            spent = event.step_success_data.duration_ms / 1000
            seconds[stage] = round(seconds.get(stage, 0.0) + spent, 2)
        if event.is_step_failure:
            error = event.step_failure_data.error
            cause = innermost(error).message.strip() if error else "unknown error"
            console.print(f"{event.step_key} failed: {cause}", style="red")
    return bool(result.success)


@contextmanager
def _watching(
    console: Console, instance: dg.DagsterInstance, run_id: str, job: str, stage_of: dict[str, str]
) -> Iterator[None]:
    """A progress bar over the assets of a run, fed from its event log."""
    done = threading.Event()
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[stage]}"),
    )
    with Progress(*columns, console=console, transient=False) as progress:
        task = progress.add_task(job, total=len(stage_of), stage="starting")

        def show() -> None:
            begun = [one for one in instance.get_run_step_stats(run_id) if one.step_key in stage_of and one.start_time]
            newest = max(begun, key=lambda one: one.start_time or 0.0, default=None)
            stage = f"{stage_of[newest.step_key]}: {newest.step_key}" if newest else "starting"
            progress.update(task, completed=sum(one.end_time is not None for one in begun), stage=stage)

        def poll() -> None:
            while not done.wait(0.5):
                with suppress(OperationalError):  # a new home has no event log yet
                    show()

        thread = threading.Thread(target=poll, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
            show()
