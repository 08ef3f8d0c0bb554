"""Plays the demo: delivers one step after the other and waits in between until the loop is idle."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import dagster as dg
import numpy as np
from rich.console import Console

from bank_assets.core.features.feedback import CALLED
from bank_assets.core.response.policy import ResponseAction
from bank_assets.demo.client import AskingClient
from bank_assets.demo.deliveries import DemoDelivery, DemoSender
from bank_assets.demo.page import write_page
from bank_assets.demo.pages import CampaignPages, MadeList
from bank_assets.demo.processes import DemoError, Processes, answers
from bank_assets.demo.profit import played_profit
from bank_assets.demo.results import HEADER, StepResult
from bank_assets.demo.watch import MANY, failed_ticks, parts_of, runs_since, waiting_for
from bank_assets.landing.register import read_manifest
from bank_assets.ledger import promotions, responses, states
from bank_assets.ledger.engine import opened_ledger
from bank_assets.loop.requests import FAILED
from bank_assets.loop.status import work_left
from bank_assets.settings import Settings
from bank_assets.sources.source import Source
from bank_assets.store.alert_log import FILE_NAME, AlertLog
from bank_assets.store.champion_history import ChampionHistory

LOOK_SECONDS: Final = 0.5
# Limit of the wait for every sensor's first tick, which must not count as a reaction to the first delivery.
START_SECONDS: Final = 300.0
# Of the chosen customers of a simulated list. Real history does not know what customers do without a call.
HOLDOUT_PCT: Final = 10.0


@dataclass
class Play:
    """A demo in progress.

    Attributes:
        processes: the started processes; empty when attached.
        step_timeout_seconds: after which a step counts as stuck.
        results: finished steps.
        lists: call lists that were made, in order.
        read_outs: what each of them came to, once all were played.
        replayed: figures of the replay on the same days, for comparison.
        first_version: champion of the first day played, otherwise the first champion; "" while there is none.
        failed_runs: job and id of each.
        failed_ticks: sensors and schedules that failed, with the error.
    """

    settings: Settings
    source: Source
    sender: DemoSender
    steps: Sequence[DemoDelivery]
    processes: Processes
    console: Console
    app_port: int
    pause_seconds: float
    step_timeout_seconds: float
    requests_per_second: float
    results: list[StepResult] = field(default_factory=list)
    lists: list[MadeList] = field(default_factory=list)
    read_outs: list[dict[str, Any]] = field(default_factory=list)
    replayed: dict[str, Any] = field(default_factory=dict)
    first_version: str = ""
    failed_runs: list[str] = field(default_factory=list)
    failed_ticks: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.began = time.time()
        customer = {column.source: column.typical for column in self.settings.contract.payload}
        self.client = AskingClient(self.app_port, customer, self.requests_per_second)
        self.pages = CampaignPages(self.app_port)
        self._log = AlertLog(self.settings.reports / FILE_NAME, "", "")
        self._read_up_to = self._log.size
        self._now = StepResult(self.steps[0], 0, self.began)
        self._reported_changes = 0

    def all(self) -> None:
        """Play every step; `DemoError` if a server ended or the loop did not become idle."""
        with (
            opened_ledger(self.settings.ledger_url) as self._ledger,
            dg.DagsterInstance.from_config(str(self.settings.dagster_home)) as instance,
        ):
            self._last_verdict = max((row.id for row in promotions.history(self._ledger, limit=1)), default=0)
            self._last_judged = max((row.seq for row in responses.history(self._ledger, limit=1)), default=0)
            try:
                self._wait_until_idle(instance, self.began, START_SECONDS)
                if not self.first_version:
                    self._tell("no champion yet: the gate refused the first model; the loop tries again on new data")
                self.console.print(HEADER, style="bold")
                for step in self.steps:
                    self._play(instance, step)
                    time.sleep(self.pause_seconds)
                if self.lists:
                    self._read_out(instance)
            finally:
                runs = [record.dagster_run for record in runs_since(instance, self.began)]
                self.failed_runs = [f"{run.job_name} {run.run_id}" for run in runs if run.status in FAILED]
                self.failed_ticks = failed_ticks(instance, self.began)

    def _play(self, instance: dg.DagsterInstance, step: DemoDelivery) -> None:
        contacts = self.sender.stage(step)
        if contacts == 0:
            self._tell(f"{step.name}: no contacts in the source")
            return
        self.client.contact_date = (step.last + timedelta(days=1)).isoformat()
        already = len(self.client.changes)
        made = self._list(step) if self.settings.feedback == CALLED and self.first_version else None
        names = [path.name for path in self.sender.deliver(step, made)]
        result = self._now = StepResult(step, contacts, time.time())
        self._tell(f"{step.name}: {contacts:,} contacts arrive in {', '.join(names)}")
        self._wait_until_idle(instance, result.delivered, self.step_timeout_seconds, names)
        result.idle_seconds = time.time() - result.delivered
        result.version, state = ChampionHistory.of(self._ledger).current or "", states.latest(self._ledger)
        if result.version and state:
            # The app looks up both every few seconds, and the next list rests on them.
            newest, answered = (result.version, state.as_of), f"version {result.version} to answer as of {state.as_of}"
            self._wait_for(lambda: [(one.version, one.as_of) for one in self.client.changes[-1:]] == [newest], answered)
        result.runs = [parts_of(instance, record) for record in runs_since(instance, result.delivered)]
        result.changes = self.client.changes[max(0, already - 1) :]
        if self.first_version:
            since = self.steps[0].first
            result.profit = played_profit(
                self.settings, self.first_version, since, self.sender.bank.outcomes, self.lists
            )
        self.results.append(result)
        if result.profit.contacts:
            write_page(self.settings.reports, self.results, self.source.label)
        self.console.print(result.row(self.client.requests, self.client.failures))

    def _read_out(self, instance: dg.DagsterInstance) -> None:
        """Deliver the books of the days in which subscriptions still count, and read what each list came to."""
        last = self.results[-1].step.last
        # One day more than the window, since a day is covered once two rows reach it.
        self.sender.bank.book(last + timedelta(days=1), last + timedelta(days=self.settings.attribution_days + 1))
        self._wait_until_idle(instance, time.time(), self.step_timeout_seconds)
        self.read_outs = [self.pages.read_out(made) for made in self.lists]
        write_page(self.settings.reports, self.results, self.source.label, self.read_outs)

    def _list(self, step: DemoDelivery) -> MadeList:
        """Make the call list of a step's customers on the pages of the app."""
        share = 0.0 if self.source.is_real else HOLDOUT_PCT
        made = self.pages.make_list(f"{step.name}.csv", self.sender.customers(step), share)
        self.lists.append(made)
        self._tell(
            f"{step.name}: the list calls {len(made.called):,} customers, {len(made.explored)} of them to learn, and "
            f"holds out {len(made.held_out)}: {self.pages.url(made)}"
        )
        return made

    def _wait_until_idle(
        self, instance: dg.DagsterInstance, since: float, timeout: float, names: Sequence[str] = ()
    ) -> None:
        """Wait until the loop has nothing left to do since a moment, and report events meanwhile.

        The files in `names` must be registered and processed by a run.
        """
        deadline = time.monotonic() + timeout
        while awaited := waiting_for(instance, since) or self._unanswered(instance, since, names):
            self._tell_news()
            if dead := self.processes.dead():
                raise DemoError(f"{dead[0]}: expected to run, found it ended:\n{self.processes.tail(dead[0], 30)}")
            if time.monotonic() > deadline:
                raise DemoError(
                    f"the loop: expected it to come to rest within {timeout:.0f} s, found it waiting for "
                    f"{', '.join(awaited)}; see {self.processes.logs / 'dagster.log'}."
                )
            time.sleep(LOOK_SECONDS)
        self._tell_news()

    def _unanswered(self, instance: dg.DagsterInstance, since: float, names: Sequence[str]) -> list[str]:
        """What the loop still has to do."""
        registered = {one.name for one in read_manifest(self.settings.warehouse, "contacts")}
        if not registered.issuperset(names):
            return ["the delivery to be registered"]
        if names and not runs_since(instance, since):
            return ["a run"]
        return work_left(self.settings, self._ledger, instance)

    def _tell_news(self) -> None:
        """Print verdicts, alerts and model changes since the last call."""
        for row in promotions.history(self._ledger, limit=MANY, after=self._last_verdict)[::-1]:
            self._last_verdict = row.id
            self._now.verdicts.append(row)
            self._tell(f"  {row.kind} {row.decision}: {'; '.join(row.reasons)}")
        for judged in responses.history(self._ledger, limit=MANY, after=self._last_judged)[::-1]:
            self._last_judged = judged.seq
            self._now.judged.append(judged)
            if judged.action not in (ResponseAction.NONE, ResponseAction.RECALIBRATE):
                self._tell(f"  {judged.as_of} {judged.action}: {'; '.join(judged.reasons)}")
        for place, notice in self._log.read(self._read_up_to):
            self._read_up_to = place
            self._now.notices.append(notice)
            self._tell(f"  alert: {notice['title']}")
        for change in self.client.changes[self._reported_changes :]:
            self._reported_changes += 1
            self._tell(f"  the app answers with version {change.version}, as of {change.as_of}")
        if not self.first_version and answers(self.app_port, "/health/ready"):
            self._begin_to_ask()

    def _begin_to_ask(self) -> None:
        """Start the client once there is a champion; before that the app cannot decide."""
        champions = ChampionHistory.of(self._ledger)
        start = np.asarray([self.steps[0].first], dtype="datetime64[D]")
        self.first_version = str(champions.version_on(start)[0] or champions.versions[0])
        self._tell(f"first champion: version {self.first_version}; the client starts")
        self.client.start()
        self._wait_for(lambda: bool(self.client.changes), "an answer of the app")

    def _wait_for(self, is_there: Callable[[], bool], what: str, seconds: float = 60.0) -> None:
        deadline = time.monotonic() + seconds
        while not is_there():
            if time.monotonic() > deadline:
                raise DemoError(
                    f"the app: expected {what} within {seconds:.0f} s, found none; {self.client.failures} requests "
                    f"failed, the last ones: {self.client.reasons[-3:]}; see {self.processes.logs / 'app.log'}."
                )
            time.sleep(0.1)

    def _tell(self, text: str) -> None:
        self.console.print(f"{datetime.now():%H:%M:%S} {text}", style="dim")  # noqa: DTZ005 - local time
