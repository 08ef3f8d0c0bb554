"""Files that appear whole or not at all.

What lives here: write-to-temporary, fsync, rename, and the comparison that leaves unchanged files alone.
What must not: any knowledge of what the bytes mean. Standard library only, so that every room may use it.
Called by whoever writes into the home. A killed process leaves at most a dotfile ending in `.tmp`, which every reader
ignores and `remove_leftovers` clears.
"""

from __future__ import annotations

import filecmp
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


def sync_folder(folder: Path) -> None:
    """Make renames inside a folder survive a power cut.

    Args:
        folder: an existing folder.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def temporary_beside(path: Path) -> Iterator[tuple[BinaryIO, Path]]:
    """Open a temporary file in the folder of `path`; it is removed unless the caller renamed it.

    Args:
        path: the final name; its folder is created if missing.

    Yields:
        The open binary file and its path.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Drawn, not the process id: runs in containers all are process 1, and they share the home.
    temporary = path.parent / f".{path.name}.{secrets.token_hex(4)}.tmp"
    try:
        with temporary.open("wb") as stream:
            yield stream, temporary
    finally:
        temporary.unlink(missing_ok=True)


def publish(stream: BinaryIO, temporary: Path, path: Path) -> None:
    """Flush a temporary file to the disk and give it its final name.

    Args:
        stream: the open temporary file.
        temporary: its path, in the same folder as `path`.
        path: the final name; a former file of that name is replaced.
    """
    stream.flush()
    os.fsync(stream.fileno())
    temporary.replace(path)
    sync_folder(path.parent)


def remove_leftovers(folder: Path) -> None:
    """Remove temporary files of killed writers. The caller makes sure that nobody else writes to the folder.

    Args:
        folder: may be missing.
    """
    for leftover in folder.glob(".*.tmp"):
        leftover.unlink()


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a file to be written whole: it gets its name when the block ends, and not at all if the block fails.

    Args:
        path: the final name; its folder is created if missing, a former file of that name is replaced.

    Yields:
        The open binary file.

    Raises:
        OSError: the disk is full or not writable; the old file is still there, free space and run again.
    """
    with temporary_beside(path) as (stream, temporary):
        yield stream
        publish(stream, temporary, path)


def write_atomic(path: Path, payload: bytes) -> None:
    """Write a file so that a reader sees the old bytes or the new ones, never a part.

    Args:
        path: the file to write; its folder is created if missing.
        payload: the whole content.

    Raises:
        OSError: the disk is full or not writable; the old file is still there, free space and run again.
    """
    with replacing(path) as stream:
        stream.write(payload)


def publish_if_changed(stream: BinaryIO, temporary: Path, path: Path) -> bool:
    """Give a temporary file its final name unless a file with the same bytes has it already.

    Args:
        stream: the open temporary file.
        temporary: its path, in the same folder as `path`.
        path: the final name; an equal file keeps its time stamps.

    Returns:
        True if the file was written.
    """
    stream.flush()
    if path.is_file() and filecmp.cmp(temporary, path, shallow=False):
        return False
    publish(stream, temporary, path)
    return True
