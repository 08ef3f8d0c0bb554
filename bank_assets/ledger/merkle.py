"""Merkle trees over the rows of a block: root and inclusion proof, as of RFC 9162, section 2.1.

A proof shows that a row is in a block by some dozen hashes, without the other rows. Leaves and inner nodes are hashed
under different prefixes, so that no inner node passes for a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256


def leaf_hash(record: bytes) -> bytes:
    """Hash of a leaf: SHA-256 of a zero byte and the record."""
    return sha256(b"\x00" + record).digest()


def _node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def _above(level: Sequence[bytes]) -> list[bytes]:
    """The level above: neighbours are paired, and the last of an odd number moves up as it is."""
    paired = [_node(level[at], level[at + 1]) for at in range(0, len(level) - 1, 2)]
    return paired + [level[-1]] * (len(level) % 2)


def root_of(leaves: Sequence[bytes]) -> bytes:
    """Root over the hashes of one or more leaves."""
    level = leaves
    while len(level) > 1:
        level = _above(level)
    return level[0]


def proof_of(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """The hashes that lead from a leaf to the root, the lowest first."""
    path, level = [], leaves
    while len(level) > 1:
        if (neighbour := index ^ 1) < len(level):
            path.append(level[neighbour])
        level, index = _above(level), index // 2
    return path
