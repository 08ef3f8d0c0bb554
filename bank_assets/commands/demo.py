"""`python -m bank_assets demo`: time travel. Months of the past arrive one after the other, nobody touches anything.

What lives here: arguments, the order of the play, what people see of it.
What must not: processes (`demo.processes`), deliveries (`demo.deliveries`), reading the loop (`demo.watch`), profit
(`demo.profit`), figures (`demo.summary`). Called by `bank_assets.__main__`; `make demo`.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from types import FrameType
from typing import Any, Final

from rich.console import Console

from bank_assets.demo.deliveries import MONTH, Sender, parse_step, plan_steps
from bank_assets.demo.play import Play
from bank_assets.demo.processes import LOOPBACK, DemoError, Processes, answers, free_port, stop_leftovers
from bank_assets.demo.summary import write_summary
from bank_assets.landing.header import DeliveryRefused
from bank_assets.landing.register import read_manifest
from bank_assets.resources.instance import open_instance
from bank_assets.settings import Settings
from bank_assets.sources.source import Source, resolve_source
from bank_assets.sources.uci import SourceError

START: Final = "2009-04-01"
"""The first month from which a history of eleven months precedes. With an earlier start, or on simulated data, the gate
may refuse every first model; then the default recipe decides on probation (`BANK_PROBATION`), so every demo has a model
from its first day."""
MARK: Final = "demo.json"
"""A folder with this file is a demo's home and may be emptied by the next demo."""
READY_SECONDS: Final = 180.0
SENSOR_SECONDS: Final = 2
INTERRUPTED: Final = 130
STOPPING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, found {text!r}")
    return int(text)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `demo`."""
    parser.add_argument("--start", default=START, help=f"first day played, ISO (default: {START})")
    parser.add_argument("--months", type=_positive, help="calendar months to play (default: all)")
    parser.add_argument("--step", default=MONTH, help="what arrives at a time: month, or a number of days")
    parser.add_argument(
        "--pause", type=float, default=0.0, help="seconds between a finished step and the next delivery"
    )
    parser.add_argument("--home", type=Path, help="home of the demo (default: BANK_HOME/demo)")
    parser.add_argument("--attach", action="store_true", help="use the daemon and app that run on BANK_HOME already")
    parser.add_argument("--app-port", type=int, default=8000, help="port of the running app, with --attach")
    parser.add_argument("--ui-port", type=int, default=3000, help="port of the running Dagster, with --attach")
    parser.add_argument("--rate", type=float, default=5.0, help="requests a second of the client that keeps asking")
    parser.add_argument(
        "--no-replay", action="store_true", help="leave out the comparison with the replay's own figure"
    )
    parser.add_argument("--step-timeout", type=float, default=1200.0, help="seconds after which a step counts as stuck")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Play.

    Returns:
        0 if no run and no request failed; 1 if one did or the demo could not go on; 2 for unusable arguments; 130
        after Ctrl-C or kill. Whatever was started is stopped in each case.
    """
    console = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)
    try:
        start, step_days = date.fromisoformat(arguments.start), parse_step(arguments.step)
        source = resolve_source(settings)
        home = settings.home if arguments.attach else arguments.home or settings.home / "demo"
        own = settings if arguments.attach else own_settings(settings, home.absolute())
        with _terminated_as_interrupt(), _servers(arguments, own, console) as processes:
            play = _prepare(arguments, own, source, start, step_days, processes, console)
            try:
                play.all()
                if play.results and not arguments.no_replay:
                    play.replayed = _replay(play, processes, console)
            finally:
                play.client.stop()
                document = write_summary(play, {own.reports, settings.reports})
            console.print(f"summary: {settings.reports / 'demo_summary.json'}")
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


def own_settings(settings: Settings, home: Path) -> Settings:
    """The same deployment in a home of its own: its registry and ledger are files there, whatever the servers are."""
    return replace(
        settings,
        home=home,
        mlflow_uri=f"sqlite:///{home / 'mlflow.db'}",
        mlflow_artifacts=(home / "mlartifacts").as_uri(),
        ledger_url=f"sqlite:///{home / 'ledger.db'}",
    )


@contextmanager
def _terminated_as_interrupt() -> Iterator[None]:
    """Let `kill` and a closed terminal end the demo as Ctrl-C does, so that nothing stays behind.

    Ctrl-C has a handler of ours, too: a demo started in the background of a script would ignore it, and so would
    every server that it starts.
    """

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in STOPPING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _servers(arguments: argparse.Namespace, settings: Settings, console: Console) -> Iterator[Processes]:
    """The demo's processes; stopped at the end, however it comes."""
    home = settings.home
    if not arguments.attach:
        _empty_home(home, console)
    environment: dict[str, str | None] = {
        "BANK_HOME": str(home),
        "DAGSTER_HOME": str(settings.dagster_home),
        "BANK_MLFLOW_URI": None,
        "BANK_MLFLOW_ARTIFACTS": None,
        "BANK_LEDGER_URL": None,
        "BANK_HOST": LOOPBACK,
        "BANK_LOGIN": None,
        "BANK_SENSORS_RUNNING": "yes",
        # The default of 30 s spares an idle machine; here somebody is waiting. Files are renamed into place, complete.
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
        # A second Ctrl-C must not leave half of them running.
        before = [signal.signal(number, signal.SIG_IGN) for number in STOPPING]
        processes.stop()
        for number, handler in zip(STOPPING, before, strict=True):
            signal.signal(number, handler)


def _empty_home(home: Path, console: Console) -> None:
    """Make the demo's home empty, if it is one.

    Raises:
        DemoError: the folder holds something that no demo made.
    """
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
    """Bring history, servers and client to the point where the first step can arrive."""
    console.print(f"source: {source.label} ({'real' if source.is_real else 'not the pinned real file'})")
    console.print(f"home of the demo: {settings.home}; nothing is written outside it and its parent's reports")
    # What was found is what the processes use: `auto` must not choose again, and a relative path is not theirs.
    chosen = str(source.path.absolute()) if source.path else source.kind
    processes.environment = {**processes.environment, "BANK_SOURCE": chosen}
    sender = Sender(source, settings, settings.home / "stage")
    delivered = read_manifest(settings.warehouse, "contacts")
    if delivered:  # only with --attach: go on after what is there
        start = max(start, max(date.fromisoformat(one.last_day) for one in delivered) + timedelta(days=1))
    _, last = sender.span(start)
    if not delivered:
        rows = sender.deliver_history(start - timedelta(days=1))
        console.print(f"history: {rows:,} contacts before {start}")
        if not arguments.attach:
            _main_job(processes, console)
    app_port, ui_port = _serve(arguments, settings, processes, console)
    console.print(f"watch: the app http://{LOOPBACK}:{app_port}  Dagster http://{LOOPBACK}:{ui_port}")
    console.print(f"profit line, from the first delivery on: http://{LOOPBACK}:{app_port}/reports/demo/index.html")
    steps = plan_steps(start, last, arguments.months, step_days)
    return Play(
        settings=settings,
        source=source,
        sender=sender,
        steps=steps,
        processes=processes,
        console=console,
        app_port=app_port,
        pause_seconds=arguments.pause,
        step_timeout_seconds=arguments.step_timeout,
        requests_per_second=arguments.rate,
    )


def _main_job(processes: Processes, console: Console) -> None:
    """The history, as `make run` does it, in a process of its own: its memory is free again afterwards.

    Raises:
        DemoError: it failed; the message has the end of its log.
    """
    started = time.monotonic()
    console.print("main job on the history: tables, gate, drift, 20 candidates, first champion …")
    code = processes.start("main-job", ["-m", "bank_assets", "run", "--no-land"]).wait()
    processes.stop("main-job")
    if code != 0:
        raise DemoError(f"main job: expected exit code 0, found {code}:\n{processes.tail('main-job', 30)}")
    console.print(f"main job done in {time.monotonic() - started:.0f} s")


def _replay(play: Play, processes: Processes, console: Console) -> dict[str, Any]:
    """The same days by `make replay`: its platform and a model trained once, day by day.

    Raises:
        DemoError: it failed; the message has the end of its log.
    """
    console.print("the same days by the replay, for comparison …")
    span = ["--first-day", str(play.steps[0].first), "--last-day", str(play.results[-1].step.last)]
    command = ["-m", "bank_assets", "replay", "--policies", "platform,never", "--step", "day", "--json", *span]
    code = processes.start("replay", command).wait()
    processes.stop("replay")
    if code != 0:
        raise DemoError(f"replay: expected exit code 0, found {code}:\n{processes.tail('replay', 30)}")
    document = json.loads((play.settings.reports / "replay" / "replay.json").read_text())
    kept = ("profit_eur", "trainings", "searches", "recalibrations", "contacts_called")
    figures = {policy["name"]: {key: policy[key] for key in kept} for policy in document["policies"]}
    fits = [event["day"] for event in document["events"] if event["kind"] == "model"]
    return {"step": "day", **figures, "fits_on": fits}


def _serve(
    arguments: argparse.Namespace, settings: Settings, processes: Processes, console: Console
) -> tuple[int, int]:
    """Start the app and Dagster, or find those that run.

    Returns:
        Port of the app and of Dagster's web server.

    Raises:
        DemoError: they do not answer.
    """
    if arguments.attach:
        for name, port, path in (
            ("the app (make serve)", arguments.app_port, "/health/live"),
            ("Dagster (make ui)", arguments.ui_port, "/server_info"),
        ):
            if not answers(port, path):
                raise DemoError(
                    f"{name}: expected an answer on port {port}, found none; start it, or leave ATTACH out."
                )
        return arguments.app_port, arguments.ui_port
    with open_instance(settings):
        pass  # writes dagster.yaml into the home
    app_port, ui_port = free_port(), free_port()
    processes.environment = {
        **processes.environment,
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
