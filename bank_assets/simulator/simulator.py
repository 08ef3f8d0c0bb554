"""Bank-shaped contacts of any number and period from the committed profile.

Every contact id begins with `sim-`. Each month and column has its own stream of random numbers, so a month does not
depend on the requested period or the chunk size.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from datetime import date
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv

from bank_assets.simulator.drawing import Chunk, contacts_frame, day_counts, streams_of
from bank_assets.simulator.month_model import MonthModel, profile_month
from bank_assets.simulator.profile import SimulatorProfile, load_profile

# A chunk's columns fit the processor's cache; chunks of 1 M rows run at two thirds of the speed.
CHUNK_ROWS: Final = 65_536


def month_rows(profile: SimulatorProfile, month: str, scale: float) -> int:
    """Contacts of a month at a scale; the months of the profile's period add up to the rounded total."""
    index = profile_month(profile, month)
    if index is None:
        return 0
    if month not in profile.months:
        return round(int(profile.rows[index]) * scale)
    before = int(profile.rows[:index].sum())
    return round((before + int(profile.rows[index])) * scale) - round(before * scale)


def scale_for_rows(profile: SimulatorProfile, rows: int) -> float:
    """The scale at which the profile's whole period has so many contacts."""
    return rows / int(profile.rows.sum())


def simulate_month(
    profile: SimulatorProfile,
    month: str,
    *,
    scale: float = 1.0,
    seed: int,
) -> Iterator[pd.DataFrame]:
    """One month of contacts ordered by date, in chunks of at most `CHUNK_ROWS`, whose size does not change the rows.

    Frames have delivery columns: ids as Arrow strings, `datetime64[s]` dates, int32 numbers, categories. A month
    outside the profile's period resembles the nearest month of the same name.
    """
    index, rows = profile_month(profile, month), month_rows(profile, month, scale)
    if index is None or not rows:
        return
    year, number = map(int, month.split("-"))
    streams, model = streams_of(seed, year, number), MonthModel(profile, index, year, number)
    day_of_row = np.cumsum(day_counts(model.day_shares, rows))
    for first in range(0, rows, CHUNK_ROWS):
        day_index = np.searchsorted(day_of_row, np.arange(first, min(first + CHUNK_ROWS, rows)), side="right")
        yield contacts_frame(Chunk(model, streams, day_index).draw(), model, day_index, first + 1)


def simulate_chunks(
    profile: SimulatorProfile,
    start: date | None = None,
    end: date | None = None,
    *,
    scale: float = 1.0,
    seed: int,
) -> Iterator[pd.DataFrame]:
    """Contacts from `start` to `end`, both included, in chunks; None takes the profile's first or last day."""
    first = f"{start:%Y-%m}" if start else profile.months[0]
    last = f"{end:%Y-%m}" if end else profile.months[-1]
    for month in pd.period_range(first, last, freq="M").astype(str):
        for chunk in simulate_month(profile, month, scale=scale, seed=seed):
            days = chunk["contact_date"]
            inside = chunk
            if start and f"{start:%Y-%m}" == month:
                inside = chunk[days >= pd.Timestamp(start)]
            if end and f"{end:%Y-%m}" == month:
                inside = inside[inside["contact_date"] <= pd.Timestamp(end)]
            if len(inside):
                yield inside


def simulate(
    start: date | None = None,
    end: date | None = None,
    *,
    rows: int | None = None,
    scale: float = 1.0,
    seed: int,
    profile: SimulatorProfile | None = None,
) -> pd.DataFrame:
    """Contacts of a period as one frame, ordered by date.

    `rows` is the size of the whole history 2008-05 … 2010-11 whose volumes are wanted; it replaces `scale`.
    """
    profile = profile or load_profile()
    scale = scale_for_rows(profile, rows) if rows is not None else scale
    chunks = list(simulate_chunks(profile, start, end, scale=scale, seed=seed))
    if not chunks:
        raise ValueError(
            f"simulate: expected a period with contacts, found none from {start} to {end} at scale "
            f"{scale:g}; widen the period or raise the scale."
        )
    return pd.concat(chunks, ignore_index=True, copy=False)


def csv_header(columns: Iterable[str]) -> bytes:
    """The header line in the format of the UCI file, without line end."""
    return ";".join(f'"{column}"' for column in columns).encode()


def csv_of(chunk: pd.DataFrame) -> bytes:
    """A chunk's rows without a header: `;` between fields, text in double quotes."""
    table = pa.Table.from_pandas(chunk, preserve_index=False)
    for index, field in enumerate(table.schema):
        column = table.column(index)
        if pa.types.is_dictionary(field.type):
            table = table.set_column(index, field.name, column.cast(field.type.value_type))
        elif pa.types.is_timestamp(field.type):
            table = table.set_column(index, field.name, column.cast(pa.date32()))
    stream = io.BytesIO()
    pa.csv.write_csv(table, stream, pa.csv.WriteOptions(include_header=False, delimiter=";", quoting_style="needed"))
    return stream.getvalue()
