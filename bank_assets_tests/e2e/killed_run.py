"""Runs `bank_assets run` and kills its own process with SIGKILL at a given call, so between two writes.

Usage: `killed_run.py MODULE:NAME WHEN NTH ARGUMENTS`. The arguments are those of `run`; `MODULE:NAME=WORD` counts only
calls with the word as an argument. Nothing else is replaced but the making of Dagster's SQLite engines.
"""

import importlib
import os
import signal
import sys
from functools import wraps
from typing import Any


def kill_at(target: str, when: str, nth: int) -> None:
    """Arrange that this process dies before or after the nth call of a function or method."""
    place, _, word = target.partition("=")
    module, _, path = place.partition(":")
    owner: Any = importlib.import_module(module)
    *parents, name = path.split(".")
    for parent in parents:
        owner = getattr(owner, parent)
    original, calls = getattr(owner, name), [0]

    @wraps(original)
    def dying(*args: Any, **kwargs: Any) -> Any:
        if word and word not in args:
            return original(*args, **kwargs)
        calls[0] += 1
        if calls[0] == nth and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = original(*args, **kwargs)
        if calls[0] == nth:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, name, dying)


if __name__ == "__main__":
    from bank_assets_tests.world.sqlite_engines import keep_engines

    keep_engines()
    kill_at(sys.argv[1], sys.argv[2], int(sys.argv[3]))
    from bank_assets.__main__ import main

    sys.exit(main(sys.argv[4:]))
