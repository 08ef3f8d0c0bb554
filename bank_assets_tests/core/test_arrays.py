"""Rows of a dataclass of arrays, intervals of draws, and what JSON cannot hold."""

import json
import math
from dataclasses import dataclass

import numpy as np
import pytest

from bank_assets.core.arrays import central_interval, effective_size, none_if_nan, records_at


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf, np.float64("nan")])
def test_what_is_no_number_is_none(value):
    assert none_if_nan(value) is None


def test_a_number_stays_and_is_python_s_own():
    assert none_if_nan(np.float32(0.5)) == 0.5
    assert json.dumps(none_if_nan(np.float32(0.5))) == "0.5"


@dataclass(frozen=True)
class Table:
    ids: np.ndarray
    frame: dict
    calls: np.ndarray | None
    name: str


def test_rows_of_a_table_are_those_of_its_arrays_and_frames():
    part = records_at(Table(np.arange(4), {"age": np.arange(4) * 10}, None, "all"), np.array([3, 1]))
    assert part.ids.tolist() == [3, 1]
    assert part.frame["age"].tolist() == [30, 10]
    assert (part.calls, part.name) == (None, "all")


@pytest.mark.parametrize(
    ("weights", "size"),
    [([], 0.0), ([1.0] * 7, 7.0), ([5.0] * 7, 7.0), ([1.0, 0.0], 1.0), ([20.0, 1.0, 1.0, 1.0], 1.3)],
)
def test_one_heavy_contact_tells_little_more_than_one(weights, size):
    assert effective_size(np.asarray(weights)) == pytest.approx(size, abs=0.02)


def test_the_central_interval_leaves_out_what_is_undefined():
    assert central_interval([0.0, 1.0, 2.0, math.nan], 0.5) == (0.5, 1.5)
