"""Identifiers of records: UUID version 7, which sort by time."""

from __future__ import annotations

import os
import time

_pool: list[int] = []
os.register_at_fork(after_in_child=_pool.clear)  # a child must not repeat its parent's ids


def _noise() -> int:
    """80 random bits of the operating system, read 4 KB at a time: a call for each id costs 20 us on some machines."""
    while True:
        try:
            return _pool.pop()  # atomic, so that no two threads take the same
        except IndexError:
            block = os.urandom(4_000)
            _pool.extend(int.from_bytes(block[at : at + 10], "big") for at in range(0, len(block), 10))


def new_id() -> str:
    """A UUID version 7 (RFC 9562): 48 bits of Unix milliseconds, the rest random, so ids sort by time."""
    value = (time.time_ns() // 1_000_000) << 80 | 0x7 << 76 | 0b10 << 62
    noise = _noise()
    value |= (noise >> 68) << 64 | noise & 0x3FFF_FFFF_FFFF_FFFF
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
