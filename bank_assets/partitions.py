"""The only partition axis: the month of the contact date.

Daily partitions were measured: 926 of them x 3 assets cost 115 s of Dagster's own time in one run.
"""

import warnings
from collections.abc import Callable
from typing import Any, Final

import dagster as dg
import numpy as np

from bank_assets.contract.columns import EARLIEST

FIRST_MONTH: Final = EARLIEST.isoformat()  # a bank's history may begin in any later month

# end_offset=1: without it the current month exists only once it is over, and the nightly run works on it.
months = dg.MonthlyPartitionsDefinition(start_date=FIRST_MONTH, end_offset=1, fmt="%Y-%m-%d")


def monthly_asset(**options: Any) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """`dg.asset` with one partition per month; the whole history is one run over a range of partitions."""
    with warnings.catch_warnings():
        # Dagster calls `backfill_policy` beta in a line per asset; nothing else makes history a single run.
        warnings.simplefilter("ignore", dg.BetaWarning)
        return dg.asset(partitions_def=months, backfill_policy=dg.BackfillPolicy.single_run(), **options)


def month_of(partition_key: str) -> str:
    """Month `YYYY-MM` of a partition key `YYYY-MM-DD`."""
    return partition_key[:7]


def key_of(month: str) -> str:
    """Partition key of a month `YYYY-MM`."""
    return f"{month}-01"


def months_between(first: str, last: str) -> list[str]:
    """Months `YYYY-MM` from first to last, both included; empty if last is before first."""
    return [str(month) for month in np.arange(np.datetime64(first, "M"), np.datetime64(last, "M") + 1)]
