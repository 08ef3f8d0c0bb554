"""What a lake on a local disk needs beyond Delta: locks between processes, flushing, and the repair of a torn log.

delta-rs publishes a log entry in one step but does not flush it, so a power cut may leave it empty or torn. Object
storage needs none of this.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import IO, Final

from deltalake.exceptions import DeltaError

from bank_assets.store.atomic_files import sync_folder
from bank_assets.store.locks import lock, locked, try_lock

LOG: Final = "_delta_log"
CHANGES: Final = "filesChanged"  # in the commit info of our entries: how many files the entry adds and removes
_WRITER: Final = ".writer"
_FULL: Final = ("No space left", "quota exceeded", "File too large")
_DISK_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class WarehouseError(RuntimeError):
    """A table cannot be read or written; the message says what was expected, what was found, what to do."""


@contextmanager
def explained(path: Path, action: str) -> Iterator[None]:
    """Turn an error of the disk or of Delta into a `WarehouseError` that says what is safe and what to do."""
    try:
        yield
    except (OSError, DeltaError) as error:
        found = str(error).split("\n", 1)[0]
        if getattr(error, "errno", None) in _DISK_FULL or any(words in str(error) for words in _FULL):
            raise WarehouseError(
                f"{path}: could not {action}, the disk or quota is full ({found}). "
                f"The previous content is untouched; free space and run again."
            ) from error
        raise WarehouseError(f"{path}: could not {action}: {found}. The previous content is untouched.") from error


def exclusive(folder: Path) -> AbstractContextManager[None]:
    """The lock of a table's writers; readers never wait."""
    return locked(folder / ".lock")


def claim(staged: Path) -> IO[bytes]:
    """Mark a folder as being written, until the file is closed or the process ends."""
    file = (staged / _WRITER).open("ab")
    lock(file)
    return file


def release(staged: Path, file: IO[bytes]) -> None:
    """Take the mark of `claim` back."""
    (staged / _WRITER).unlink(missing_ok=True)
    file.close()


def is_claimed(staged: Path) -> bool:
    """Whether a living process writes to a folder."""
    try:
        with (staged / _WRITER).open("rb+") as file:
            return not try_lock(file)
    except FileNotFoundError:
        return False


def sync(paths: Iterable[Path], root: Path) -> None:
    """Make files and their names below `root` survive a power cut."""
    folders = set()
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        folders |= {parent for parent in path.parents if parent.is_relative_to(root)}
    for folder in folders:
        sync_folder(folder)


def entry_path(folder: Path, version: int) -> Path:
    """The log entry of a version of a table."""
    return folder / LOG / f"{version:020d}.json"


def repair(folder: Path) -> list[Path]:
    """Remove the last log entry and the last checkpoint of a table if they are not whole; returns what was removed.

    The writer of either died before it recorded the commit, so the work is repeated.
    """
    if not _torn(folder):
        return []
    with exclusive(folder):
        torn = _torn(folder)  # another process may have repaired it, and gone on writing
        for path in torn:
            path.unlink()
        sync_folder(folder / LOG)
    return torn


def _torn(folder: Path) -> list[Path]:
    log, found = folder / LOG, []
    entry = max(log.glob("*[0-9].json"), default=None)
    if entry and not _is_whole_entry(entry.read_bytes(), is_first=int(entry.stem) == 0):
        found.append(entry)
    checkpoint = max(log.glob("*.checkpoint.parquet"), default=None)
    if checkpoint and not _is_whole_parquet(checkpoint):
        found += [path for path in (checkpoint, log / "_last_checkpoint") if path.exists()]
    return found


def _is_whole_entry(content: bytes, *, is_first: bool) -> bool:
    """Whether every line is there: a cut at the end of a line can be read, and would double or lose files."""
    try:
        actions = [json.loads(line) for line in content.splitlines() if line.strip()]
        kinds = [kind for action in actions for kind in action]
        expected = next((one["commitInfo"].get(CHANGES) for one in actions if "commitInfo" in one), None)
    except (ValueError, TypeError, AttributeError):
        return False
    if not kinds or (is_first and "metaData" not in kinds):
        return False
    return expected is None or expected == kinds.count("add") + kinds.count("remove")


def _is_whole_parquet(path: Path) -> bool:
    with suppress(OSError), path.open("rb") as file:
        file.seek(-4, os.SEEK_END)
        return file.read() == b"PAR1"
    return False
