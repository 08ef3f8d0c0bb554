"""What JSON does not know becomes None."""

import json
import math

import numpy as np
import pytest

from bank_assets.core.arrays import none_if_nan


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf, np.float64("nan")])
def test_what_is_no_number_is_none(value):
    assert none_if_nan(value) is None


def test_a_number_stays_and_is_python_s_own():
    assert none_if_nan(np.float32(0.5)) == 0.5
    assert json.dumps(none_if_nan(np.float32(0.5))) == "0.5"
