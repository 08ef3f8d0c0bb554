"""Waiting for another thread or process."""

import time
from collections.abc import Callable
from typing import Any

TICK_SECONDS = 0.005


def wait_until(look: Callable[[], Any], seconds: float = 10.0, what: str = "it") -> Any:
    """The first true answer of `look`.

    Args:
        look: called again and again.
        seconds: after which the test fails, on a quiet machine; looks are counted, so a busy one gets more time.
        what: is waited for, named by the failure.
    """
    for _ in range(int(seconds / TICK_SECONDS)):
        if found := look():
            return found
        time.sleep(TICK_SECONDS)
    raise AssertionError(f"{what}: still not true after {seconds:g} s")
