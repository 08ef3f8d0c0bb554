"""Locks on files that the kernel keeps: it frees a lock when its holder dies, however it dies.

What lives here: waiting for a lock, trying for one. What must not: what a lock protects. Standard library only, so that
every room may use it. Locks exclude other processes and other open files, not a second holder of the same open file.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any


def lock(file: IO[Any] | int) -> None:
    """Lock an open file, waiting until it is free; closing it gives the lock back.

    Args:
        file: open for writing: a network file system grants exclusive locks to writers only.
    """
    fcntl.flock(file, fcntl.LOCK_EX)


def try_lock(file: IO[Any] | int) -> bool:
    """Lock an open file if it is free; closing it gives the lock back.

    Args:
        file: open for writing.

    Returns:
        False if somebody else holds it.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of a file, waiting until it is free.

    Args:
        path: the lock file; it and its folder are made if missing, and it stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        lock(file)
        yield


@contextmanager
def locked_if_free(path: Path) -> Iterator[bool]:
    """Hold the lock of a file if nobody else does.

    Args:
        path: the lock file; it and its folder are made if missing, and it stays.

    Yields:
        Whether the lock is held.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        yield try_lock(file)
