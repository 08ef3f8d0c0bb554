"""What the last landing of a source wrote, in `warehouse/raw/landed.json`."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from bank_assets.landing.register import raw_root
from bank_assets.store.atomic_files import write_atomic


@dataclass(frozen=True, slots=True)
class LandedFiles:
    """Files that a landing wrote; a file with other bytes was changed by somebody else since, and is kept."""

    files: dict[str, str] = field(default_factory=dict)  # sha256 by `kind/name`
    held_back_from: str = ""  # first day of the example campaign, ISO; training leaves it out

    def save(self, warehouse: Path) -> None:
        """Replace the record."""
        write_atomic(_path(warehouse), json.dumps(asdict(self), indent=1, sort_keys=True).encode())


def landed_files(warehouse: Path) -> LandedFiles:
    """The record; empty in a home where nothing was landed, and where an earlier release did."""
    with suppress(FileNotFoundError, ValueError, TypeError):
        return LandedFiles(**json.loads(_path(warehouse).read_bytes()))
    return LandedFiles()


def held_back_from(warehouse: Path) -> np.datetime64 | None:
    """First day that a landing held back for its example campaign, so that the list is not one of known outcomes."""
    day = landed_files(warehouse).held_back_from
    return np.datetime64(day, "D") if day else None


def _path(warehouse: Path) -> Path:
    return raw_root(warehouse) / "landed.json"
