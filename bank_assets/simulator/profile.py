"""What the simulator knows of the real contacts: aggregates in one small committed JSON file, and no rows.

Every number stands for a count of at least five rows, or a table or quantiles of at least fifty. Smaller cells are
zero; smaller tables are replaced by their neighbours' (`scripts.fit_profile`).

In each month, columns are drawn from a chain of conditional tables (`LINKS`). Their odds ratios are common to all
months and their margins are the month's own; numbers are drawn within bins from common quantiles. The answer `y` has
additive log-odds, with an intercept that gives the month its real subscription rate.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bank_assets.contract.uci import UCI

PROFILE_PATH: Final = Path(__file__).with_name("profile.json")
SCHEMA_VERSION: Final = 1

AGE_EDGES: Final = (25, 30, 35, 40, 45, 50, 55, 60, 65, 75)  # first age of each bin after the youngest
AGE_RANGE: Final = (18, 95)
# First EUR of each bin after the lowest; 0 is a bin.
BALANCE_EDGES: Final = (-500, -100, 0, 1, 100, 250, 500, 1000, 1500, 2500, 4000, 8000)
PDAYS_EDGES: Final = (60, 100, 150, 200, 300, 400)
CAMPAIGN_BINS: Final = (*((k, k) for k in range(1, 11)), (11, 13), (14, 17), (18, 24), (25, 35), (36, 63))
# Contacts before this campaign of customers who had any.
PREVIOUS_BINS: Final = (*((k, k) for k in range(1, 7)), (7, 8), (9, 11), (12, 15), (16, 20), (21, 40))

# First months of the periods in which effects on the answer are constant.
EPOCHS: Final = ("2008-05", "2008-07", "2008-10", "2009-02", "2009-06", "2010-01")


@dataclass(frozen=True, slots=True)
class LinkShape:
    """One step of the chain: a column drawn given earlier ones; `age`, `balance` and `campaign` are drawn as bins."""

    column: str
    parents: tuple[str, ...]  # columns it depends on, in the order of the chain
    size: int


def _categories(column: str) -> int:
    return len(UCI.by_source[column].categories)


# Parents were chosen by mutual information given the month: education–job 0.30 nat, job–age 0.14, marital–age 0.12,
# marital–job 0.05, education–age 0.04, housing–age 0.03, balance–default 0.02, contact–age 0.01, poutcome–housing 0.01.
LINKS: Final = (
    LinkShape("age", (), len(AGE_EDGES) + 1),
    LinkShape("job", ("age",), _categories("job")),
    LinkShape("housing", ("age", "job"), 2),
    LinkShape("loan", ("job", "housing"), 2),
    LinkShape("default", ("loan",), 2),
    LinkShape("contact", ("age",), _categories("contact")),
    LinkShape("marital", ("age", "job"), _categories("marital")),
    LinkShape("education", ("age", "job"), _categories("education")),
    LinkShape("balance", ("age", "housing", "loan", "default"), len(BALANCE_EDGES) + 1),
    LinkShape("poutcome", ("age", "housing"), _categories("poutcome")),
    LinkShape("campaign", ("contact",), len(CAMPAIGN_BINS)),
)

SIZES: Final = {link.column: link.size for link in LINKS}
UNKNOWN: Final = UCI.by_source["poutcome"].categories.index("unknown")
SUCCESS: Final = UCI.by_source["poutcome"].categories.index("success")

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatorProfile:
    """Aggregates of the real contacts over the M months that have rows, in order."""

    source_sha256: str  # digest of the file the profile was fitted to
    months: tuple[str, ...]  # (M,) `YYYY-MM`
    rows: NDArray[np.int64]  # (M,) contacts
    rates: Floats  # (M,) subscription rate
    links: dict[str, Floats]  # column → (contexts, size) tables with the odds ratios common to all months
    margins: dict[str, Floats]  # column → (M, size) shares
    age_shares: Floats  # (age bins, widest bin) shares of the single years inside a bin
    balance_knots: Floats  # (balance bins, knots) EUR, quantiles inside a bin
    pdays_knots: Floats  # (M, 2, knots) days, quantiles of previous failures and others, and of successes
    previous_shares: Floats  # (3, bins) by previous outcome failure, other, success
    duration_knots: Floats  # (epochs, 2, knots) seconds by epoch and answer
    intercepts: Floats  # (M,) log-odds
    main_terms: dict[str, Floats]  # term → (size,) log-odds
    epoch_terms: dict[str, Floats]  # term → (epochs, size) log-odds added to the main term
    weekday_shares: tuple[Floats, ...]  # per month, share of each of its weekdays in order
    weekday_terms: tuple[Floats, ...]  # per month, log-odds of each of its weekdays


def epoch_of(month: str) -> int:
    """Number of the epoch of a month `YYYY-MM`."""
    return max(0, sum(month >= first for first in EPOCHS) - 1)


def load_profile(path: Path = PROFILE_PATH) -> SimulatorProfile:
    """Read a profile; raise `ValueError` if another release wrote it."""
    record = json.loads(path.read_bytes())
    version = record.pop("schema_version", None)
    if version != SCHEMA_VERSION:
        raise ValueError(
            f"{path.name}: expected schema_version {SCHEMA_VERSION}, found {version}; "
            f"fit it again with python -m scripts.fit_profile."
        )
    for name, value in record.items():
        if isinstance(value, dict):
            record[name] = {key: np.array(item, dtype=np.float64) for key, item in value.items()}
        elif name.startswith("weekday_"):
            record[name] = tuple(np.array(item, dtype=np.float64) for item in value)
        elif name == "months":
            record[name] = tuple(value)
        elif isinstance(value, list):
            record[name] = np.array(value, dtype=np.int64 if name == "rows" else np.float64)
    return SimulatorProfile(**record)
