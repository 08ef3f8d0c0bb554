"""Parts of the demo that need no Dagster: the calendar of steps, the deliveries, the processes, the client."""

import csv
import http.server
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import date
from itertools import pairwise
from typing import ClassVar

import psutil
import pytest

from bank_assets.commands.demo import _empty_home
from bank_assets.contract.uci import UCI
from bank_assets.demo.client import AskingClient
from bank_assets.demo.deliveries import DemoSender, parse_step, plan_steps
from bank_assets.demo.pages import MadeList
from bank_assets.demo.processes import DemoError, Processes, _running_after, free_port, identity, stop_leftovers
from bank_assets.sources.source import resolve_source
from bank_assets_tests.world.waiting import wait_until


@pytest.mark.parametrize(("text", "days"), [("month", 0), ("7", 7), ("14 days", 14), ("1d", 1)])
def test_a_step_is_a_month_or_some_days(text, days):
    assert parse_step(text) == days


@pytest.mark.parametrize("text", ["", "0", "week", "-3", "400"])
def test_another_step_is_refused_by_name(text):
    with pytest.raises(DemoError, match="STEP: expected month or a number of days"):
        parse_step(text)


def test_months_are_whole_and_the_last_one_ends_with_the_source():
    steps = plan_steps(date(2010, 9, 1), date(2010, 11, 17), None, 0)
    assert [(str(step.first), str(step.last), step.name) for step in steps] == [
        ("2010-09-01", "2010-09-30", "2010-09"),
        ("2010-10-01", "2010-10-31", "2010-10"),
        ("2010-11-01", "2010-11-17", "2010-11-01-to-2010-11-17"),
    ]


def test_days_cover_the_requested_months_without_gap_or_overlap():
    steps = plan_steps(date(2010, 1, 1), date(2010, 11, 17), 2, 7)
    assert steps[0].first == date(2010, 1, 1)
    assert steps[-1].last == date(2010, 2, 28)
    for before, after in pairwise(steps):
        assert (after.first - before.last).days == 1


def test_a_span_over_new_year():
    assert plan_steps(date(2009, 12, 1), date(2010, 11, 17), 2, 0)[-1].last == date(2010, 1, 31)


@pytest.fixture
def simulated(settings, monkeypatch):
    monkeypatch.setenv("BANK_SOURCE", "simulated")
    monkeypatch.setenv("BANK_SIMULATED_ROWS", "3000")
    from bank_assets.settings import load_settings

    return load_settings()


def test_history_and_steps_are_delivered_once_each(simulated):
    sender = DemoSender(resolve_source(simulated), simulated, simulated.home / "stage")
    first, last = sender.span(date(2010, 9, 1))
    assert first.isoformat()[:7] == "2010-09"
    history = sender.deliver_history(date(2010, 8, 31))
    landing = simulated.landing / "contacts"
    assert max(path.name for path in landing.glob("*.csv")) == "contacts-2010-08.csv"
    steps = plan_steps(date(2010, 9, 1), last, 1, 15)
    rows = 0
    for step in steps:
        rows += sender.stage(step)
        sender.deliver(step)
    delivered = list(landing.glob("contacts-2010-09*.csv"))
    assert len(delivered) == 2
    lines = [line.split(b";")[0] for path in landing.glob("*.csv") for line in path.read_bytes().splitlines()[1:]]
    assert len(lines) == len(set(lines)) == history + rows
    assert not list((simulated.home / "stage").iterdir())


def test_listed_customers_arrive_without_outcomes_and_the_bank_reports_its_calls(simulated):
    sender = DemoSender(resolve_source(simulated), simulated, simulated.home / "stage")
    (step,) = plan_steps(date(2010, 9, 1), date(2010, 9, 30), 1, 0)
    sender.stage(step)
    customers = list(csv.DictReader(io.StringIO(sender.customers(step).decode()), delimiter=";"))
    assert set(customers[0]) == set(UCI.campaign_columns), "a list knows no outcome"
    called = {row["contact_id"]: row["contact_date"] for row in customers[::3]}
    made = MadeList("l-1", "2010-09.csv", called, frozenset(), frozenset())
    (delivered,) = sender.deliver(step, made)
    with delivered.open(newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter=";"))
    assert [row["contact_id"] for row in rows] == [row["contact_id"] for row in customers]
    assert not {row[name] for row in rows for name in ("y", "duration")} - {""}
    reported = simulated.landing / "outcomes" / "dispositions-2010-09.csv"
    with reported.open(newline="") as stream:
        found = {row["contact_id"]: row["called_at"] for row in csv.DictReader(stream, delimiter=";")}
    assert found == called
    assert sender.bank.outcomes.keys() == {row["contact_id"] for row in rows}


def test_a_start_after_the_data_is_refused(simulated):
    with pytest.raises(DemoError, match="DEMO_START: expected contacts from 2012-01-01"):
        DemoSender(resolve_source(simulated), simulated, simulated.home / "stage").span(date(2012, 1, 1))


SLEEPER = """
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
time.sleep(600)
"""


def children_of(process):
    deadline = time.monotonic() + 20
    while not (found := psutil.Process(process.pid).children()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def test_stopping_a_process_stops_what_it_started(tmp_path):
    processes = Processes(tmp_path / "record.json", tmp_path / "logs", {})
    started = processes.start("sleeper", ["-c", SLEEPER])
    (child,) = children_of(started)
    assert json.loads((tmp_path / "record.json").read_text())[0]["pid"] == started.pid
    processes.stop()
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE
    assert not (tmp_path / "record.json").exists()


def test_a_process_that_nobody_collects_has_ended():
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        here = psutil.Process(process.pid)
        wait_until(lambda: here.status() == psutil.STATUS_ZOMBIE)
        assert _running_after([here], 0.0) == []
    assert _running_after([here], 0.0) == []
    assert _running_after([psutil.Process()], 0.0) == [psutil.Process()]


def test_what_a_killed_demo_left_is_stopped_by_the_next(tmp_path):
    left = Processes(tmp_path / "record.json", tmp_path / "logs", {})
    started = left.start("sleeper", ["-c", SLEEPER])
    (child,) = children_of(started)
    assert stop_leftovers(tmp_path / "record.json") == ["sleeper"]
    started.wait(10)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_a_pid_that_belongs_to_another_process_by_now_is_left_alone(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        row = {"name": "app", **identity(process.pid), "started": 1.0}
        (tmp_path / "record.json").write_text(json.dumps([row]))
        assert stop_leftovers(tmp_path / "record.json") == []
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()


def test_a_server_that_ends_is_reported_with_the_end_of_its_log(tmp_path):
    processes = Processes(tmp_path / "record.json", tmp_path / "logs", {})
    processes.start("app", ["-c", "raise SystemExit('no database here')"])
    with pytest.raises(DemoError, match=r"exit code 1(.|\n)*no database here"):
        processes.wait_until("app", free_port(), "/", 20)
    processes.stop()


def test_environment_of_servers_leaves_out_what_is_set_to_none(tmp_path, monkeypatch):
    monkeypatch.setenv("BANK_LEDGER_URL", "postgresql://production")
    processes = Processes(tmp_path / "record.json", tmp_path / "logs", {"BANK_LEDGER_URL": None, "BANK_HOME": "here"})
    process = processes.start("env", ["-c", "import os; print(os.getenv('BANK_LEDGER_URL'), os.getenv('BANK_HOME'))"])
    process.wait(20)
    assert processes.tail("env") == "None here"
    processes.stop()


def test_servers_do_not_start_in_a_folder_whose_env_file_is_not_theirs(tmp_path):
    processes = Processes(tmp_path / "record.json", tmp_path / "logs", {})
    code = "import pathlib, bank_assets.contract; print(pathlib.Path('.env').exists(), pathlib.Path.cwd())"
    processes.start("where", ["-c", code]).wait(20)
    assert processes.tail("where") == f"False {tmp_path / 'logs'}"
    processes.stop()


class Answers(http.server.BaseHTTPRequestHandler):
    """A stand-in for the app's answers, each of them scripted."""

    protocol_version = "HTTP/1.1"
    script: ClassVar[list[tuple[int, str, str]]] = []

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        status, version, as_of = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        body = json.dumps({"model": {"version": version}, "as_of": as_of}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments):
        pass


def test_the_client_counts_failures_and_notices_swaps():
    Answers.script = [(201, "1", "a"), (201, "1", "a"), (503, "1", "a"), (201, "1", "b"), (201, "2", "b")]
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, args=[0.01], daemon=True)
    thread.start()
    client = AskingClient(server.server_address[1], {}, per_second=100.0)
    client.start()
    deadline = time.monotonic() + 20
    while len(client.changes) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    client.stop()
    server.shutdown()
    assert [(change.version, change.as_of) for change in client.changes] == [("1", "a"), ("1", "b"), ("2", "b")]
    assert client.failures == 1
    assert client.reasons[0].startswith("status 503")
    assert client.requests >= 5


def test_an_app_that_is_gone_is_counted_as_failures():
    client = AskingClient(free_port(), {}, per_second=50.0)
    client.start()
    deadline = time.monotonic() + 20
    while client.failures < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    client.stop()
    assert client.failures == client.requests >= 3


def test_a_folder_that_no_demo_made_is_not_emptied(tmp_path):
    from rich.console import Console

    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(DemoError, match="expected an empty folder or the home of an earlier demo"):
        _empty_home(tmp_path, Console(quiet=True))
    assert (tmp_path / "letter.txt").read_text() == "mine"


def test_the_home_of_an_earlier_demo_is_emptied(tmp_path):
    from rich.console import Console

    home = tmp_path / "demo"
    _empty_home(home, Console(quiet=True))
    (home / "ledger.db").write_text("old")
    _empty_home(home, Console(quiet=True))
    assert sorted(path.name for path in home.iterdir()) == ["demo.json"]


@pytest.mark.slow
def test_kill_ends_the_demo_in_order_and_nothing_is_left(tmp_path):
    """A real demo process, killed while its main job runs."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BANK_")}
    environment |= {"BANK_HOME": str(tmp_path), "BANK_SOURCE": "simulated", "BANK_SIMULATED_ROWS": "3000"}
    demo = subprocess.Popen(
        [sys.executable, "-m", "bank_assets", "demo", "--months", "1", "--start", "2010-10-01"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    record = tmp_path / "demo" / "demo_processes.json"
    deadline = time.monotonic() + 120
    while not record.exists():
        assert demo.poll() is None, demo.stderr.read()[-2000:]
        assert time.monotonic() < deadline
        time.sleep(0.1)
    (row,) = json.loads(record.read_text())
    assert row["name"] == "main-job"
    demo.send_signal(signal.SIGTERM)
    _, reported = demo.communicate(timeout=60)
    assert demo.returncode == 130
    assert "everything that was started is stopped" in reported
    assert identity(row["pid"])["started"] != row["started"]
    assert not record.exists()
