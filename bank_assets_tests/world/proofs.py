"""Checks a proof of inclusion as whoever receives one does (RFC 9162, 2.1.3.2)."""

from collections.abc import Sequence
from hashlib import sha256


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def is_included(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """Whether a proof leads from the hash of the leaf at an index, from 0, to the root of a tree of a size."""
    last = size - 1
    if not 0 <= index <= last:
        return False
    for one in path:
        if last == 0:
            return False
        if index % 2 or index == last:
            leaf = node_hash(one, leaf)
            while index and index % 2 == 0:
                index, last = index // 2, last // 2
        else:
            leaf = node_hash(leaf, one)
        index, last = index // 2, last // 2
    return last == 0 and leaf == root
