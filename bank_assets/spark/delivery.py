"""Delivered files as Spark's tasks read them: what the register knows of them, and which task reads which bytes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bank_assets.contract.reading import ENCODINGS
from bank_assets.landing.register import FileFacts

ONE_TASK_BYTES: Final = 32 << 20
"""Up to this much text one task does all the work, so that a month is one file."""

TASK_BYTES: Final = 64 << 20
"""Text per task of larger inputs: some 600,000 rows."""


class DeliveryReadError(ValueError):
    """A registered delivery cannot be read; the message says what was expected and what was found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RawFile(FileFacts):
    """One delivered file as the register describes it, and where its bytes are."""

    path: Path
    arrival: int  # of two rows of a contact, the one that arrived later wins

    @classmethod
    def of(cls, path: Path, arrival: int, facts: FileFacts) -> "RawFile":
        """A file with these facts, such as a `Delivery`."""
        return cls(path=path, arrival=arrival, **{name: getattr(facts, name) for name in FileFacts.__slots__})


@dataclass(frozen=True, slots=True)
class ByteRange:
    """The rows of a file that begin at `first` or later, and before `last` (offsets in bytes)."""

    file: RawFile
    first: int
    last: int


def check_files(files: Sequence[RawFile]) -> None:
    """Raise `DeliveryReadError` if no file is given, one is missing or repeated, or its encoding is unknown."""
    if not files:
        raise DeliveryReadError(
            "deliveries: expected at least one file, found none; select months that were delivered."
        )
    missing = [str(file.path) for file in files if not file.path.is_file()]
    if missing:
        raise DeliveryReadError(
            f"raw objects: expected {len(files)} files, found {len(missing)} missing, first {missing[0]}; "
            f"restore them from a backup, the register still lists them."
        )
    if len({file.sha256 for file in files}) < len(files):
        raise DeliveryReadError("deliveries: expected each content once, at its last arrival, found one twice.")
    for file in files:
        if file.encoding not in ENCODINGS:
            raise DeliveryReadError(
                f"{file.path}: expected one of the encodings {sorted(ENCODINGS)}, found {file.encoding!r}."
            )


def tasks_of(files: Sequence[RawFile], *, parallelism: int) -> list[list[ByteRange]]:
    """Divide the bytes of some files into tasks of about equal size, in the order of arrival.

    Later rows replace earlier ones, so the order of tasks, and of rows within them, matters.
    """
    sizes = [(file, file.path.stat().st_size) for file in sorted(files, key=lambda file: file.arrival)]
    total = sum(size for _, size in sizes)
    n_tasks = 1 if total <= ONE_TASK_BYTES else max(parallelism, -(-total // TASK_BYTES))
    share = max(-(-total // n_tasks), 1)
    tasks: list[list[ByteRange]] = [[] for _ in range(n_tasks)]
    before = 0
    for file, size in sizes:
        first = 0
        while first < size:
            task = (before + first) // share
            last = min(size, (task + 1) * share - before)
            tasks[task].append(ByteRange(file, first, last))
            first = last
        before += size
    return [task for task in tasks if task]
