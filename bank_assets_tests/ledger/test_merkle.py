"""Merkle trees against the definition of RFC 9162, written once more as it stands there."""

from hashlib import sha256

import pytest

from bank_assets.ledger.merkle import leaf_hash, proof_of, root_of
from bank_assets_tests.world.proofs import is_included


def split(n):
    at = 1
    while at * 2 < n:
        at *= 2
    return at


def tree_hash(records):
    if len(records) == 1:
        return sha256(b"\x00" + records[0]).digest()
    at = split(len(records))
    return sha256(b"\x01" + tree_hash(records[:at]) + tree_hash(records[at:])).digest()


def path(index, records):
    if len(records) == 1:
        return []
    at = split(len(records))
    if index < at:
        return [*path(index, records[:at]), tree_hash(records[at:])]
    return [*path(index - at, records[at:]), tree_hash(records[:at])]


@pytest.mark.parametrize("n", [1, 2, 3, 7, 8, 21])
def test_root_and_proofs_are_those_of_the_standard_and_prove_their_own_row_only(n):
    records = [bytes([i]) for i in range(n)]
    leaves, root = [leaf_hash(one) for one in records], tree_hash(records)
    assert root_of(leaves) == root
    for index in range(n):
        proof = proof_of(leaves, index)
        assert proof == path(index, records)
        assert is_included(leaves[index], index, n, proof, root)
        wrong = [
            (leaf_hash(b"other"), index, n, proof, root),
            (leaves[index], index, n, [*proof, root], root),
            (leaves[index], index, n, proof, leaf_hash(b"other")),
            (leaves[index], n, n, proof, root),
            (leaves[index], -1, n, proof, root),
        ]
        if n > 1:
            wrong += [
                (leaves[index], index, n, proof[:-1], root),
                (leaves[index], (index + 1) % n, n, proof, root),
            ]
        assert not any(is_included(*one) for one in wrong)


def test_an_inner_node_is_no_row():
    leaves = [leaf_hash(b"a"), leaf_hash(b"b")]
    assert leaf_hash(leaves[0] + leaves[1]) != root_of(leaves)
