"""`python -m bank_assets demo` (`make demo`): past months arrive one after the other, and the loop responds unattended.

`demo.play` plays the deliveries, `demo.processes` runs the servers and `demo.results` has the figures.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from types import FrameType
from typing import Any, Final

from rich.console import Console

from bank_assets.commands import day, number, whole
from bank_assets.core.features.feedback import CALLED
from bank_assets.demo.deliveries import MONTH, DemoSender, parse_step, plan_steps
from bank_assets.demo.play import Play
from bank_assets.demo.processes import LOOPBACK, DemoError, Processes, answers, free_port, stop_leftovers
from bank_assets.demo.results import write_summary
from bank_assets.landing.header import DeliveryRefused
from bank_assets.landing.register import read_manifest
from bank_assets.resources.instance import open_instance
from bank_assets.settings import Settings, contract_name
from bank_assets.sources.source import Source, resolve_history
from bank_assets.sources.uci import SourceError

# Months of history before the first day (docs/adr/0043): a first model passes its gate on the UCI file and on simulated
# data alike, and within a month the loop finds drift, refits and promotes.
HISTORY_MONTHS: Final = 10
MARK: Final = "demo.json"  # marks the home of a demo, which the next demo may empty
READY_SECONDS: Final = 180.0
SENSOR_SECONDS: Final = 2
INTERRUPTED: Final = 130
STOPPING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `demo`."""
    parser.add_argument("--start", type=day, help="first day played, ISO (default: after ten months)")
    parser.add_argument("--months", type=whole(1), help="calendar months to play (default: all)")
    parser.add_argument("--step", default=MONTH, help="what arrives at a time: month, or a number of days")
    pause = "seconds between a finished step and the next delivery"
    parser.add_argument("--pause", type=number(), default=0.0, help=pause)
    parser.add_argument("--home", type=Path, help="home of the demo (default: BANK_HOME/demo)")
    parser.add_argument("--attach", action="store_true", help="use the daemon and app that run on BANK_HOME already")
    parser.add_argument(
        "--app-port", type=whole(1, 65_535), default=8000, help="port of the running app, with --attach"
    )
    parser.add_argument(
        "--ui-port", type=whole(1, 65_535), default=3000, help="port of the running Dagster, with --attach"
    )
    parser.add_argument("--rate", type=number(), default=5.0, help="requests a second of the client")
    no_replay = "leave out the comparison with the replay's own figure"
    parser.add_argument("--no-replay", action="store_true", help=no_replay)
    parser.add_argument(
        "--step-timeout", type=number(), default=1200.0, help="seconds after which a step counts as stuck"
    )


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Play the demo and stop everything that it started.

    Returns 0 if no run and no request failed, 1 if one did or the demo could not continue, 2 for unusable arguments,
    130 after Ctrl-C or kill.
    """
    console = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)
    try:
        start = arguments.start or settings.contract.month_after(HISTORY_MONTHS)
        step_days = parse_step(arguments.step)
        source = resolve_history(settings)
        home = settings.home if arguments.attach else arguments.home or settings.home / "demo"
        own = settings if arguments.attach else replace(settings.at(home.absolute()), feedback=CALLED)
        # A closed terminal is treated like Ctrl-C. Ctrl-C gets our handler too: a demo started in the background of a
        # script would ignore it, and so would its servers.
        with _handling(_interrupt), _servers(arguments, own, console) as processes:
            play = _prepare(arguments, own, source, start, step_days, processes, console)
            try:
                play.all()
                if play.results and not arguments.no_replay:
                    play.replayed = _replay(play, processes, console)
            finally:
                play.client.stop()
                document = write_summary(play, {own.reports, settings.reports})
            console.print(f"summary: {settings.reports / 'demo_summary.json'}")
            if sys.stdin.isatty() and processes.running:
                console.input("the pages stay until you press Enter ")
            return 0 if document["failed_runs"] == 0 and document["http_failures"] == 0 else 1
    except KeyboardInterrupt:
        console.print("interrupted; everything that was started is stopped")
        return INTERRUPTED
    except (SourceError, DeliveryRefused, ValueError) as error:
        console.print(str(error), style="red")
        return 2
    except DemoError as error:
        console.print(str(error), style="red")
        return 1


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


@contextmanager
def _handling(handler: Callable[[int, FrameType | None], Any] | int | None) -> Iterator[None]:
    """Handle every signal that asks the demo to stop."""
    before = {number: signal.signal(number, handler) for number in STOPPING}
    try:
        yield
    finally:
        for number, former in before.items():
            signal.signal(number, former)


@contextmanager
def _servers(arguments: argparse.Namespace, settings: Settings, console: Console) -> Iterator[Processes]:
    """The demo's processes, which are stopped however the demo ends."""
    home = settings.home
    if not arguments.attach:
        _empty_home(home, console)
    environment: dict[str, str | None] = {
        **dict.fromkeys(
            ("BANK_LAKE", "BANK_LANDING", "BANK_MLFLOW_URI", "BANK_MLFLOW_ARTIFACTS", "BANK_LEDGER_URL", "BANK_LOGIN")
        ),
        "BANK_HOME": str(home),
        "DAGSTER_HOME": str(settings.dagster_home),
        "BANK_HOST": LOOPBACK,
        "BANK_FEEDBACK": settings.feedback,
        "BANK_SENSORS_RUNNING": "yes",
        # Somebody is waiting, and files arrive complete, by a rename.
        "BANK_SENSOR_SECONDS": str(SENSOR_SECONDS),
        "BANK_SETTLE_SECONDS": "0",
        "PYTHONUNBUFFERED": "1",
    }
    processes = Processes(home / "demo_processes.json", home / "logs", environment)
    try:
        yield processes
    finally:
        if processes.running:
            console.print(f"stopping {', '.join(processes.running)}")
        with _handling(signal.SIG_IGN):  # a second Ctrl-C must not leave some of them running
            processes.stop()


def _empty_home(home: Path, console: Console) -> None:
    """Empty the home of an earlier demo; refuse a folder that no demo made."""
    for name in stop_leftovers(home / "demo_processes.json"):
        console.print(f"stopped {name}, left behind by a demo that was killed")
    if home.is_dir() and any(home.iterdir()):
        if not (home / MARK).is_file():
            raise DemoError(
                f"{home}: expected an empty folder or the home of an earlier demo, found other files; "
                "choose another one with --home."
            )
        shutil.rmtree(home)
    home.mkdir(parents=True, exist_ok=True)
    (home / MARK).write_text(json.dumps({"made_by": "python -m bank_assets demo"}))


def _prepare(
    arguments: argparse.Namespace,
    settings: Settings,
    source: Source,
    start: date,
    step_days: int,
    processes: Processes,
    console: Console,
) -> Play:
    """Deliver the history, start the servers and plan the steps."""
    console.print(f"source: {source.label}")
    console.print(f"home of the demo: {settings.home}; nothing is written outside it and its parent's reports")
    # The processes use the source found here: `auto` must not choose again, and they have another working folder.
    chosen = str(source.path.absolute()) if source.path else source.kind
    processes.environment["BANK_SOURCE"] = chosen
    processes.environment["BANK_CONTRACT"] = contract_name()
    sender = DemoSender(source, settings, settings.home / "stage")
    delivered = read_manifest(settings.warehouse, "contacts")
    if delivered:  # only with --attach: go on after what is there
        start = max(start, max(date.fromisoformat(one.last_day) for one in delivered) + timedelta(days=1))
    _, last = sender.span(start)
    if not delivered:
        rows = sender.deliver_history(start - timedelta(days=1))
        console.print(f"history: {rows:,} contacts before {start}")
        if not arguments.attach:
            began = time.monotonic()
            console.print("main job on the history: tables, gate, drift, candidates, first champion …")
            # In a process of its own, so that its memory is freed afterwards.
            processes.finish("main-job", ["-m", "bank_assets", "run", "--no-land"])
            console.print(f"main job done in {time.monotonic() - began:.0f} s")
    app_port, ui_port = _serve(arguments, settings, processes, console)
    console.print(f"watch: the app http://{LOOPBACK}:{app_port}  Dagster http://{LOOPBACK}:{ui_port}")
    console.print(f"profit line, from the first delivery on: http://{LOOPBACK}:{app_port}/reports/demo/index.html")
    steps = plan_steps(start, last, arguments.months, step_days)
    timing = (arguments.pause, arguments.step_timeout, arguments.rate)
    return Play(settings, source, sender, steps, processes, console, app_port, *timing)


def _replay(play: Play, processes: Processes, console: Console) -> dict[str, Any]:
    """Replay the same days with the platform and with a model that is trained once."""
    console.print("the same days by the replay, for comparison …")
    span = ["--first-day", str(play.steps[0].first), "--last-day", str(play.results[-1].step.last)]
    command = ["-m", "bank_assets", "replay", "--policies", "platform,never", "--step", "day", "--json", *span]
    processes.finish("replay", command)
    document = json.loads((play.settings.reports / "replay" / "replay.json").read_text())
    kept = ("profit_eur", "trainings", "searches", "recalibrations", "contacts_called")
    figures = {policy["name"]: {key: policy[key] for key in kept} for policy in document["policies"]}
    fits = [event["day"] for event in document["events"] if event["kind"] == "model"]
    return {"step": "day", **figures, "fits_on": fits}


def _serve(
    arguments: argparse.Namespace, settings: Settings, processes: Processes, console: Console
) -> tuple[int, int]:
    """Start the app and Dagster, or find those that run; returns the ports of both."""
    if arguments.attach:
        app, ui = ("the app (make serve)", arguments.app_port), ("Dagster (make ui)", arguments.ui_port)
        for (name, port), path in ((app, "/health/live"), (ui, "/server_info")):
            if not answers(port, path):
                raise DemoError(f"{name}: expected an answer on port {port}, found none; start it or omit ATTACH.")
        return arguments.app_port, arguments.ui_port
    with open_instance(settings):
        pass  # writes dagster.yaml into the home
    app_port, ui_port = free_port(), free_port()
    processes.environment |= {
        "BANK_PORT": str(app_port),
        "BANK_PUBLIC_URL": f"http://{LOOPBACK}:{app_port}",
        "BANK_UI_URL": f"http://{LOOPBACK}:{ui_port}",
    }
    began = time.monotonic()
    processes.start("app", ["-m", "serving"])
    dagster = ["-m", "dagster", "dev", "-m", "bank_assets.definitions", "-h", LOOPBACK, "-p", str(ui_port)]
    processes.start("dagster", dagster)
    processes.wait_until("app", app_port, "/health/live", READY_SECONDS)
    processes.wait_until("dagster", ui_port, "/server_info", READY_SECONDS)
    console.print(f"web app, Dagster web server and daemon up in {time.monotonic() - began:.0f} s")
    return app_port, ui_port
