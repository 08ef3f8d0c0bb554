"""Opens the Dagster instance of a home with the right dagster.yaml."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import dagster as dg

from bank_assets.settings import Settings

CONFIG: Final = Path(__file__).resolve().parents[2] / "dagster.yaml"


@contextmanager
def open_instance(settings: Settings) -> Iterator[dg.DagsterInstance]:
    """Open a home's instance: the embedded one, or the one whose dagster.yaml names its own storage."""
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
