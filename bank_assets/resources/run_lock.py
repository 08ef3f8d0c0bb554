"""The lock that a run's process holds, and the detection of orphaned runs.

The default run launcher has no worker health check: a run whose process was killed, or lost its database while it wrote
an event, stays STARTED for ever and blocks the queue. So the process locks `$DAGSTER_HOME/carried/<run id>` while it
works, and the kernel releases the lock however the process ends. Process ids would not do: they are reused, repeat
between containers that share the home, and their start times move with the clock.

A run on another home (AWS starts a task per run) has no lock file here, and its launcher monitors it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

import dagster as dg
import psutil

from bank_assets.store.atomic_files import temporary_beside
from bank_assets.store.locks import lock, try_lock

FOLDER: Final = "carried"
# Time that a process has after its last step to write how its run ended.
LEFT_SECONDS: Final = 60.0
UNFINISHED: Final = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.CANCELING]
GONE: Final = "The process of this run is gone (killed or crashed); run it again."
LEFT: Final = (
    "The process of this run left it without saying how it ended: it could not write to Dagster's database. Run it "
    "again once the database answers."
)


@contextmanager
def holding_run_lock(instance: dg.DagsterInstance, run_id: str) -> Iterator[None]:
    """Hold a run's lock; afterwards its file contains the time at which the process left the run."""
    path = _folder(instance) / run_id
    # Children do not inherit it: Python opens files close-on-exec, so a Spark JVM that outlives us holds nothing.
    with temporary_beside(path) as (stream, temporary):
        # Locked before it gets its name, so that a file without a lock always means a process that ended.
        lock(stream)
        temporary.replace(path)
        try:
            yield
        finally:
            with suppress(OSError):  # the run itself has already reported a full disk
                stream.write(str(time.time()).encode())
                stream.flush()


def reap_orphans(instance: dg.DagsterInstance) -> list[str]:
    """End unfinished runs that no process works on, and return their ids. A run without a lock file is left alone."""
    reaped = []
    for run in instance.get_runs(filters=dg.RunsFilter(statuses=UNFINISHED)):
        problem = GONE if _is_gone_by_tags(run) else _problem(_folder(instance) / run.run_id)
        if problem is None:
            continue
        # Read it again: it may have ended between the query and the check of its lock.
        now = instance.get_run_by_id(run.run_id)
        if now is None or now.is_finished:
            continue
        if now.status is dg.DagsterRunStatus.CANCELING:
            instance.report_run_canceled(now, problem)
        else:
            instance.report_run_failed(now, problem)
        reaped.append(run.run_id)
    _sweep(instance)
    return reaped


def _folder(instance: dg.DagsterInstance) -> Path:
    return Path(instance.root_directory) / FOLDER


def _locked(path: Path) -> IO[str] | None:
    """The open file with its lock, or None if there is none or somebody else holds it."""
    try:
        stream = path.open("r+")  # a network file system grants exclusive locks to writers only
    except (FileNotFoundError, IsADirectoryError):
        return None
    if try_lock(stream):
        return stream
    stream.close()
    return None


def _problem(path: Path) -> str | None:
    """Why a run cannot finish any more, or None if it still may."""
    stream = _locked(path)
    if stream is None:
        return None
    with stream:
        left_at = stream.read()
    if not left_at:
        return GONE
    return LEFT if time.time() - float(left_at) > LEFT_SECONDS else None


def _is_gone_by_tags(run: dg.DagsterRun) -> bool:
    """Whether the process of a run is gone that an earlier release started; it wrote tags instead of a lock."""
    if run.tags.get("bank/marked_run") != run.run_id:  # a retried run inherits the tags of the one before
        return False
    boot = Path("/proc/sys/kernel/random/boot_id")
    if boot.is_file() and boot.read_text().strip() != run.tags.get("bank/boot_id"):
        return True
    return not psutil.pid_exists(int(run.tags["bank/pid"]))


def _sweep(instance: dg.DagsterInstance) -> None:
    """Remove the files of runs that are over."""
    for path in _folder(instance).glob("[!.]*"):
        run = instance.get_run_by_id(path.name)
        if (run is None or run.is_finished) and (stream := _locked(path)) is not None:
            with stream:
                path.unlink()
