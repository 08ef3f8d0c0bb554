"""What a policy decided and spent in a replay, and the checkpoint from which an interrupted replay goes on."""

from __future__ import annotations

import json
import logging
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final

import numpy as np

from bank_assets.core.arrays import BoolArray, FloatArray
from bank_assets.store.atomic_files import replacing

_LOG: Final = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Trace:
    """What a policy decided, contact by contact; every array is (n,), NaN or False where nothing was decided.

    Attributes:
        proba: probability of the decision.
        unshifted: before the intercept.
        low: lower end of the range.
        high: upper end of the range.
        called: decisions, exploration included.
        explored: calls to learn from, which the plan would not have chosen.
        weight: inverse probability of having called each contact, 0 where it was not called.
    """

    proba: FloatArray
    unshifted: FloatArray
    low: FloatArray
    high: FloatArray
    called: BoolArray
    explored: BoolArray
    weight: FloatArray

    @classmethod
    def empty(cls, n: int) -> Trace:
        """Nothing decided yet."""
        none = np.full(n, np.nan)
        return cls(none, none.copy(), none.copy(), none.copy(), np.zeros(n, bool), np.zeros(n, bool), np.zeros(n))


@dataclass(frozen=True, slots=True)
class ReplayEvent:
    """An event of a day of the data: `model`, `refused`, `search`, `alert` or `recalibration`, and its reason."""

    day: str
    kind: str
    reason: str


@dataclass(slots=True)
class ReplayCounts:
    """What a policy spent, and the events in order.

    Attributes:
        trainings: estimator fits that could reach production.
        searches: comparisons of all candidates.
        recalibrations: days on which the intercept moved materially.
        alerts: alerts to a person.
    """

    trainings: int = 0
    searches: int = 0
    recalibrations: int = 0
    alerts: int = 0
    events: list[ReplayEvent] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A policy after its last decided day (ISO): processor time so far, its decisions, and its own files."""

    as_of: str
    cpu_seconds: float
    trace: Trace
    files: Mapping[str, bytes]

    def write(self, path: Path) -> None:
        """Replace an `.npz` file; if the process dies meanwhile, the old one stays."""
        arrays: dict[str, Any] = {one.name: getattr(self.trace, one.name) for one in fields(Trace)}
        head = json.dumps({"as_of": self.as_of, "cpu_seconds": self.cpu_seconds}).encode()
        for name, content in {"head": head, **{f"file/{name}": one for name, one in self.files.items()}}.items():
            arrays[name] = np.frombuffer(content, np.uint8)
        with replacing(path) as stream:
            np.savez(stream, **arrays)

    @classmethod
    def read(cls, path: Path, n_contacts: int) -> Checkpoint | None:
        """Read a file without pickle; None if it is missing or unusable, so that the policy starts again."""
        if not path.is_file():
            return None
        try:
            with np.load(path, allow_pickle=False) as arrays:
                trace = Trace(*(arrays[one.name] for one in fields(Trace)))
                named = {name.partition("/")[2]: arrays[name] for name in arrays.files if name.startswith("file/")}
                head = json.loads(arrays["head"].tobytes())
        except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
            _LOG.warning("checkpoint %s cannot be read (%s); the policy starts again", path.name, error)
            return None
        if len(trace.proba) != n_contacts:
            _LOG.warning("checkpoint %s is of other contacts; the policy starts again", path.name)
            return None
        return cls(**head, trace=trace, files={name: content.tobytes() for name, content in named.items()})
