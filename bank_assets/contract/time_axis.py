"""Which days belong to a time axis: a few contacts dated far from all others do not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from bank_assets.contract.contract import Contract


def usual_days(rows: Mapping[str, int], far_days: int, few: float) -> tuple[str, str]:
    """First and last of some days, or months, by their number of rows; a few rows far from the others do not count.

    The longest run of days without a gap of more than `far_days` is the one with most rows. What lies outside of it
    counts too, unless it is at most `few` rows and fewer than those inside.
    """
    names = sorted(rows)
    days: Any = np.asarray(names, "datetime64[D]")
    counts = np.array([rows[name] for name in names])
    starts = np.append(0, np.flatnonzero(np.diff(days) > np.timedelta64(far_days, "D")) + 1)
    sizes = np.add.reduceat(counts, starts)
    most = int(sizes.argmax())
    outside = counts.sum() - sizes[most]
    if outside > few or outside >= sizes[most]:
        return names[0], names[-1]
    ends = np.append(starts[1:], len(names)) - 1
    return names[starts[most]], names[ends[most]]


def far_months(contacts: Mapping[str, int], contract: Contract) -> frozenset[str]:
    """The months, of those with contacts, that hold a few contacts far from all others; given contacts by month."""
    filled = {month: count for month, count in contacts.items() if count}
    if not filled:
        return frozenset()
    first, last = usual_days(filled, contract.far_days, contract.few_contacts - 1)
    return frozenset(month for month in filled if not first <= month <= last)
