"""Identifiers of records: UUID version 7, which sort by time."""

from __future__ import annotations

import os
import threading
import time

_pool = bytearray()
_pool_lock = threading.Lock()
os.register_at_fork(after_in_child=_pool.clear)  # a child must not repeat its parent's ids


def _random_bytes(n: int) -> bytes:
    """Random bytes of the operating system, read 4 KiB at a time: a call for each id costs 20 us on some machines."""
    with _pool_lock:
        if len(_pool) < n:
            _pool.extend(os.urandom(4_096))
        taken = bytes(_pool[-n:])
        del _pool[-n:]
    return taken


def new_id() -> str:
    """A UUID version 7 (RFC 9562): 48 bits of Unix milliseconds, the rest random, so ids sort by time."""
    value = (time.time_ns() // 1_000_000) << 80 | 0x7 << 76 | 0b10 << 62
    noise = int.from_bytes(_random_bytes(10), "big")
    value |= (noise >> 68) << 64 | noise & 0x3FFF_FFFF_FFFF_FFFF
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
