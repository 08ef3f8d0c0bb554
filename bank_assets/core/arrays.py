"""The types of arrays that the core's signatures name, rows of columns, and the one way from NaN to None.

What lives here: aliases, `rows_at`, `none_if_nan`. What must not: computation. Imported by every room above `contract`.
"""

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
    """The rows of a mask or index."""
    return {name: column[at] for name, column in rows.items()}


def none_if_nan(value: float | None) -> float | None:
    """The value as a Python float, or None where it is missing, NaN or infinite: JSON knows none of these."""
    return None if value is None or not math.isfinite(value) else float(value)
