"""Array types that the signatures of the core use, helpers over columns of rows, and the check of stored documents."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
DayArray = NDArray[np.datetime64]
Rows = Mapping[str, NDArray[Any]]
"""Columns of n rows by name, each (n,)."""
TEXT: Final = np.dtypes.StringDType()
"""Text of any length: 16 bytes for up to 15 of them, where `np.str_` takes four a character and an object some 60."""
SLICE_ROWS: Final = 250_000  # rows that are Python objects at the same time
Table = TypeVar("Table")


def texts_of(values: Sequence[Any] | NDArray[Any]) -> NDArray[Any]:
    """Values as `TEXT`, (n,): empty where there is none."""
    if getattr(values, "dtype", None) == TEXT:
        return values  # type: ignore[return-value]
    texts = np.empty(len(values), TEXT)
    for first in range(0, len(values), SLICE_ROWS):
        part = values[first : first + SLICE_ROWS]
        texts[first : first + SLICE_ROWS] = ["" if one is None else str(one) for one in part]
    return texts


def mapped(column: NDArray[Any], of: Callable[[NDArray[Any]], NDArray[Any]]) -> NDArray[Any]:
    """A function of each value, (n,), computed and stored once where a view repeats one value."""
    return np.broadcast_to(of(column[:1])[0], len(column)) if column.strides == (0,) and len(column) else of(column)


def rows_at(rows: Rows, at: Any) -> dict[str, NDArray[Any]]:
    """Select rows by mask or index."""
    return {name: column[at] for name, column in rows.items()}


def records_at(table: Table, at: Any) -> Table:
    """Select rows of a dataclass by mask or index: of its arrays and its mappings of arrays; other fields stay."""
    values = {field.name: getattr(table, field.name) for field in fields(table)}  # type: ignore[arg-type]
    columns = {name: value[at] for name, value in values.items() if isinstance(value, np.ndarray)}
    frames = {name: rows_at(value, at) for name, value in values.items() if isinstance(value, Mapping)}
    return replace(table, **columns, **frames)  # type: ignore[type-var]


def records_joined(tables: Sequence[Table]) -> Table:
    """Join rows of dataclasses, at least one: their arrays and mappings of arrays; other fields are of the first."""
    if len(tables) == 1:
        return tables[0]
    columns: dict[str, Any] = {}
    for field in fields(tables[0]):  # type: ignore[arg-type]
        values = [getattr(table, field.name) for table in tables]
        if isinstance(values[0], np.ndarray):
            columns[field.name] = np.concatenate(values)
        elif isinstance(values[0], Mapping):
            columns[field.name] = {name: np.concatenate([one[name] for one in values]) for name in values[0]}
    return replace(tables[0], **columns)  # type: ignore[type-var]


def check_lengths(table: Any, name: str) -> None:
    """Refuse a dataclass of columns whose lengths differ, with a ValueError."""
    lengths = {field.name: len(getattr(table, field.name)) for field in fields(table)}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"{name}: expected columns of one length, found {lengths}; pass one row per contact.")


def check_rows(name: str, expected: str, column: NDArray[Any], is_wrong: BoolArray) -> None:
    """Refuse a column with wrong values: a ValueError names the first such row."""
    if is_wrong.any():
        row = int(np.flatnonzero(is_wrong)[0])
        raise ValueError(
            f"{name}: expected {expected}, found {column[row]} in row {row} ({int(is_wrong.sum())} such rows); "
            "correct or leave out these rows."
        )


def central_interval(drawn: Any, level: float) -> tuple[Any, Any]:
    """Return the percentiles of the draws (n_draws, ...) that enclose the central `level`, without NaN."""
    low, high = np.nanquantile(drawn, [(1.0 - level) / 2.0, (1.0 + level) / 2.0], axis=0)
    return low, high


def checked_version(
    document: Mapping[str, Any], version: int, name: str, remedy: str, error: type[ValueError] = ValueError
) -> dict[str, Any]:
    """Return a stored document without its `schema_version`; another version than the expected one is an error."""
    content = dict(document)
    found = content.pop("schema_version", None)
    if found != version:
        raise error(f"{name}: expected schema_version {version}, found {found!r}; {remedy}.")
    return content


def weights_or_ones(weights: FloatArray | None, n: int) -> FloatArray:
    """Return weights (n,); None stands for ones."""
    return np.ones(n) if weights is None else weights


def effective_weights(weights: FloatArray) -> FloatArray:
    """Scale weights so that they add up to their effective number, which is what they tell beside a prior."""
    return weights * (effective_size(weights) / max(float(weights.sum()), 1e-9))


def effective_size(weights: FloatArray, counts: NDArray[Any] | None = None) -> float:
    """Return how many equally weighted contacts tell as much as these, (sum w)^2 / sum w^2 (Kish 1965); 0 for none.

    Contacts that share a weight may be given once with their `counts`.
    """
    times = np.ones(len(weights)) if counts is None else counts
    squares = float((weights**2 * times).sum())
    return float((weights * times).sum()) ** 2 / squares if squares else 0.0


def effective_rarer(observed: BoolArray, weights: FloatArray, counts: FloatArray | None = None) -> float:
    """Return the effective number of contacts with the rarer of both outcomes."""
    times = weights_or_ones(counts, len(weights))
    return min(effective_size(weights[of], times[of]) for of in (observed, ~observed))


def none_if_nan(value: float | None) -> float | None:
    """Return a Python float, or None where the value is missing, NaN or infinite, which JSON cannot hold."""
    return None if value is None or not math.isfinite(value) else float(value)
