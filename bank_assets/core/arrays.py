"""Array types that the signatures of the core use, and small helpers over columns of rows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
DayArray = NDArray[np.datetime64]
Rows = Mapping[str, NDArray[Any]]
"""Columns of n rows by name, each (n,)."""


def rows_at(rows: Rows, at: Any) -> dict[str, NDArray[Any]]:
    """Select rows by mask or index."""
    return {name: column[at] for name, column in rows.items()}


def none_if_nan(value: float | None) -> float | None:
    """Return a Python float, or None where the value is missing, NaN or infinite, which JSON cannot hold."""
    return None if value is None or not math.isfinite(value) else float(value)
