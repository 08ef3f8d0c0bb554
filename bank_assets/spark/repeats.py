"""The last arrival of a contact wins: finds repeated rows of a month and rewrites the files without those replaced.

The first pass cannot know which rows are replaced later, so it keeps a hash of each row's key (eight bytes). These
nearly always show that nothing is repeated, and the month is done. Rows with equal hashes are compared exactly.
"""

import io
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from bank_assets.contract.column_rules import BoolArray
from bank_assets.spark.month_files import GROUP_ROWS, MonthFile, WrittenFile
from bank_assets.spark.tables import DELIVERY_ARRIVAL, OUTCOMES, Family
from bank_assets.store.places import Place, open_parquet

# What the first pass keeps of each row that names a contact.
KEY_RECORD: Final = np.dtype([("hash", np.uint64), ("is_usable", np.bool_), ("has_outcome", np.bool_)])

BUCKET_KEYS: Final = 2_000_000  # keys of a month that are compared at once; a larger month is divided by hash


@dataclass(frozen=True, slots=True)
class MonthPart:
    """What one task of the first pass wrote for one month."""

    keys: Place  # file of key records, one per row that names a contact, in the order of the rows
    files: dict[str, WrittenFile]  # the files of usable rows by table, in the same order


@dataclass(frozen=True, slots=True)
class Settled:
    """A month of one kind of deliveries, each contact once."""

    removed: list[WrittenFile] = field(default_factory=list)  # files of the first pass that no longer count
    written: list[WrittenFile] = field(default_factory=list)  # files that take their place
    superseded: int = 0  # usable rows that a later one replaced
    identical: int = 0  # superseded rows with the same content as the one that replaced them
    corrected: int = 0  # rejected rows that a later usable row of the same contact corrects
    most_rows_of_a_key: int = 0  # largest number of usable rows of one contact
    collapsed: Counter[int] = field(default_factory=Counter)  # by arrival, rows that another row of the file replaced


def settle_month(family: Family, parts: Sequence[MonthPart], folders: dict[str, Place]) -> Settled:
    """Keep the last row of every key of a month; parts come in the order of arrival."""
    keys = [_loaded(part.keys) for part in parts]
    replaced = [np.zeros(int(part["is_usable"].sum()), dtype=bool) for part in keys]
    superseded = identical = corrected = most = 0
    collapsed: Counter[int] = Counter()
    for hashes, is_usable, places in _buckets(keys):
        order = np.argsort(hashes, kind="stable")  # rows of a key stay in the order of arrival
        starts = np.flatnonzero(np.diff(hashes[order], prepend=~hashes[order][:1]))
        sizes = np.diff(starts, append=len(order))
        n_usable = np.add.reduceat(is_usable[order].astype(np.int64), starts)
        most = max(most, int(n_usable.max()))
        last_usable = np.maximum.reduceat(np.where(is_usable, np.arange(len(order)), -1)[order], starts)
        corrected += int((~is_usable[order] & (order < np.repeat(last_usable, sizes))).sum())
        again = np.sort(order[np.repeat(n_usable > 1, sizes) & is_usable[order]])
        if len(again):
            loses, same, within = _replaced(family, parts, keys, folders, places[again])
            collapsed.update(within)
            superseded, identical = superseded + len(loses), identical + same
            for part, row in loses:
                replaced[part][row] = True
    removed, written = [], []
    for part, records, gone in zip(parts, keys, replaced, strict=True):
        if gone.any():
            for table, file in part.files.items():
                is_main = table == family.table
                rows = gone if is_main else gone[records["has_outcome"][records["is_usable"]]]
                if rows.any():
                    removed.append(file)
                    written += _without(file, rows, folders[table])
    return Settled(removed, written, superseded, identical, corrected, most, collapsed)


def _loaded(keys: Place) -> NDArray[np.void]:
    if isinstance(keys, Path):
        return np.load(keys, mmap_mode="r")
    return np.load(io.BytesIO(keys.read_bytes()))


def _buckets(keys: Sequence[NDArray[np.void]]) -> Iterator[tuple[NDArray[np.uint64], BoolArray, NDArray[np.int64]]]:
    """The keys of a month in parts: hash, whether the row is usable, and (part, place among the usable rows)."""
    n_buckets = np.uint64(max(-(-sum(map(len, keys)) // BUCKET_KEYS), 1))
    for bucket in range(int(n_buckets)):
        hashes, usable, places = [], [], []
        for number, records in enumerate(keys):
            chosen = np.flatnonzero(records["hash"] % n_buckets == bucket)
            place = np.cumsum(records["is_usable"]) - 1
            hashes.append(records["hash"][chosen])
            usable.append(records["is_usable"][chosen])
            places.append(np.column_stack([np.full(len(chosen), number), place[chosen]]))
        if any(map(len, hashes)):
            yield np.concatenate(hashes), np.concatenate(usable), np.concatenate(places)


def _replaced(
    family: Family,
    parts: Sequence[MonthPart],
    keys: Sequence[NDArray[np.void]],
    folders: dict[str, Place],
    places: NDArray[np.int64],
) -> tuple[NDArray[np.int64], int, list[int]]:
    """Rows that a later one with the same key replaces, and how many of them have the same content as that one.

    The list has the arrival of each row that a different one of the same delivery replaces.
    """
    rows = pa.concat_tables(
        [
            _content(family, parts[number], keys[number], folders, places[places[:, 0] == number, 1])
            for number in np.unique(places[:, 0])
        ],
        promote_options="default",
    )
    arrivals = rows[DELIVERY_ARRIVAL].to_numpy()
    codes = {
        name: pc.dictionary_encode(rows[name], null_encoding="encode").combine_chunks().indices.to_numpy()
        for name in rows.column_names
        if name != DELIVERY_ARRIVAL
    }
    key = [codes[name] for name in family.key]
    loses, same = _losers(key, codes.values())
    within, same_within = _losers([*key, arrivals], codes.values())
    return places[loses], int(same.sum()), arrivals[within[~same_within]].tolist()


def _losers(
    key: Sequence[NDArray[np.int64]], content: Iterable[NDArray[np.int64]]
) -> tuple[NDArray[np.int64], BoolArray]:
    """Rows that are not the last of their key, and which of them have the same content as the last."""
    _, group = np.unique(np.column_stack(key), axis=0, return_inverse=True)
    group = group.reshape(-1)
    last = np.zeros(group.max() + 1, dtype=np.int64)
    last[group] = np.arange(len(group))  # of repeated assignments, the last one wins
    winner = last[group]
    loses = np.flatnonzero(winner != np.arange(len(group)))
    return loses, np.logical_and.reduce([code[loses] == code[winner[loses]] for code in content])


def _content(
    family: Family, part: MonthPart, keys: NDArray[np.void], folders: dict[str, Place], rows: NDArray[np.int64]
) -> pa.Table:
    """The content of some usable rows of a part, their outcomes included."""
    main = _read(part.files[family.table], folders).take(pa.array(rows))
    if family.table == OUTCOMES or OUTCOMES not in part.files:
        return main
    has_outcome = keys["has_outcome"][keys["is_usable"]]
    place = np.cumsum(has_outcome) - 1
    outcomes = _read(part.files[OUTCOMES], folders).select([column.table for column in family.outcome])
    index = pa.array(place[rows], mask=~has_outcome[rows])
    for name in outcomes.column_names:
        main = main.append_column(name, outcomes.column(name).take(index))
    return main


def _read(file: WrittenFile, folders: dict[str, Place]) -> pa.Table:
    return open_parquet(folders[file.table] / file.name).read()


def _without(file: WrittenFile, rows: BoolArray, folder: Place) -> list[WrittenFile]:
    """Rewrite a file without some rows; no file if none is left."""
    target, at = MonthFile(file.table, file.month, folder), 0
    try:
        for batch in open_parquet(folder / file.name).iter_batches(GROUP_ROWS):
            kept = ~rows[at : at + len(batch)]
            at += len(batch)
            if kept.any():
                target.add(pa.Table.from_batches([batch]).filter(pa.array(kept)))
                target.flush()
    finally:
        target.close()
    return [WrittenFile(file.table, file.month, target.name, target.rows)] if target.rows else []
