"""Two windows of synthetic contacts and the report that compares them."""

import numpy as np
import pytest

from bank_assets.core.drift.verdict import compare_profiles
from bank_assets_tests.world.profiles import profile_of_rows


def contacts(first_day, *, jobs=("student", "management"), age_shift=0, rate=0.1, n=600, seed=9):
    rng = np.random.default_rng(seed)
    columns = {
        "age": rng.integers(20, 60, n) + age_shift,
        "job": rng.choice(jobs, n),
        "pdays": np.where(rng.random(n) < 0.8, -1, rng.integers(1, 300, n)),
        "duration": rng.integers(0, 900, n),
        "day": rng.integers(1, 29, n),
        "y": np.where(rng.random(n) < rate, "yes", "no"),
    }
    return profile_of_rows(columns, np.datetime64(first_day) + rng.integers(0, 28, n))


@pytest.fixture(scope="session")
def reference():
    return contacts("2008-05-01")


@pytest.fixture(scope="session")
def current():
    return contacts("2009-05-01", jobs=("retired", "management"), age_shift=15, rate=0.5, seed=10)


@pytest.fixture(scope="session")
def report(reference, current):
    return compare_profiles(reference, current, reference_name="first <three> months")
