"""Profiles of rows held in memory, for tests of drift."""

import numpy as np

from bank_assets.contract.uci import UCI
from bank_assets.core.drift.daily_profiles import DailyProfiles
from bank_assets.core.drift.profile import NUMERIC, ColumnProfile, Profile


def profile_of_rows(columns, days=None):
    """Count rows into one profile, without a span where no days are given."""
    size = next((len(values) for values in columns.values()), 0)
    total = DailyProfiles.from_rows(
        np.zeros(size, dtype="datetime64[D]") if days is None else days, columns, UCI
    ).total()
    return Profile(total.columns, total.rows, UCI) if days is None else total


def column_of(kind, values):
    """The profile of one column from its values, one a contact."""
    distinct, counts = np.unique(np.asarray(values, np.float64 if kind == NUMERIC else np.str_), return_counts=True)
    return ColumnProfile(kind, distinct, counts)
