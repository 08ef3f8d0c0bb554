"""What a lake on a disk needs beyond Delta: locks between processes, flushing, and the repair of a torn log.

delta-rs publishes a log entry in one step but does not flush it, so a power cut may leave it empty or torn. A bucket
needs none of this: an object appears whole and lasting, and a log entry is put only if there is none of its number.
"""

from __future__ import annotations

import errno
import io
import json
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import IO, Final, NamedTuple

from deltalake.exceptions import DeltaError

from bank_assets.store.atomic_files import sync_folder, write_atomic
from bank_assets.store.locks import lock, locked, try_lock
from bank_assets.store.places import BucketPath, Place, WarehouseError

LOG: Final = "_delta_log"
CHANGES: Final = "filesChanged"  # in the commit info of our entries: how many files the entry adds and removes
_WRITER: Final = ".writer"
_ANSI: Final = re.compile(r"\x1b\[[0-9;]*m|\u21b3")
_MOST_CHARACTERS: Final = 400


class Named(NamedTuple):
    """What messages call a place, what is done there, the rights that this needs, and the setting that names it."""

    what: str
    used: str
    rights: str
    setting: str


_LAKE: Final = Named("the lake", "written or read", "read, write, list and delete", "BANK_LAKE")
DELIVERIES: Final = Named("the bucket of deliveries", "read", "list and read", "BANK_LANDING")

# What an error of the disk, of Arrow's or of Delta's client means for people: numbers, words in its text, what to say.
_CAUSES: Final = (
    (
        {errno.ENOSPC, errno.EDQUOT, errno.EFBIG},
        ("No space left", "quota exceeded", "File too large", "StorageFull", "QuotaExceeded"),
        "the disk or quota is full",
        "free space and run again",
    ),
    (
        {errno.EROFS, errno.EACCES, errno.EPERM},
        ("Read-only file system", "Permission denied", "ACCESS_DENIED", "AccessDenied", "403 Forbidden"),
        "{0.what} may not be {0.used}",
        "give the platform's user or role the right to {0.rights} there, and run again",
    ),
    (
        {errno.ENOTCONN, errno.ESTALE, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ETIMEDOUT, errno.ECONNREFUSED},
        ("NETWORK_CONNECTION", "error sending request", "timed out", "Timeout", "NO_SUCH_BUCKET", "NoSuchBucket"),
        "{0.what} cannot be reached",
        "see that it is there and that {0.setting} names it; what waits is done by the next run",
    ),
)


@contextmanager
def explained(path: Place, action: str, but: tuple[type[OSError], ...] = (), named: Named = _LAKE) -> Iterator[None]:
    """Turn an error of the lake into a `WarehouseError` that says what is safe and what to do; one kind may pass."""
    try:
        yield
    except but:
        raise
    except (OSError, DeltaError) as error:
        text, number = _ANSI.sub("", str(error)), getattr(error, "errno", None)
        lines = [line.strip() for line in text.splitlines() if line.strip()] or [repr(error)]
        found = (lines[0] if len(lines) == 1 else f"{lines[0]}: {lines[-1]}")[:_MOST_CHARACTERS]
        untouched = "The previous content is untouched"
        for numbers, words, meaning, to_do in _CAUSES:
            if number in numbers or any(word in text for word in words):
                meaning, to_do = meaning.format(named), to_do.format(named)
                raise WarehouseError(
                    f"{path}: could not {action}, {meaning} ({found}). {untouched}; {to_do}."
                ) from error
        raise WarehouseError(f"{path}: could not {action}: {found}. {untouched}.") from error


def put_whole(place: Place, content: bytes) -> None:
    """Write a small file or object; a reader sees the former content or this one."""
    if isinstance(place, BucketPath):
        place.write_bytes(content)
    else:
        write_atomic(place, content)


def exclusive(folder: Place) -> AbstractContextManager[None]:
    """The lock of a table's writers; readers never wait."""
    return nullcontext() if isinstance(folder, BucketPath) else locked(folder / ".lock")


def claim(staged: Place) -> IO[bytes]:
    """Mark a folder as being written, until the file is closed or the process ends; in a bucket its age tells."""
    if isinstance(staged, BucketPath):
        return io.BytesIO()
    file = (staged / _WRITER).open("ab")
    lock(file)
    return file


def release(staged: Place, file: IO[bytes]) -> None:
    """Take the mark of `claim` back."""
    if isinstance(staged, Path):
        (staged / _WRITER).unlink(missing_ok=True)
    file.close()


def is_claimed(staged: Path) -> bool:
    """Whether a living process writes to a folder."""
    try:
        with (staged / _WRITER).open("rb+") as file:
            return not try_lock(file)
    except FileNotFoundError:
        return False


def sync(paths: Iterable[Place], root: Place) -> None:
    """Make files and their names below `root` survive a power cut."""
    folders = set()
    for path in paths:
        if isinstance(path, BucketPath) or isinstance(root, BucketPath):
            continue
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        folders |= {parent for parent in path.parents if parent.is_relative_to(root)}
    for folder in folders:
        sync_folder(folder)


def entry_path(folder: Place, version: int) -> Place:
    """The log entry of a version of a table."""
    return folder / LOG / f"{version:020d}.json"


def repair(folder: Place) -> list[Path]:
    """Remove the last log entry and the last checkpoint of a table if they are not whole; returns what was removed.

    The writer of either died before it recorded the commit, so the work is repeated.
    """
    if isinstance(folder, BucketPath) or not _torn(folder):
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
