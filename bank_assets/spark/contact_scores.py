"""Features and scores of stored contacts where their files lie: tasks run the functions that the driver runs.

Sums of a day's list are exact and the graph scores a row alike in any batch, so both give the same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

import numpy as np
import pyarrow as pa
from pyspark.sql import SparkSession

from bank_assets.contract.contract import Contract
from bank_assets.core.arrays import FloatArray
from bank_assets.core.features.as_of import PlanSums
from bank_assets.core.features.feature_set import DayTable
from bank_assets.core.model.scorer import Scorer, apply_calibrator
from bank_assets.spark.profile import Units, read_in_executors, row_groups
from bank_assets.store.champion_history import ChampionHistory
from bank_assets.store.contact_months import days_of, frame_of

_SUMS: Final = "day date, count double, whole array<double>, fractions array<bigint>"
_SCORES: Final = "contact_id string, unshifted double"


def plan_sums(session: SparkSession, files: Sequence[str], contract: Contract) -> PlanSums:
    """Sums of the lists of the days in some files of contacts, at least one."""
    columns = ["contact_date", *sorted({contract.by_source[one.column].table for one in contract.list_statistics})]

    def of(units: Units) -> Iterator[pa.RecordBatch]:
        for batch in row_groups(units, columns, ()):
            rows = pa.table(batch)
            sums = PlanSums(contract)
            sums.add(frame_of(rows, contract), days_of(rows.column("contact_date")))
            days, counts, *lists = sums.parts
            arrays = [pa.array(days), pa.array(counts), *(pa.array(list(one)) for one in lists)]
            yield pa.RecordBatch.from_arrays(arrays, ["day", "count", "whole", "fractions"])

    found = read_in_executors(session, files, of, _SUMS).toArrow()
    width, every = len(contract.list_statistics), PlanSums(contract)
    lists = (found.column(name).combine_chunks().flatten().to_numpy() for name in ("whole", "fractions"))
    whole, fractions = (one.reshape(-1, width) for one in lists)
    every.add_parts(days_of(found.column("day")), found.column("count").to_numpy(), whole, fractions)
    return every


def unshifted_of(
    rows: pa.Table, days: DayTable, champions: ChampionHistory, scorer: Callable[[str], Scorer]
) -> FloatArray:
    """Calibrated probabilities of contacts by the champion of their day, before the day's intercept, (n,).

    `rows` has the payload columns and `contact_date`. NaN before the first champion.
    """
    dates = days_of(rows.column("contact_date"))
    versions, unshifted = champions.version_on(dates), np.full(len(dates), np.nan)
    features = days.features(frame_of(rows, days.contract), dates)
    for version in dict.fromkeys(champions.versions):
        mine = versions == version
        if mine.any():
            model = scorer(version)
            raw = model.raw_probability({name: column[mine] for name, column in features.items()})
            unshifted[mine] = apply_calibrator(raw, model.decision["calibrator"])
    return unshifted


def unshifted_of_files(
    session: SparkSession,
    files: Sequence[str],
    days: DayTable,
    champions: ChampionHistory,
    bundles: Mapping[str, Mapping[str, bytes]],
) -> pa.Table:
    """The same for files of contacts: `contact_id` and `unshifted`, in any order; `bundles` by version."""
    columns = ["contact_id", "contact_date", *(one.table for one in days.contract.payload)]

    def of(units: Units) -> Iterator[pa.RecordBatch]:
        scorers: dict[str, Scorer] = {}

        def opened(version: str) -> Scorer:
            if version not in scorers:
                scorers[version] = Scorer(bundles[version])
            return scorers[version]

        for batch in row_groups(units, columns, ()):
            scores = unshifted_of(pa.table(batch), days, champions, opened)
            yield pa.RecordBatch.from_arrays([batch.column(0), pa.array(scores)], ["contact_id", "unshifted"])

    return read_in_executors(session, files, of, _SCORES).toArrow()
