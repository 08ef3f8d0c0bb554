"""Runs the policies of a replay in parallel processes, each from its checkpoint.

Fits use one thread each, so that two processes fill two cores and no number depends on what runs beside it.
"""

from __future__ import annotations

import multiprocessing
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from queue import Empty
from typing import Any, Final

import numpy as np

from bank_assets.core.features.contacts import Contacts
from bank_assets.replay.checkpoint import Checkpoint, ReplayProgress
from bank_assets.replay.platform import PlatformConfig
from bank_assets.replay.replay import make_policy, policy_result, walk
from bank_assets.replay.trace import ReplayCounts, Trace
from bank_assets.replay.world import ReplaySettings, World

CHECKPOINT_SECONDS: Final = 5.0
LONGEST_FIRST: Final = ("weekly", "platform", "f1_threshold", "drift_only", "monthly", "never", "hindsight")
"""Order in which policies start; long ones first keep both processes busy to the end."""


@dataclass(frozen=True, slots=True)
class Job:
    """What every worker needs; `folder` has the checkpoints."""

    contacts: Contacts
    settings: ReplaySettings
    config: PlatformConfig
    folder: Path


@dataclass(frozen=True, slots=True)
class PolicyOutcome:
    """A finished policy: its trace, its counts and its figures."""

    trace: Trace
    counts: ReplayCounts
    result: dict[str, Any]


def run_policy(name: str, job: Job, report: Callable[[str, int], None]) -> PolicyOutcome:
    """Run one policy to its end, from its checkpoint if there is one; `report` gets the name and the days decided."""
    world = World(job.contacts, job.settings)
    policy = make_policy(name, job.settings, job.config, time.monotonic)
    checkpoint = Checkpoint(job.folder, name)
    trace, after, spent = Trace.empty(len(world)), None, 0.0
    stored = checkpoint.read(len(world))
    if stored is not None:
        trace, files, progress = stored
        policy.restore(files, world)
        after, spent = np.datetime64(progress.as_of, "D"), progress.cpu_seconds
        world.resume(trace.weight, after)
    started, written = time.process_time() - spent, time.monotonic()
    done = int((world.days <= after).sum()) if after is not None else 0
    report(name, done)
    for as_of in walk(policy, world, trace, after=after):
        done += 1
        report(name, done)
        if time.monotonic() - written > CHECKPOINT_SECONDS or as_of == world.days[-1]:
            spent = time.process_time() - started
            is_done = bool(as_of == world.days[-1])
            checkpoint.write(trace, policy.snapshot(), ReplayProgress(str(as_of), spent, is_done))
            written = time.monotonic()
    return PolicyOutcome(trace, policy.counts, policy_result(name, world, trace, policy.counts, spent))


_JOB: dict[str, Any] = {}
"""Set by `_begin` once per worker process."""


def _begin(job: Job, reports: Any) -> None:
    from threadpoolctl import threadpool_limits

    warnings.filterwarnings("ignore")
    _JOB.update(job=job, reports=reports, limits=threadpool_limits(1))


def _run(name: str) -> PolicyOutcome:
    return run_policy(name, _JOB["job"], lambda policy, done: _JOB["reports"].put((policy, done)))


def run_policies(
    names: Sequence[str], job: Job, processes: int, report: Callable[[str, int], None]
) -> Iterator[tuple[str, PolicyOutcome]]:
    """Run policies, the longest first, and yield each as it ends.

    `processes` is the number at a time; 1 runs them in this process. `report` is called in this process.
    """
    order = sorted(names, key=lambda name: LONGEST_FIRST.index(name) if name in LONGEST_FIRST else len(LONGEST_FIRST))
    if processes == 1:
        for name in order:
            yield name, run_policy(name, job, report)
        return
    context = multiprocessing.get_context("spawn")  # the libraries' threads do not survive a fork
    reports = context.Queue()
    with ProcessPoolExecutor(processes, context, _begin, (job, reports)) as pool:
        running: dict[Future[PolicyOutcome], str] = {pool.submit(_run, name): name for name in order}
        try:
            while running:
                ended, _ = wait(running, timeout=0.2, return_when=FIRST_COMPLETED)
                _forward(reports, report)
                for future in ended:
                    yield running.pop(future), future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _forward(reports: Any, report: Callable[[str, int], None]) -> None:
    while True:
        try:
            report(*reports.get_nowait())
        except Empty:
            return
