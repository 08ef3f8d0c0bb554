"""Files that appear whole or not at all, by temporary file, fsync and rename; standard library only.

A killed process leaves at most a dotfile ending in `.tmp`, which readers ignore; `remove_leftovers` deletes it, and
`remove_abandoned` where others may be writing.
"""

from __future__ import annotations

import filecmp
import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

from bank_assets.contract.reading import Readable

_TOKEN_BYTES: Final = 4
_TEMPORARY: Final = f".*.{'[0-9a-f]' * 2 * _TOKEN_BYTES}.tmp"
_ABANDONED_SECONDS: Final = 86_400.0


def sha256_of(path: Readable) -> str:
    """Hexadecimal digest of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def changed_at(path: Path) -> int:
    """When a file last changed, ns since the epoch; 0 if it is gone, as files may be between listing and looking."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def sync_folder(folder: Path) -> None:
    """Make renames inside a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def temporary_beside(path: Path) -> Iterator[tuple[BinaryIO, Path]]:
    """Open a temporary file beside `path`, creating the folder; it is removed unless the caller renames it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Random, because runs in containers share the home and all have process id 1.
    temporary = path.parent / f".{path.name}.{secrets.token_hex(_TOKEN_BYTES)}.tmp"
    try:
        with temporary.open("wb") as stream:
            yield stream, temporary
    finally:
        temporary.unlink(missing_ok=True)


def publish(stream: BinaryIO, temporary: Path, path: Path) -> None:
    """Flush a temporary file to disk and rename it to its final name, replacing a former file."""
    stream.flush()
    os.fsync(stream.fileno())
    temporary.replace(path)
    sync_folder(path.parent)


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files of killed writers; nobody else may be writing to the folder."""
    for leftover in folder.glob(".*.tmp"):
        leftover.unlink(missing_ok=True)


def remove_abandoned(folder: Path, now: float) -> None:
    """Remove those that nobody has written to for a day before `now`, in seconds; what may not be removed stays.

    Senders have temporary files of their own, so only names that `temporary_beside` makes count.
    """
    for leftover in folder.glob(_TEMPORARY):
        with suppress(OSError):
            if leftover.stat().st_mtime < now - _ABANDONED_SECONDS:
                leftover.unlink()


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a file that replaces `path` when the block ends, and only if the block succeeds."""
    with temporary_beside(path) as (stream, temporary):
        yield stream
        publish(stream, temporary, path)


def write_atomic(path: Path, payload: bytes) -> None:
    """Write a file so that a reader sees the old bytes or the new ones, never a part."""
    with replacing(path) as stream:
        stream.write(payload)


def publish_if_changed(stream: BinaryIO, temporary: Path, path: Path) -> bool:
    """Publish a temporary file and return True, unless a file with the same bytes has that name already."""
    stream.flush()
    if path.is_file() and filecmp.cmp(temporary, path, shallow=False):
        return False
    publish(stream, temporary, path)
    return True
