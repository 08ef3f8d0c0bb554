"""The replay: each contact of the history is decided from what was known before its day, by several policies.

Policies run in parallel processes, each from its checkpoint. Fits use one thread each, so that two processes fill two
cores and no number depends on what runs beside it.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from queue import Empty
from typing import Any, Final

import numpy as np

from bank_assets.core.economics.exploration import LearningBudget
from bank_assets.core.features.contacts import Contacts
from bank_assets.core.features.feedback import FULL
from bank_assets.core.training.algorithms import ALGORITHMS
from bank_assets.replay.figures import policy_result
from bank_assets.replay.platform import PlatformReplay
from bank_assets.replay.policies import Bound, Hindsight, Policy, Scheduled
from bank_assets.replay.trace import Checkpoint, ReplayCounts, Trace
from bank_assets.replay.world import ReplayError, ReplaySettings, World

POLICIES: Final[Mapping[str, type[Policy]]] = {
    "never": Scheduled,
    "monthly": Scheduled,
    "weekly": Scheduled,
    "drift_only": Scheduled,
    "platform": PlatformReplay,
    "all_outcomes": PlatformReplay,
    "no_exploration": PlatformReplay,
    "contact_all": Bound,
    "contact_none": Bound,
    "f1_threshold": PlatformReplay,
    "hindsight": Hindsight,
    "oracle": Bound,
}
# What a policy is replayed under whatever the others are.
DIFFERENCES: Final[Mapping[str, Mapping[str, Any]]] = {
    "all_outcomes": {"feedback": FULL},
    "no_exploration": {"learning": LearningBudget()},
    "hindsight": {"feedback": FULL},
}
# Order in which policies start; long ones first keep both processes busy to the end.
LONGEST_FIRST: Final = (
    "weekly",
    "platform",
    "all_outcomes",
    "no_exploration",
    "f1_threshold",
    "drift_only",
    "monthly",
    "never",
    "hindsight",
)
CHECKPOINT_SECONDS: Final = 5.0
_LIBRARIES: Final = ("numpy", "scipy", "onnxruntime")


def settings_of(name: str, settings: ReplaySettings) -> ReplaySettings:
    """What a policy is replayed under."""
    return replace(settings, **DIFFERENCES.get(name, {}))


def make_policy(name: str, settings: ReplaySettings) -> Policy:
    """A policy by its name; `ReplayError` if there is none of that name."""
    if name not in POLICIES:
        raise ReplayError(f"policy: expected names of {list(POLICIES)}, found {name!r}.")
    return POLICIES[name](name, settings)


def walk(policy: Policy, world: World, trace: Trace, *, after: np.datetime64 | None = None) -> Iterator[np.datetime64]:
    """Decide day after day into `trace`, and yield each day once its contacts are decided.

    `after` is the last day that the trace already contains, to continue after an interruption.
    """
    for as_of in world.days:
        if after is not None and as_of <= after:
            continue
        rows = world.rows_of(as_of)
        policy.decide(as_of, rows, world, trace)
        world.learn(rows, trace.weight[rows])
        yield as_of


def code_digest() -> str:
    """Digest of the code and libraries that a replay's numbers depend on."""
    package = Path(__file__).parents[1]
    content = hashlib.sha256()
    for path in sorted(path for room in ("contract", "core", "replay") for path in (package / room).rglob("*.py")):
        content.update(path.relative_to(package).as_posix().encode() + path.read_bytes())
    for library in (*_LIBRARIES, *sorted({one.library for one in ALGORITHMS.values()})):
        content.update(f"{library}={metadata.version(library)}".encode())
    return content.hexdigest()


def fingerprint(contacts_digest: str, settings: ReplaySettings) -> str:
    """Identifies a replay by its contacts, settings and code; names the folder of its checkpoints."""
    return hashlib.sha256(f"{contacts_digest} {code_digest()} {settings}".encode()).hexdigest()[:20]


@dataclass(frozen=True, slots=True)
class Job:
    """What every worker needs; `folder` has the checkpoints, and days before `since` are decided but not counted."""

    contacts: Contacts
    settings: ReplaySettings
    folder: Path
    since: np.datetime64 | None = None


@dataclass(frozen=True, slots=True)
class PolicyOutcome:
    """A finished policy: its trace, its counts and its figures."""

    trace: Trace
    counts: ReplayCounts
    result: dict[str, Any]


def run_policy(name: str, job: Job, report: Callable[[str, int], None]) -> PolicyOutcome:
    """Run one policy to its end, from its checkpoint if there is one; `report` gets the name and the days decided."""
    settings = settings_of(name, job.settings)
    world, policy, path = World(job.contacts, settings), make_policy(name, settings), job.folder / f"{name}.npz"
    trace, after, spent = Trace.empty(len(world)), None, 0.0
    if (stored := Checkpoint.read(path, len(world))) is not None:
        trace, after, spent = stored.trace, np.datetime64(stored.as_of, "D"), stored.cpu_seconds
        policy.restore(stored.files, world)
        world.resume(trace.weight, after)
    started, written = time.process_time() - spent, time.monotonic()
    done = int((world.days <= after).sum()) if after is not None else 0
    report(name, done)
    for as_of in walk(policy, world, trace, after=after):
        done += 1
        report(name, done)
        if time.monotonic() - written > CHECKPOINT_SECONDS or as_of == world.days[-1]:
            spent = time.process_time() - started
            Checkpoint(str(as_of), spent, trace, policy.snapshot()).write(path)
            written = time.monotonic()
    return PolicyOutcome(trace, policy.counts, policy_result(name, world, trace, policy.counts, spent, job.since))


@dataclass(frozen=True, slots=True)
class _Worker:
    """What a worker process is given once: its job, and where it reports; `limits` holds as long as it is kept."""

    job: Job
    reports: Any
    limits: Any


_WORKER: list[_Worker] = []
"""Filled by `_begin`, once per worker process."""


def _begin(job: Job, reports: Any) -> None:
    from threadpoolctl import threadpool_limits

    warnings.filterwarnings("ignore")
    _WORKER.append(_Worker(job, reports, threadpool_limits(1)))


def _run(name: str) -> PolicyOutcome:
    worker = _WORKER[0]
    return run_policy(name, worker.job, lambda policy, done: worker.reports.put((policy, done)))


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
