"""Dagster definitions, or the daemon, with one point at which the process kills itself, once.

The first process that calls the function in `BANK_TEST_KILL_AT=module:name` creates the file `BANK_TEST_KILLED` and
dies by SIGKILL before the call. Load it as a code location to kill run workers; `python -m` runs the daemon itself.
Work whose run failed is asked for again after a second instead of half a minute.
"""

import importlib
import os
import signal
import sys
from functools import wraps
from pathlib import Path
from typing import Any

from bank_assets_tests.world.sqlite_engines import keep_engines

TARGET, MARKER = "BANK_TEST_KILL_AT", "BANK_TEST_KILLED"


def arm() -> None:
    """Set up the kill unless it has already happened."""
    target, marker = os.environ.get(TARGET, ""), Path(os.environ.get(MARKER, "/nonexistent/marker"))
    if not target or marker.exists():
        return
    module, _, name = target.partition(":")
    owner = importlib.import_module(module)
    original = getattr(owner, name)

    @wraps(original)
    def dying(*arguments: Any, **named: Any) -> Any:
        if not marker.exists():
            marker.write_text(str(os.getpid()))
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*arguments, **named)

    setattr(owner, name, dying)


keep_engines()
if __name__ == "__main__":
    arm()
    from dagster._daemon.cli import main

    sys.exit(main())
else:
    from bank_assets.definitions import defs  # noqa: F401
    from bank_assets.loop import requests

    requests.FIRST_WAIT_SECONDS = 1.0
    arm()
