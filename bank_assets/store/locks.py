"""File locks of the kernel, which frees a lock when its holder dies; standard library only.

They exclude other processes and other open files, but not a second holder of the same open file.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any


def lock(file: IO[Any] | int) -> None:
    """Lock a file, waiting until it is free; closing it frees the lock.

    Open it for writing: network file systems grant exclusive locks to writers only.
    """
    fcntl.flock(file, fcntl.LOCK_EX)


def try_lock(file: IO[Any] | int) -> bool:
    """Lock a file that is open for writing, or return False if another process holds it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of a file, waiting until it is free; the file is created if missing, and stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        lock(file)
        yield


@contextmanager
def locked_if_free(path: Path) -> Iterator[bool]:
    """Try to hold the lock of a file and yield whether it is held; the file is created if missing, and stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        yield try_lock(file)
