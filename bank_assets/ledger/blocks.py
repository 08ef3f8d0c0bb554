"""Blocks: the rows of a call list as decisions, up to 5,000 of them under one Merkle root.

The record of a row is canonical JSON: its id, what was decided and why, the salted hash of the payload, and the hash of
the facts that all rows of its block share. It is a leaf of the block's tree, and the list's event holds the roots. A
block's content is one compressed part per column, so that a search unpacks two columns and not the customers' data. An
erasure takes person, salt and payload out of the content but leaves the payload's hash, so the leaf stays the same.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from tempfile import SpooledTemporaryFile
from typing import Any, Final, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from bank_assets.ledger import merkle
from bank_assets.ledger.digests import json_text, payload_hash
from bank_assets.ledger.models import canonical_json

BLOCK_ROWS: Final = 5_000
_IN_MEMORY: Final = 64 << 20  # bytes of a list's blocks before they go to a file, some 500,000 rows
_SALT_BYTES: Final = 16
_PERSON: Final = ("contact_id", "customer_id", "salt")
# Half the time of the default level for 3 % more bytes.
_LEVEL: Final = 3


class Slices(Protocol):
    """A column of which parts can be had as plain values."""

    def __len__(self) -> int: ...

    def __getitem__(self, part: slice, /) -> Sequence[Any]: ...


Column = Slices | Sequence[Any] | NDArray[Any]
Columns = Mapping[str, Column]


@dataclass(frozen=True, slots=True)
class ListRows:
    """The rows of a list in its order, as columns of one length: of plain Python values, arrays, or parts of a file.

    Columns become Python values block by block, so that a long list is never held as Python objects.
    """

    contact_id: Column
    customer_id: Column
    payload: Columns  # the customers' values by delivery name
    decided: Columns  # what was decided and why, by name

    def __len__(self) -> int:
        """How many rows."""
        return len(self.contact_id)

    def at(self, part: slice) -> ListRows:
        """Some of the rows."""
        payload, decided = ({n: _plain(c[part]) for n, c in cols.items()} for cols in (self.payload, self.decided))
        return ListRows(_plain(self.contact_id[part]), _plain(self.customer_id[part]), payload, decided)

    def digest(self, facts: Mapping[str, Any]) -> str:
        """SHA-256, in hex, of rows and shared facts without salts: equal for a list that was made again unchanged."""
        digest = hashlib.sha256(b"[")
        for column in (self.contact_id, self.customer_id):
            _add_json(digest, column)
            digest.update(b",")
        for columns in (self.payload, self.decided):
            for number, name in enumerate(sorted(columns)):
                digest.update((b"," if number else b"{") + msgspec.json.encode(name) + b":")
                _add_json(digest, columns[name])
            digest.update(b"}," if columns else b"{},")
        digest.update(msgspec.json.encode(dict(facts), order="deterministic") + b"]")
        return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Same:
    """A column with one value."""

    value: Any
    n_rows: int

    def __len__(self) -> int:
        return self.n_rows

    def __getitem__(self, part: slice) -> list[Any]:
        return [self.value] * len(range(self.n_rows)[part])


def _plain(column: Any) -> Sequence[Any]:
    """The values of a column, as Python has them; days as ISO texts."""
    if not isinstance(column, np.ndarray):
        return column
    return (column.astype(str) if column.dtype.kind == "M" else column).tolist()


def _add_json(digest: Any, column: Column) -> None:
    """Add the JSON of a column to a digest, piece by piece."""
    digest.update(b"[")
    for first in range(0, len(column), BLOCK_ROWS):
        piece = msgspec.json.encode(_plain(column[first : first + BLOCK_ROWS]), order="deterministic")
        digest.update((b"," if first else b"") + piece[1:-1])
    digest.update(b"]")


NO_ROWS: Final = ListRows((), (), {}, {})


class _Content(msgspec.Struct, frozen=True):
    """Columns by name, each compressed by itself."""

    decided: dict[str, bytes]
    person: dict[str, bytes]
    payload: dict[str, bytes]
    erased: dict[int, str] = {}  # payload hashes of erased rows, by place in the block


def _packed(columns: Columns) -> dict[str, bytes]:
    return {name: zlib.compress(msgspec.msgpack.encode(column), _LEVEL) for name, column in columns.items()}


def _unpacked(parts: Mapping[str, bytes]) -> dict[str, list[Any]]:
    return {name: msgspec.msgpack.decode(zlib.decompress(part), type=list) for name, part in parts.items()}


def _objects(columns: Mapping[str, Sequence[Any]]) -> list[str]:
    """Canonical JSON of each row of columns; five times as fast as an encoder that meets each value by itself."""
    names = sorted(columns)
    form = ",".join(f"{json_text(name)}:".replace("%", "%%") + "%s" for name in names)
    rows = zip(*(_texts(columns[name]) for name in names), strict=True)
    return [f"{{{form % row}}}" for row in rows]


def _texts(column: Sequence[Any]) -> list[str]:
    """Canonical JSON of each value of a column, which holds texts or numbers, and None."""
    if any(isinstance(value, str) for value in column):
        return [json_text(value) for value in column]
    return canonical_json(column)[1:-1].split(",")


@dataclass(frozen=True)
class Block:
    """A block of a list; its columns are unpacked when they are read."""

    list_id: str
    number: int  # from 0
    first_row: int  # from 1
    n_rows: int
    facts: dict[str, Any]  # what all rows share
    content: bytes

    @classmethod
    def of(cls, list_id: str, number: int, rows: ListRows, facts: dict[str, Any]) -> Block:
        """A block of a list's rows, with a new salt for each of them."""
        first = number * BLOCK_ROWS
        part = rows.at(slice(first, first + BLOCK_ROWS))
        salts = [os.urandom(_SALT_BYTES) for _ in range(len(part))]
        person = dict(zip(_PERSON, (part.contact_id, part.customer_id, salts), strict=True))
        content = _Content(_packed(part.decided), _packed(person), _packed(part.payload))
        return cls(list_id, number, first + 1, len(part), facts, msgspec.msgpack.encode(content))

    @cached_property
    def _parts(self) -> _Content:
        return msgspec.msgpack.decode(self.content, type=_Content)

    @cached_property
    def decided(self) -> dict[str, list[Any]]:
        """What was decided about each row, (n_rows,) by name."""
        return _unpacked(self._parts.decided)

    @cached_property
    def person(self) -> dict[str, list[Any]]:
        """Contact, customer and salt of each row, (n_rows,); None in erased ones."""
        return _unpacked(self._parts.person)

    @cached_property
    def payload(self) -> dict[str, list[Any]]:
        """The customers' values, (n_rows,) by delivery name; None in erased rows."""
        return _unpacked(self._parts.payload)

    @property
    def erased(self) -> Collection[int]:
        """Places of the erased rows in the block, from 0."""
        return self._parts.erased.keys()

    @cached_property
    def facts_hash(self) -> str:
        """SHA-256, in hex, of the canonical JSON of the shared facts."""
        return hashlib.sha256(canonical_json(self.facts).encode("ascii")).hexdigest()

    def decided_in(self, name: str, place: int) -> Any:
        """One value of one row; unpacks nothing else."""
        return _unpacked({name: self._parts.decided[name]})[name][place]

    @cached_property
    def payload_hashes(self) -> list[str]:
        """The salted hash of each row's payload; of an erased row as it was."""
        persons = (self.person[name] for name in _PERSON)
        rows = zip(_objects(self.payload), *persons, strict=True)
        return [
            self._parts.erased.get(place) or payload_hash(salt.hex(), contact_id, payload, customer_id)
            for place, (payload, contact_id, customer_id, salt) in enumerate(rows)
        ]

    @cached_property
    def records(self) -> list[str]:
        """Canonical JSON of each row's record."""
        rows = range(self.first_row, self.first_row + self.n_rows)
        ids = [f"{self.list_id}.{row}" for row in rows]
        bound = {"id": ids, "payload_hash": self.payload_hashes, "facts_hash": [self.facts_hash] * self.n_rows}
        return _objects(self.decided | bound)

    @cached_property
    def leaves(self) -> list[bytes]:
        """Hash of each row's record."""
        return [merkle.leaf_hash(record.encode("ascii")) for record in self.records]

    @cached_property
    def root(self) -> str:
        """The Merkle root, in hex."""
        return merkle.root_of(self.leaves).hex()

    def hashed(self) -> Block:
        """The block with its root and without what it was hashed from, which takes 2 KB a row."""
        return self.holding(self.content)

    def holding(self, content: bytes) -> Block:
        """The block with its root, and with a content that is not unpacked yet."""
        light = replace(self, content=content)
        light.__dict__["root"] = self.root
        return light

    def without(self, places: Collection[int]) -> bytes:
        """The content once person, salt and payload of some rows are erased."""
        erased = self._parts.erased | {place: self.payload_hashes[place] for place in places}

        def emptied(columns: Mapping[str, Sequence[Any]]) -> dict[str, bytes]:
            kept = {n: [None if at in erased else v for at, v in enumerate(one)] for n, one in columns.items()}
            return _packed(kept)

        content = _Content(self._parts.decided, emptied(self.person), emptied(self.payload), erased)
        return msgspec.msgpack.encode(content)


class HashedBlocks:
    """The blocks of a list, hashed before a transaction keeps others waiting.

    Until they are stored, those of a long list lie in a temporary file without a name.
    """

    def __init__(self, list_id: str, rows: ListRows, facts: dict[str, Any]) -> None:
        self._file = SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 -- it lives as long as this object
        self._known: list[tuple[Block, int]] = []
        for number in range(-(-len(rows) // BLOCK_ROWS)):
            block = Block.of(list_id, number, rows, facts).hashed()
            self._known.append((block.holding(b""), self._file.write(block.content)))

    def __iter__(self) -> Iterator[Block]:
        self._file.seek(0)
        return (block.holding(self._file.read(size)) for block, size in self._known)
