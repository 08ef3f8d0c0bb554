"""Waiting for another thread or process."""

import time
from collections.abc import Callable
from typing import Any


def wait_until(look: Callable[[], Any], seconds: float = 10.0, what: str = "it") -> Any:
    """The first true answer of `look`.

    Args:
        look: called again and again.
        seconds: after which the test fails.
        what: is waited for, named by the failure.
    """
    deadline = time.monotonic() + seconds
    while not (found := look()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: still not true after {seconds:g} s")
        time.sleep(0.02)
    return found
