"""Where a replay keeps how far it has come: one file per policy, whole or not at all.

What lives here: the folder of a replay, its fingerprint, writing and reading a checkpoint.
What must not: what a policy keeps (it hands over bytes), results.
Called by the replay command. A checkpoint holds arrays and bytes in one `.npz` without pickle.
"""

from __future__ import annotations

import hashlib
import json
import logging
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import numpy as np

from bank_assets.core.training.algorithms import ALGORITHMS
from bank_assets.replay.trace import Trace
from bank_assets.store.atomic_files import replacing

_LOG: Final = logging.getLogger(__name__)
_TRACE: Final = ("proba", "unshifted", "low", "high", "called", "weight")
_LIBRARIES: Final = ("numpy", "scipy", "onnxruntime")


@dataclass(frozen=True, slots=True)
class ReplayProgress:
    """How far a policy has come.

    Attributes:
        as_of: last day decided, ISO.
        cpu_seconds: processor time so far.
        is_done: whether all days are decided.
    """

    as_of: str
    cpu_seconds: float
    is_done: bool


def code_digest() -> str:
    """Digest of the code and libraries that a replay's numbers depend on: contract, core and replay."""
    package = Path(__file__).parents[1]
    content = hashlib.sha256()
    for path in sorted(path for room in ("contract", "core", "replay") for path in (package / room).rglob("*.py")):
        content.update(path.relative_to(package).as_posix().encode() + path.read_bytes())
    for library in (*_LIBRARIES, *sorted({one.library for one in ALGORITHMS.values()})):
        content.update(f"{library}={metadata.version(library)}".encode())
    return content.hexdigest()


def fingerprint(contacts_digest: str, settings: Mapping[str, Any]) -> str:
    """What makes two replays the same: contacts, settings, code.

    Args:
        contacts_digest: of the history.
        settings: JSON-able.
    """
    text = json.dumps([contacts_digest, code_digest(), dict(settings)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


class Checkpoint:
    """The file of one policy."""

    def __init__(self, folder: Path, policy: str) -> None:
        """Name the file.

        Args:
            folder: of the replay's fingerprint.
            policy: its name.
        """
        self._path = folder / f"{policy}.npz"

    def write(self, trace: Trace, files: Mapping[str, bytes], progress: ReplayProgress) -> None:
        """Replace the checkpoint; a process that dies meanwhile leaves the old one.

        Args:
            trace: what was decided.
            files: the policy's own state.
            progress: how far it has come.
        """
        arrays: dict[str, Any] = {name: getattr(trace, name) for name in _TRACE}
        arrays |= {f"file/{name}": np.frombuffer(content, np.uint8) for name, content in files.items()}
        head = {"day": progress.as_of, "cpu_seconds": progress.cpu_seconds, "is_done": progress.is_done}
        arrays["head"] = np.frombuffer(json.dumps(head).encode(), np.uint8)
        with replacing(self._path) as stream:
            np.savez(stream, **arrays)

    def read(self, n_contacts: int) -> tuple[Trace, dict[str, bytes], ReplayProgress] | None:
        """Read it.

        Args:
            n_contacts: contacts of the history.

        Returns:
            Trace, files and progress; None if there is none, or none that can be read (then the policy starts again).
        """
        if not self._path.is_file():
            return None
        try:
            with np.load(self._path, allow_pickle=False) as arrays:
                head = json.loads(arrays["head"].tobytes())
                trace = Trace(*(arrays[name] for name in _TRACE))
                files = {
                    name.removeprefix("file/"): arrays[name].tobytes()
                    for name in arrays.files
                    if name.startswith("file/")
                }
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            _LOG.warning("checkpoint %s cannot be read (%s); the policy starts again", self._path.name, error)
            return None
        if len(trace.proba) != n_contacts:
            _LOG.warning("checkpoint %s is of other contacts; the policy starts again", self._path.name)
            return None
        return trace, files, ReplayProgress(head["day"], float(head["cpu_seconds"]), bool(head["is_done"]))
