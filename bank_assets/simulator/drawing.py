"""Draws the contacts of one month: columns, answer and ids, as frames in delivery columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from bank_assets.contract.uci import UCI
from bank_assets.simulator import profile as shape
from bank_assets.simulator.month_model import MonthModel
from bank_assets.simulator.profile import Floats, SimulatorProfile

_ID_DIGITS: Final = 8
_STREAMS: Final = (
    "age", "job", "housing", "loan", "default", "contact", "marital", "education", "balance", "poutcome", "campaign",
    "age_value", "balance_value", "campaign_value", "previous", "previous_value", "pdays", "y", "duration",
)  # fmt: skip
"""Order is part of the seed: append only."""

Codes = NDArray[np.intp]
_PDAYS_BINS: Final = np.searchsorted(shape.PDAYS_EDGES, np.arange(2_000), side="right")
_CAMPAIGN_OF: Final = np.searchsorted([low for low, _ in shape.CAMPAIGN_BINS], np.arange(2_000), side="right") - 1
_PREVIOUS_OF: Final = np.searchsorted([low for low, _ in shape.PREVIOUS_BINS], np.arange(2_000), side="right")


class Streams:
    """One stream of uniform numbers per column of a month."""

    def __init__(self, seed: int, year: int, month: int) -> None:
        self._generators = {
            name: np.random.Generator(np.random.SFC64(np.random.SeedSequence([seed, year, month, number])))
            for number, name in enumerate(_STREAMS)
        }

    def uniform(self, name: str, rows: int) -> NDArray[np.float32]:
        """The next (rows,) numbers in [0, 1) of a column; chunk borders do not change them."""
        return self._generators[name].random(rows, dtype=np.float32)


def _inside(bins: Sequence[tuple[int, int]], codes: Codes, uniform: NDArray[np.float32]) -> Codes:
    """A whole number inside each row's bin."""
    low = np.array([pair[0] for pair in bins])
    width = np.array([pair[1] - pair[0] + 1 for pair in bins], dtype=np.float32)
    return low[codes] + (uniform * width[codes]).astype(np.intp)


def _between_knots(knots: Floats, codes: Codes, uniform: NDArray[np.float32]) -> Codes:
    """Interpolate each row's quantiles linearly to a whole number; `knots` is (contexts, knots)."""
    steps = knots.shape[1] - 1
    position = uniform * np.float32(steps)
    step = np.minimum(position.astype(np.intp), steps - 1)
    low, rise = knots[:, :-1].astype(np.float32).ravel(), np.diff(knots, axis=1).astype(np.float32).ravel()
    cell = step + codes * steps
    values: Codes = np.floor(low[cell] + rise[cell] * (position - step)).astype(np.intp)
    return values


class Chunk:
    """Draws one chunk of rows, column by column in the order of `LINKS`."""

    def __init__(self, model: MonthModel, streams: Streams, day_index: Codes) -> None:
        self._model, self._streams, self._rows = model, streams, len(day_index)
        self._day_index = day_index
        self._codes: dict[str, Codes] = {}

    def _uniform(self, name: str) -> NDArray[np.float32]:
        return self._streams.uniform(name, self._rows)

    def _context(self, parents: tuple[str, ...]) -> Codes | int:
        context: Codes | int = 0
        for parent in parents:
            context = context * shape.SIZES[parent] + self._codes[parent]
        return context

    def _drifted(self, column: str, values: Codes, only: NDArray[np.bool_] | None = None) -> Codes:
        bounds = UCI.by_source[column]
        for drift in self._model.numeric_drifts(column):
            low = 0 if only is not None else bounds.minimum  # -1 and 0 are reserved for "never contacted"
            moved = np.clip(np.rint(values * drift.scale + drift.shift), low, bounds.maximum).astype(np.intp)
            values = moved if only is None else np.where(only, moved, values)
        return values

    def draw(self) -> dict[str, Codes]:
        """All columns but id and date: numbers as numbers, categories as positions in the contract's order."""
        profile, codes = self._model.profile, self._codes
        for link in shape.LINKS:
            table = self._model.tables[link.column]
            codes[link.column] = table.draw(self._uniform(link.column), self._context(link.parents))
        numbers = {
            "age": self._ages(codes["age"]),
            "balance": _between_knots(profile.balance_knots, codes["balance"], self._uniform("balance_value")),
            "campaign": _inside(shape.CAMPAIGN_BINS, codes["campaign"], self._uniform("campaign_value")),
        }
        was_contacted = codes["poutcome"] != shape.UNKNOWN
        numbers["previous"] = self._previous(was_contacted)
        numbers["pdays"] = self._pdays(was_contacted)
        for column in numbers:
            only = was_contacted if column in {"previous", "pdays"} else None
            numbers[column] = self._drifted(column, numbers[column], only)
        answer = self._answers(numbers, was_contacted)
        epoch = self._model.epoch
        duration = _between_knots(profile.duration_knots[epoch], answer, self._uniform("duration"))
        numbers["duration"] = self._drifted("duration", duration)
        return codes | numbers | {"y": answer}

    def _ages(self, bins: Codes) -> Codes:
        first = np.array([shape.AGE_RANGE[0], *shape.AGE_EDGES])
        return first[bins] + self._model.age_table.draw(self._uniform("age_value"), bins)

    def _previous(self, was_contacted: NDArray[np.bool_]) -> Codes:
        outcome = np.minimum(self._codes["poutcome"], shape.UNKNOWN - 1)
        bins = self._model.previous_table.draw(self._uniform("previous"), outcome)
        contacts = _inside(shape.PREVIOUS_BINS, bins, self._uniform("previous_value"))
        return np.where(was_contacted, contacts, 0)

    def _pdays(self, was_contacted: NDArray[np.bool_]) -> Codes:
        knots = self._model.profile.pdays_knots[self._model.index]
        is_success = (self._codes["poutcome"] == shape.SUCCESS).astype(np.intp)
        days = np.maximum(_between_knots(knots, is_success, self._uniform("pdays")), 1)
        return np.where(was_contacted, days, -1)

    def _answers(self, numbers: dict[str, Codes], was_contacted: NDArray[np.bool_]) -> Codes:
        factor = np.float32(self._model.rate_factor)
        probability = 1 / (1 + np.exp(-self.log_odds(numbers, was_contacted)))
        return (self._uniform("y") < probability * factor).astype(np.intp)

    def log_odds(self, numbers: dict[str, Codes], was_contacted: NDArray[np.bool_]) -> NDArray[np.float32]:
        """(rows,) log-odds of a subscription, from the values after drift."""
        codes, terms = dict(self._codes), self._model.terms
        if self._model.numeric_drifts("age"):
            codes["age"] = np.searchsorted(shape.AGE_EDGES, numbers["age"], side="right")
        if self._model.numeric_drifts("balance"):
            codes["balance"] = np.searchsorted(shape.BALANCE_EDGES, numbers["balance"], side="right")
        codes["campaign"] = _CAMPAIGN_OF[np.minimum(numbers["campaign"], len(_CAMPAIGN_OF) - 1)]
        codes["previous"] = _PREVIOUS_OF[np.minimum(numbers["previous"], len(_PREVIOUS_OF) - 1)]
        bins = _PDAYS_BINS[np.clip(numbers["pdays"], 0, len(_PDAYS_BINS) - 1)]
        group = 1 + codes["poutcome"] * (len(shape.PDAYS_EDGES) + 1) + bins
        codes["pdays_group"] = np.where(was_contacted, group, 0)
        total = self._model.day_terms.astype(np.float32)[self._day_index]
        for name, values in terms.items():
            total += values[codes[name]]
        return total


def _ids(year: int, month: int, first: int, rows: int) -> pa.Array:
    """`sim-200805-00000001`, … as one Arrow array; formatting ids one by one would cost half the run time."""
    prefix = f"sim-{year:04d}{month:02d}-".encode()
    width = len(prefix) + _ID_DIGITS
    text = np.empty((rows, width), dtype=np.uint8)
    text[:, : len(prefix)] = np.frombuffer(prefix, dtype=np.uint8)
    number = np.arange(first, first + rows, dtype=np.uint32)
    for position in range(width - 1, len(prefix) - 1, -1):
        rest = number // 10
        text[:, position] = number - rest * 10 + ord("0")
        number = rest
    offsets = np.arange(0, (rows + 1) * width, width, dtype=np.int32)
    return pa.StringArray.from_buffers(rows, pa.py_buffer(offsets), pa.py_buffer(text))


def contacts_frame(columns: dict[str, Codes], model: MonthModel, day_index: Codes, first: int) -> pd.DataFrame:
    """A chunk in delivery columns."""
    days = np.array(model.weekdays, dtype="datetime64[s]")
    calendar_days = np.array([day.day for day in model.weekdays], dtype=np.int32)
    ids = _ids(model.year, model.month, first, len(day_index))
    data: dict[str, object] = {
        "contact_id": pd.arrays.ArrowExtensionArray(ids),
        "contact_date": days[day_index],
        "day": calendar_days[day_index],
        "month": np.full(len(day_index), model.month - 1, dtype=np.int8),
    }
    data |= columns
    for name in UCI.delivery_columns[2:]:
        categories, default = UCI.by_source[name].categories, UCI.by_source[name].default
        if name not in data:  # a column younger than the profile that the simulator draws from
            data[name] = np.full(len(day_index), categories.index(str(default)) if categories else default)
        values = data[name]
        assert isinstance(values, np.ndarray)
        if categories:
            dtype = pd.CategoricalDtype(list(categories))
            # The codes are valid by construction, and checking them costs a tenth of the run time. The type stubs
            # lack `validate` and arrays of codes.
            data[name] = pd.Categorical.from_codes(  # type: ignore[call-arg]
                values.astype(np.int8),  # type: ignore[arg-type]
                dtype=dtype,
                validate=False,
            )
        else:
            data[name] = values.astype(np.int32)
    return pd.DataFrame({name: data[name] for name in UCI.delivery_columns}, copy=False)


def day_counts(shares: Floats, rows: int) -> NDArray[np.int64]:
    """Whole numbers with sum `rows`, as near to the shares as possible."""
    edges = np.rint(np.concatenate([[0.0], np.cumsum(shares)]) * rows).astype(np.int64)
    counts: NDArray[np.int64] = np.diff(edges)
    return counts


def simulated_log_odds(profile: SimulatorProfile, month: str, rows: int, seed: int) -> Floats:
    """(rows,) log-odds of a subscription in a month of the profile, used to fit its intercept."""
    year, number = map(int, month.split("-"))
    model = MonthModel(profile, profile.months.index(month), year, number)
    day_index = np.repeat(np.arange(len(model.weekdays)), day_counts(model.day_shares, rows))
    chunk = Chunk(model, Streams(seed, year, number), day_index)
    numbers = chunk.draw()
    return chunk.log_odds(numbers, numbers["poutcome"] != shape.UNKNOWN).astype(np.float64)
