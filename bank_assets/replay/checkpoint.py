"""Checkpoints of a replay: one `.npz` file per policy, without pickle, replaced atomically."""

from __future__ import annotations

import hashlib
import json
import logging
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import numpy as np

from bank_assets.core.training.algorithms import ALGORITHMS
from bank_assets.replay.trace import Trace
from bank_assets.store.atomic_files import replacing

_LOG: Final = logging.getLogger(__name__)
_TRACE: Final = tuple(one.name for one in fields(Trace))
_LIBRARIES: Final = ("numpy", "scipy", "onnxruntime")


@dataclass(frozen=True, slots=True)
class ReplayProgress:
    """The progress of a policy: last day decided (ISO), processor time so far, and whether all days are decided."""

    as_of: str
    cpu_seconds: float
    is_done: bool


def code_digest() -> str:
    """Digest of the code and libraries that a replay's numbers depend on."""
    package = Path(__file__).parents[1]
    content = hashlib.sha256()
    for path in sorted(path for room in ("contract", "core", "replay") for path in (package / room).rglob("*.py")):
        content.update(path.relative_to(package).as_posix().encode() + path.read_bytes())
    for library in (*_LIBRARIES, *sorted({one.library for one in ALGORITHMS.values()})):
        content.update(f"{library}={metadata.version(library)}".encode())
    return content.hexdigest()


def fingerprint(contacts_digest: str, settings: Mapping[str, Any]) -> str:
    """Identifies a replay by its contacts, settings and code."""
    text = json.dumps([contacts_digest, code_digest(), dict(settings)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


class Checkpoint:
    """The checkpoint of one policy."""

    def __init__(self, folder: Path, policy: str) -> None:
        self._path = folder / f"{policy}.npz"

    def write(self, trace: Trace, files: Mapping[str, bytes], progress: ReplayProgress) -> None:
        """Replace the checkpoint; if the process dies meanwhile, the old one stays."""
        arrays: dict[str, Any] = {name: getattr(trace, name) for name in _TRACE}
        arrays |= {f"file/{name}": np.frombuffer(content, np.uint8) for name, content in files.items()}
        head = {"day": progress.as_of, "cpu_seconds": progress.cpu_seconds, "is_done": progress.is_done}
        arrays["head"] = np.frombuffer(json.dumps(head).encode(), np.uint8)
        with replacing(self._path) as stream:
            np.savez(stream, **arrays)

    def read(self, n_contacts: int) -> tuple[Trace, dict[str, bytes], ReplayProgress] | None:
        """Trace, files and progress; None if there is no usable checkpoint, so that the policy starts again."""
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
