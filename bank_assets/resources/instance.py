"""The Dagster instance of a home, and what a killed process leaves in it.

What lives here: opening the instance, the marks of a run's process, failing runs whose process is gone.
What must not: definitions. Called by the command line and by tests.

The default run launcher has no worker health check: a killed in-process run stays STARTED for ever and blocks whatever
waits for it. So each run carries the process id and the boot id of its machine, and the next start fails the orphans.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import dagster as dg
import psutil

from bank_assets.settings import Settings

TAG_PID: Final = "bank/pid"
TAG_STARTED: Final = "bank/process_started"
TAG_BOOT: Final = "bank/boot_id"
TAG_MARKED: Final = "bank/marked_run"
"""The run that the marks were made for: a retried run inherits the tags of the one whose process is gone."""
CONFIG: Final = Path(__file__).resolve().parents[2] / "dagster.yaml"
UNFINISHED: Final = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.CANCELING]


@contextmanager
def open_instance(settings: Settings) -> Iterator[dg.DagsterInstance]:
    """Open the instance of a home: the embedded one, or the one whose dagster.yaml names its own storage."""
    home = settings.dagster_home
    home.mkdir(parents=True, exist_ok=True)
    config = home / "dagster.yaml"
    # Production's file (deploy/dagster.yaml) stays; an embedded one is renewed, so that an upgrade reaches old homes.
    if CONFIG.is_file() and not (config.is_file() and has_own_storage(config.read_text())):
        shutil.copyfile(CONFIG, config)
    instance = dg.DagsterInstance.from_config(str(home))
    try:
        yield instance
    finally:
        instance.dispose()


def has_own_storage(text: str) -> bool:
    """Whether a dagster.yaml names a storage, as production's does."""
    return any(line.startswith("storage:") for line in text.splitlines())


def boot_id() -> str:
    """Identity of this boot of the machine; process ids mean something only within it."""
    path = Path("/proc/sys/kernel/random/boot_id")
    return path.read_text().strip() if path.is_file() else str(int(psutil.boot_time()))


def own_run_tags(run_id: str) -> dict[str, str]:
    """Tags that say which process carries a run."""
    process = psutil.Process(os.getpid())
    return {
        TAG_PID: str(process.pid),
        TAG_STARTED: f"{process.create_time():.2f}",
        TAG_BOOT: boot_id(),
        TAG_MARKED: run_id,
    }


def is_orphan(tags: Mapping[str, str], run_id: str) -> bool:
    """Whether the process that carried a run is gone; a run without marks of its own is not judged."""
    if TAG_PID not in tags or tags.get(TAG_MARKED) != run_id:
        return False
    if tags.get(TAG_BOOT) != boot_id():
        return True
    try:
        process = psutil.Process(int(tags[TAG_PID]))
    except (psutil.NoSuchProcess, ValueError):
        return True
    return process.status() == psutil.STATUS_ZOMBIE or f"{process.create_time():.2f}" != tags.get(TAG_STARTED)


def reap_orphans(instance: dg.DagsterInstance) -> list[str]:
    """Fail unfinished runs whose process is gone.

    Returns:
        Their run ids.
    """
    reaped = []
    for run in instance.get_runs(filters=dg.RunsFilter(statuses=UNFINISHED)):
        if is_orphan(run.tags, run.run_id):
            instance.report_run_failed(run, "The process of this run is gone (killed or crashed); run it again.")
            reaped.append(run.run_id)
    return reaped
