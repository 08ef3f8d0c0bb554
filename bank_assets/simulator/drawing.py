"""Draws the contacts of one month: columns, answer and ids, as frames in delivery columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from bank_assets.contract.uci import UCI
from bank_assets.simulator import profile as shape
from bank_assets.simulator.month_model import Codes, MonthModel
from bank_assets.simulator.profile import Floats

# Order is part of the seed: append only.
_STREAMS: Final = (
    "age", "job", "housing", "loan", "default", "contact", "marital", "education", "balance", "poutcome", "campaign",
    "age_value", "balance_value", "campaign_value", "previous", "previous_value", "pdays", "y", "duration",
)  # fmt: skip

_PDAYS_BINS: Final = np.searchsorted(shape.PDAYS_EDGES, np.arange(2_000), side="right")
_PREVIOUS_OF: Final = np.searchsorted([low for low, _ in shape.PREVIOUS_BINS], np.arange(2_000), side="right")


def streams_of(seed: int, year: int, month: int) -> dict[str, np.random.Generator]:
    """One stream of random numbers per column of a month; chunk borders do not change them."""
    return {
        name: np.random.Generator(np.random.SFC64(np.random.SeedSequence([seed, year, month, number])))
        for number, name in enumerate(_STREAMS)
    }


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

    def __init__(self, model: MonthModel, streams: dict[str, np.random.Generator], day_index: Codes) -> None:
        self._model, self._streams, self._rows = model, streams, len(day_index)
        self._day_index = day_index
        self._codes: dict[str, Codes] = {}

    def _uniform(self, name: str) -> NDArray[np.float32]:
        return self._streams[name].random(self._rows, dtype=np.float32)

    def _context(self, parents: tuple[str, ...]) -> Codes | int:
        context: Codes | int = 0
        for parent in parents:
            context = context * shape.SIZES[parent] + self._codes[parent]
        return context

    def draw(self) -> dict[str, Codes]:
        """All columns but id and date: numbers as numbers, categories as positions in the contract's order."""
        profile, codes = self._model.profile, self._codes
        for link in shape.LINKS:
            table = self._model.tables[link.column]
            codes[link.column] = table.draw(self._uniform(link.column), self._context(link.parents))
        first_age = np.array([shape.AGE_RANGE[0], *shape.AGE_EDGES])[codes["age"]]
        numbers = {
            "age": first_age + self._model.tables["age_value"].draw(self._uniform("age_value"), codes["age"]),
            "balance": _between_knots(profile.balance_knots, codes["balance"], self._uniform("balance_value")),
            "campaign": _inside(shape.CAMPAIGN_BINS, codes["campaign"], self._uniform("campaign_value")),
        }
        was_contacted = codes["poutcome"] != shape.UNKNOWN
        numbers["previous"] = self._previous(was_contacted)
        numbers["pdays"] = self._pdays(was_contacted)
        probability = 1 / (1 + np.exp(-self.log_odds(numbers, was_contacted)))
        answer = (self._uniform("y") < probability).astype(np.intp)
        knots = profile.duration_knots[self._model.epoch]
        numbers["duration"] = _between_knots(knots, answer, self._uniform("duration"))
        return codes | numbers | {"y": answer}

    def _previous(self, was_contacted: NDArray[np.bool_]) -> Codes:
        outcome = np.minimum(self._codes["poutcome"], shape.UNKNOWN - 1)
        bins = self._model.tables["previous"].draw(self._uniform("previous"), outcome)
        contacts = _inside(shape.PREVIOUS_BINS, bins, self._uniform("previous_value"))
        return np.where(was_contacted, contacts, 0)

    def _pdays(self, was_contacted: NDArray[np.bool_]) -> Codes:
        knots = self._model.profile.pdays_knots[self._model.index]
        is_success = (self._codes["poutcome"] == shape.SUCCESS).astype(np.intp)
        days = np.maximum(_between_knots(knots, is_success, self._uniform("pdays")), 1)
        return np.where(was_contacted, days, -1)

    def log_odds(self, numbers: dict[str, Codes], was_contacted: NDArray[np.bool_]) -> NDArray[np.float32]:
        """(rows,) log-odds of a subscription."""
        codes = self._codes | {"previous": _PREVIOUS_OF[numbers["previous"]]}
        group = 1 + codes["poutcome"] * (len(shape.PDAYS_EDGES) + 1) + _PDAYS_BINS[numbers["pdays"]]
        codes["pdays_group"] = np.where(was_contacted, group, 0)
        total = self._model.day_terms.astype(np.float32)[self._day_index]
        for name, values in self._model.terms.items():
            total += values[codes[name]]
        return total


def _ids(year: int, month: int, first: int, rows: int) -> pa.Array:
    """`sim-200805-00000001`, … as one Arrow array; formatting ids one by one would cost half the run time."""
    numbers = pc.utf8_lpad(pa.array(np.arange(first, first + rows)).cast(pa.string()), 8, "0")
    return pc.binary_join_element_wise(f"sim-{year:04d}{month:02d}-", numbers, "")


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
