"""Batch scoring: a campaign file is read, scored and ranked in parts, each of which stays with its task.

Parts are divided by bytes. Three passes run over them, with files between them that every task can reach: the rows are
read and judged; they are scored, with the mix of each day, which needs all parts; and they get their decile, which
needs the order of the whole list. All tasks run the one scorer, and ONNX runs with one thread, so a row's score does
not depend on its part. The driver holds no row of the list, but 16 bytes for each: a hash of its id, and its place.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pyarrow.feather import read_table, write_feather

from bank_assets.contract.columns import ColumnKind
from bank_assets.contract.contract import Contract
from bank_assets.core.arrays import FloatArray, IntArray, Rows
from bank_assets.core.economics.call_plan import deciles
from bank_assets.core.economics.economics import COST_COLUMN, VALUE_COLUMN, Economics
from bank_assets.core.economics.suppression import CUSTOMER_ID, SuppressionList, persons_of
from bank_assets.core.features.as_of import AsOfState, PlanSums
from bank_assets.core.features.feature_set import current_features
from bank_assets.core.model.scorer import Scorer
from bank_assets.landing.register import Delivery
from bank_assets.spark.intake import ByteRange
from bank_assets.spark.list_intake import DAY, ID, LINE, ListReader, Refused, frame_of, is_first, refusals
from bank_assets.spark.month_files import COMPRESSION
from bank_assets.spark.ranking import SortedKeys, ranking_of
from bank_assets.spark.workers import Workers
from bank_assets.store.stored_columns import StoredColumn, compact

SCORED_SCHEMA: Final = pa.schema(
    [
        ("contact_id", pa.string()),
        ("contact_date", pa.date32()),
        ("probability", pa.float64()),
        ("probability_low", pa.float64()),
        ("probability_high", pa.float64()),
        ("decile", pa.int32()),
        ("expected_profit_eur", pa.float64()),
        (COST_COLUMN, pa.float64()),
        (VALUE_COLUMN, pa.float64()),
        ("decision", pa.string()),
        ("model_version", pa.string()),
    ]
)

Plans = tuple[Any, FloatArray]  # days, and the statistics of each day's list


@dataclass(frozen=True, slots=True)
class ReadPart:
    """The usable rows of a part in a file, and what was left out."""

    path: Path
    hashes: NDArray[np.uint64]  # of the ids, (n,)
    refused: Refused


@dataclass(frozen=True, slots=True)
class ReadList:
    """A campaign file that was read; `repeated` are rows of each part whose contact is named before."""

    parts: list[ReadPart]
    repeated: list[IntArray]
    rejected: tuple[str, ...]
    n_rejected: int
    mapped: dict[str, int]

    def __len__(self) -> int:
        """How many contacts can be scored."""
        return sum(len(part.hashes) - len(rows) for part, rows in zip(self.parts, self.repeated, strict=True))


def read_list(workers: Workers, delivery: Delivery, contract: Contract, folder: Path) -> ReadList:
    """Read and judge a campaign file; its usable rows stay in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = workers.run(partial(_read_part, delivery, contract, folder), workers.ranges(delivery))
    repeated, lines, refused, before = _repeated(parts), list[int](), Refused(), 0
    for part, rows in zip(parts, repeated, strict=True):
        if len(rows):
            lines += (pq.read_table(part.path, columns=[LINE])[LINE].to_numpy()[rows] + before).tolist()
        before += part.refused.lines
        refused.add(part.refused)
    return ReadList(parts, repeated, *refusals(delivery, contract, refused, lines), dict(refused.mapped))


def _read_part(delivery: Delivery, contract: Contract, folder: Path, of: ByteRange) -> ReadPart:
    path, refused, writer = folder / f"read-{uuid.uuid4().hex}.parquet", Refused(), None
    hashes = [np.empty(0, dtype=np.uint64)]
    try:
        for rows, of_block in ListReader(delivery, contract).read(of.first, of.last):
            if rows.num_rows:
                writer = writer or pq.ParquetWriter(path, rows.schema, compression="lz4", write_statistics=False)
                writer.write_table(rows, row_group_size=rows.num_rows)
                hashes.append(pd.util.hash_array(rows[ID].to_numpy(), categorize=False))
            refused.add(of_block)
    finally:
        if writer is not None:
            writer.close()
    return ReadPart(path, np.concatenate(hashes), refused)


def _repeated(parts: Sequence[ReadPart]) -> list[IntArray]:
    """Rows of each part whose contact is named before; ids of equal hashes are compared."""
    hashes = np.concatenate([one.hashes for one in parts])
    ordered = np.sort(hashes)
    suspected = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    if not len(suspected):
        return [np.empty(0, dtype=np.int64)] * len(parts)
    at = [np.flatnonzero(np.isin(one.hashes, suspected)) for one in parts]
    both = [(part, rows) for part, rows in zip(parts, at, strict=True) if len(rows)]
    ids = [pq.read_table(part.path, columns=[ID])[ID].take(pa.array(rows)) for part, rows in both]
    is_new = is_first(pa.chunked_array([chunk for one in ids for chunk in one.chunks]))
    of_parts = np.split(is_new, np.cumsum([len(rows) for rows in at])[:-1])
    return [rows[~new] for rows, new in zip(at, of_parts, strict=True)]


def _blocks_of(part: ReadPart, repeated: IntArray, columns: Sequence[str] | None = None) -> Any:
    """The rows of a part block by block, without those that are named before."""
    if not len(part.hashes):
        return
    texts = [one.name for one in pq.read_schema(part.path) if pa.types.is_dictionary(one.type)]
    file, before = pq.ParquetFile(part.path, read_dictionary=texts), 0
    for group in range(file.num_row_groups):
        rows = file.read_row_group(group, columns=columns)
        n_rows = rows.num_rows
        gone = repeated[(repeated >= before) & (repeated < before + n_rows)] - before
        before += n_rows
        if len(gone):
            is_kept = np.ones(n_rows, dtype=bool)
            is_kept[gone] = False
            rows = rows.filter(pa.array(is_kept))
        if rows.num_rows:
            yield rows


def plans_of(read: ReadList, contract: Contract) -> Plans:
    """The days of a list and the statistics of each, under the contract of a model."""
    sums = PlanSums(contract)
    columns = [DAY, *dict.fromkeys(one.column for one in contract.list_statistics)]
    for part, repeated in zip(read.parts, read.repeated, strict=True):
        for rows in _blocks_of(part, repeated, columns):
            sums.add(frame_of(rows), rows[DAY].to_numpy())
    return sums.statistics()


def payload_of(read: ReadList, contract: Contract, contact_ids: NDArray[Any], path: Path) -> dict[str, Any] | None:
    """What a file says of its contacts, as columns of a new file; None if they are others, or in another order.

    Values are as delivered, `customer_id` is None where nobody is named. `contact_ids` are `core.arrays.TEXT`, (n,).
    """
    integers = {column.source for column in contract.payload if column.kind is ColumnKind.INTEGER}
    writer, before = None, 0
    try:
        for part, repeated in zip(read.parts, read.repeated, strict=True):
            for rows in _blocks_of(part, repeated):
                ids = np.strings.strip(compact(rows[ID]))
                if not np.array_equal(ids, contact_ids[before : before + len(ids)]):
                    return None
                before += len(ids)
                values = rows.drop_columns([ID, DAY, LINE])
                values = pa.table({name: _as_delivered(name, values[name], integers) for name in values.column_names})
                writer = writer or pq.ParquetWriter(path, values.schema, compression="lz4", write_statistics=False)
                writer.write_table(values)
    finally:
        if writer is not None:
            writer.close()
    if writer is None or before != len(contact_ids):
        return None
    return {name: StoredColumn([path], name) for name in writer.schema.names}


def _as_delivered(name: str, column: pa.ChunkedArray, integers: Collection[str]) -> pa.ChunkedArray:
    if name in integers:
        return column.cast(pa.int64(), safe=False)
    if pa.types.is_dictionary(column.type):
        column = column.cast(pa.string())
    return pc.if_else(pc.equal(column, ""), None, column) if name == CUSTOMER_ID else column


@dataclass(frozen=True, slots=True)
class Scoring:
    """What every row of a list is scored with; `contract` is that of the model."""

    bundle: Mapping[str, bytes]
    version: str
    contract: Contract
    state: AsOfState
    economics: Economics
    suppression: SuppressionList

    def scored(self, rows: pa.Table, plans: Plans, scorer: Scorer) -> pa.Table:
        """Some usable rows of a list with their scores and without decile: `SCORED_SCHEMA`, and persons if named."""
        frame, days = frame_of(rows), rows[DAY].to_numpy()
        features = current_features(frame, days, self.state, self.contract, has_plan=True, known=plans)
        scores = scorer.score(features, log_odds_shift=self.state.log_odds_shift)
        proba, n = scores.probability, rows.num_rows
        ids = rows[ID].to_numpy(zero_copy_only=False)
        columns = {
            "contact_id": rows[ID],
            "contact_date": rows[DAY],
            "probability": proba,
            "probability_low": scores.low,
            "probability_high": scores.high,
            "expected_profit_eur": self.economics.expected_profit(proba, frame),
            COST_COLUMN: np.broadcast_to(self.economics.cost(frame), n),
            VALUE_COLUMN: np.broadcast_to(self.economics.value(frame), n),
            "decision": decisions_of(ids, proba, self.economics, frame, self.suppression),
            "model_version": pa.repeat(self.version, n),
        }
        schema = pa.schema([one for one in SCORED_SCHEMA if one.name in columns])
        scored = pa.table(columns, schema=schema)
        if CUSTOMER_ID not in frame:
            return scored
        return scored.append_column(CUSTOMER_ID, pa.array(persons_of(ids, frame), pa.string()))


@dataclass(frozen=True, slots=True)
class ScoredPart:
    """The scored rows of a part in a file, and their keys."""

    path: Path
    keys: SortedKeys


def score_campaign(
    workers: Workers, read: ReadList, scoring: Scoring, plans: Plans, scratch: Path, folder: Path
) -> list[Path]:
    """Score every usable row of a list: Parquet files in a folder, rows in the order of the list."""
    folder.mkdir(parents=True, exist_ok=True)
    both = [(part, rows) for part, rows in zip(read.parts, read.repeated, strict=True) if len(part.hashes) > len(rows)]
    parts = workers.run(partial(_score_part, scoring, plans, scratch), both)
    of_rows = deciles(ranking_of([one.keys for one in parts], workers)).astype(np.int8)
    ends = np.cumsum([one.keys.n_rows for one in parts])[:-1]
    return workers.run(partial(_with_deciles, folder), list(zip(parts, np.split(of_rows, ends), strict=True)))


def _score_part(scoring: Scoring, plans: Plans, folder: Path, of: tuple[ReadPart, IntArray]) -> ScoredPart:
    scorer, name = Scorer(scoring.bundle), uuid.uuid4().hex
    tables = [scoring.scored(rows, plans, scorer) for rows in _blocks_of(*of)]
    rows = pa.concat_tables(tables)
    write_feather(rows, path := folder / f"scored-{name}.arrow", compression="uncompressed")
    profit = rows["expected_profit_eur"].to_numpy()
    return ScoredPart(path, SortedKeys.write(folder / f"keys-{name}", profit, rows["contact_id"].combine_chunks()))


def _with_deciles(folder: Path, of: tuple[ScoredPart, NDArray[np.int8]]) -> Path:
    part, of_rows = of
    rows = read_table(part.path, memory_map=True)
    at = SCORED_SCHEMA.get_field_index("decile")
    rows = rows.add_column(at, SCORED_SCHEMA.field("decile"), pa.array(of_rows.astype(np.int32)))
    path = folder / f"{part.path.stem.replace('scored-', 'part-')}.parquet"
    pq.write_table(rows, path, compression=COMPRESSION)
    return path


def decisions_of(
    contact_ids: Sequence[object], proba: FloatArray, economics: Economics, rows: Rows, suppression: SuppressionList
) -> pa.Array:
    """`call` or `do_not_call` for each contact, (n,); nobody who objected is called, whatever a call would earn."""
    is_called = np.array(economics.decide(proba, rows))
    if suppression.customer_ids:
        persons = persons_of(contact_ids, rows)
        objecting = (
            row for row in np.flatnonzero(is_called).tolist() if suppression.covers(contact_ids[row], persons[row])
        )
        is_called[list(objecting)] = False
    return pc.if_else(pa.array(is_called), "call", "do_not_call")
