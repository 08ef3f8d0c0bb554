"""Which process works on a run, and runs that no process works on any more.

What lives here: the lock that a run's process holds, failing runs whose lock is free. What must not: definitions.
Called by the executor, the command line, `orphaned_runs_sensor` and tests.

The default run launcher has no worker health check: a run whose process was killed, or lost its database while it wrote
an event, stays STARTED for ever and blocks whatever waits for it. So the process holds a lock on
`$DAGSTER_HOME/carried/<run id>` while it works. The kernel frees it however the process ends. Process ids need not be
compared: they are used again, repeat between containers that share the home, and their start times move with the clock.

Where runs do not share the instance's folder with the sensor (AWS, a task per run), nothing is judged here: their
launcher looks after them.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

import dagster as dg
import psutil

from bank_assets.store.locks import lock, try_lock

FOLDER: Final = "carried"
HIDDEN: Final = "."
"""Begins the name of a file that is not locked yet."""
LEFT_SECONDS: Final = 60.0
"""A run whose process lives has so long to write how it ended, after its last step."""
UNFINISHED: Final = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.CANCELING]
GONE: Final = "The process of this run is gone (killed or crashed); run it again."
LEFT: Final = (
    "The process of this run left it without saying how it ended: it could not write to Dagster's database. Run it "
    "again once the database answers."
)


@contextmanager
def holding_run_lock(instance: dg.DagsterInstance, run_id: str) -> Iterator[None]:
    """Hold a run's lock; afterwards the file says since when nobody works on the run.

    Args:
        instance: Dagster instance; all processes of a home share its folder.
        run_id: the run.

    Raises:
        OSError: the folder cannot be written to.
    """
    path = _folder(instance) / run_id
    path.parent.mkdir(parents=True, exist_ok=True)
    # Children do not inherit it: Python opens files close-on-exec, so a Spark JVM that outlives us holds nothing.
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=HIDDEN, delete=False) as stream:
        # Locked before it has its name: who finds it free may believe that.
        lock(stream)
        Path(stream.name).replace(path)
        try:
            yield
        finally:
            with suppress(OSError):  # a full disk has been told by whatever the run itself wrote
                stream.write(str(time.time()))
                stream.flush()


def reap_orphans(instance: dg.DagsterInstance) -> list[str]:
    """End unfinished runs that no process works on; a run without a lock file, of another home, is not judged.

    Args:
        instance: Dagster instance.

    Returns:
        Their run ids.
    """
    reaped = []
    for run in instance.get_runs(filters=dg.RunsFilter(statuses=UNFINISHED)):
        problem = GONE if _is_gone_by_tags(run) else _problem(_folder(instance) / run.run_id)
        if problem is None:
            continue
        # Asked again: it may have ended well between the list and the look at its lock.
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
    except FileNotFoundError:
        return None
    if try_lock(stream):
        return stream
    stream.close()
    return None


def _problem(path: Path) -> str | None:
    """Why nothing more comes of a run, or None if something may."""
    stream = _locked(path)
    if stream is None:
        return None
    with stream:
        left_at = stream.read()
    if not left_at:
        return GONE
    return LEFT if time.time() - float(left_at) > LEFT_SECONDS else None


def _is_gone_by_tags(run: dg.DagsterRun) -> bool:
    """Whether the process of a run that an older release started, which had tags in place of the lock, is gone."""
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
