"""Bank-shaped contacts of any number and period from the committed profile, with scripted drift.

Every contact id begins with `sim-`. Each month and column has its own stream of random numbers, so a month does not
depend on the requested period, the chunk size or the drift of other columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bank_assets.simulator.drawing import Chunk, Streams, contacts_frame, day_counts
from bank_assets.simulator.drift import Drift
from bank_assets.simulator.month_model import MonthModel, month_range, profile_month
from bank_assets.simulator.profile import SimulatorProfile, load_profile

CHUNK_ROWS: Final = 65_536
"""A chunk's columns fit the processor's cache; chunks of 1 M rows run at two thirds of the speed."""


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


def _segments(
    model_days: list[date], counts: NDArray[np.int64], drifts: Sequence[Drift], chunk_rows: int
) -> Iterator[tuple[int, int, tuple[Drift, ...]]]:
    """Row ranges of at most one chunk within which the same drifts hold."""
    starts = np.concatenate([[0], np.cumsum(counts)])
    active = [tuple(drift for drift in drifts if drift.is_active(day)) for day in model_days]
    first = 0
    for index in range(1, len(model_days) + 1):
        if index == len(model_days) or active[index] != active[first]:
            low, high = int(starts[first]), int(starts[index])
            for row in range(low, high, chunk_rows):
                yield row, min(row + chunk_rows, high), active[first]
            first = index


def simulate_month(
    profile: SimulatorProfile,
    month: str,
    *,
    scale: float = 1.0,
    seed: int,
    drifts: Sequence[Drift] = (),
    chunk_rows: int = CHUNK_ROWS,
) -> Iterator[pd.DataFrame]:
    """One month of contacts ordered by date, in chunks of at most `chunk_rows`, which does not change the rows.

    Frames have delivery columns: ids as Arrow strings, `datetime64[s]` dates, int32 numbers, categories. A month
    outside the profile's period resembles the nearest month of the same name.
    """
    index, rows = profile_month(profile, month), month_rows(profile, month, scale)
    if index is None or not rows:
        return
    year, number = map(int, month.split("-"))
    streams = Streams(seed, year, number)
    models: dict[tuple[int, ...], MonthModel] = {}
    plain = MonthModel(profile, index, year, number)
    counts = day_counts(plain.day_shares, rows)
    day_of_row = np.cumsum(counts)
    for first, end, active in _segments(plain.weekdays, counts, drifts, chunk_rows):
        key = tuple(id(drift) for drift in active)
        model = models.setdefault(key, MonthModel(profile, index, year, number, active))
        day_index = np.searchsorted(day_of_row, np.arange(first, end), side="right")
        yield contacts_frame(Chunk(model, streams, day_index).draw(), model, day_index, first + 1)


def simulate_chunks(
    profile: SimulatorProfile,
    start: date | None = None,
    end: date | None = None,
    *,
    scale: float = 1.0,
    seed: int,
    drifts: Sequence[Drift] = (),
) -> Iterator[pd.DataFrame]:
    """Contacts from `start` to `end`, both included, in chunks; None takes the profile's first or last day."""
    first = f"{start:%Y-%m}" if start else profile.months[0]
    last = f"{end:%Y-%m}" if end else profile.months[-1]
    for month in month_range(first, last):
        for chunk in simulate_month(profile, month, scale=scale, seed=seed, drifts=drifts):
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
    drifts: Sequence[Drift] = (),
    profile: SimulatorProfile | None = None,
) -> pd.DataFrame:
    """Contacts of a period as one frame, ordered by date.

    `rows` is the size of the whole history 2008-05 … 2010-11 whose volumes are wanted; it replaces `scale`.
    """
    profile = profile or load_profile()
    scale = scale_for_rows(profile, rows) if rows is not None else scale
    chunks = list(simulate_chunks(profile, start, end, scale=scale, seed=seed, drifts=drifts))
    if not chunks:
        raise ValueError(
            f"simulate: expected a period with contacts, found none from {start} to {end} at scale "
            f"{scale:g}; widen the period or raise the scale."
        )
    return pd.concat(chunks, ignore_index=True, copy=False)
