"""Fits the simulator's profile to the UCI file: `python -m scripts.fit_profile --source PATH`.

Run it when bins or links change; a test refits the profile and compares. A count under `MINIMUM_CELL_ROWS` becomes 0; a
table, rate or set of quantiles of fewer than `MINIMUM_TABLE_ROWS` rows is replaced by that of the nearest months that
together have enough.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
from dataclasses import fields, replace
from datetime import date
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bank_assets.contract.uci import UCI
from bank_assets.simulator import profile as shape
from bank_assets.simulator.month_model import rake, weekdays_of
from bank_assets.simulator.profile import PROFILE_PATH, SCHEMA_VERSION, Floats, SimulatorProfile
from bank_assets.sources.uci import is_pinned
from bank_assets.sources.undated import implied_dates
from bank_assets.store.atomic_files import write_atomic
from scripts.fit_answer import MINIMUM_TABLE_ROWS, fit_answer

_LOG: Final = logging.getLogger(__name__)
MINIMUM_CELL_ROWS: Final = 5
_PRIOR_ROWS: Final = 20.0
"""Weight of the wider table in rows when a context has few of its own."""
_LINK_ROUNDS: Final = 15
_KNOTS: Final = np.linspace(0.01, 0.99, 17)
_VALUE_KNOTS: Final = np.linspace(0.02, 0.98, 9)


def read_contacts(path: Path) -> pd.DataFrame:
    """The file in codes: categories as positions in the contract, bins, month number, working day of the month.

    Args:
        path: the pinned UCI file.

    Returns:
        One row per contact.

    Raises:
        SystemExit: the file is not the pinned one.
    """
    if not is_pinned(path):
        raise SystemExit(
            f"{path}: expected the UCI file bank-full.csv (by sha256), found another file; the committed "
            f"profile must say truthfully what it was fitted to."
        )
    raw = pd.read_csv(path, sep=";")
    day = pd.to_datetime(pd.Series(implied_dates(UCI, raw)))
    frame = raw[["age", "balance", "duration", "campaign", "pdays", "previous"]].copy()
    frame.columns = pd.Index([f"{column}_value" for column in frame.columns])
    for column in ("job", "marital", "education", "default", "housing", "loan", "contact", "poutcome", "y"):
        frame[column] = pd.Categorical(raw[column], categories=list(UCI.by_source[column].categories)).codes.astype(int)
    # five rows have an earlier contact but no outcome: for the simulator they count as never contacted
    was_contacted = frame["poutcome"] != shape.UNKNOWN
    frame["age"] = np.searchsorted(shape.AGE_EDGES, raw["age"], side="right")
    frame["balance"] = np.searchsorted(shape.BALANCE_EDGES, raw["balance"], side="right")
    frame["campaign"] = np.searchsorted([low for low, _ in shape.CAMPAIGN_BINS], raw["campaign"], side="right") - 1
    previous = np.searchsorted([low for low, _ in shape.PREVIOUS_BINS], raw["previous"], side="right")
    frame["previous"] = np.where(was_contacted, previous, 0)
    bins = np.searchsorted(shape.PDAYS_EDGES, raw["pdays"], side="right")
    group = 1 + frame["poutcome"] * (len(shape.PDAYS_EDGES) + 1) + bins
    frame["pdays_group"] = np.where(was_contacted, group, 0)
    keys = day.dt.strftime("%Y-%m")
    frame["month"] = pd.Categorical(keys).codes.astype(int)
    frame["epoch"] = keys.map({key: shape.epoch_of(key) for key in keys.unique()})
    frame["weekday"] = [_weekday_position(item) for item in day.dt.date]
    frame.attrs["months"] = tuple(sorted(keys.unique()))
    return frame


def _weekday_position(day: date) -> int:
    """Position among the month's working days; the 0.11 % on weekends count for the one before (or the first)."""
    return max(0, sum(other <= day for other in weekdays_of(day.year, day.month)) - 1)


def suppressed(counts: NDArray[np.int64]) -> Floats:
    """Counts with cells under the minimum set to zero."""
    return np.where(counts < MINIMUM_CELL_ROWS, 0, counts).astype(np.float64)


def _pooled(counts: NDArray[np.int64], month: int, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """A month's counts, widened by its nearest months until there are enough rows; axis 0 is the month."""
    for reach in range(len(rows)):
        window = slice(max(0, month - reach), month + reach + 1)
        if rows[window].sum() >= MINIMUM_TABLE_ROWS:
            break
    pooled: NDArray[np.int64] = counts[window].sum(axis=0)
    return pooled


def _margins(counts: NDArray[np.int64]) -> Floats:
    """(months, size) shares; counts is (months, size)."""
    rows = counts.sum(axis=1)
    tables = np.array([suppressed(_pooled(counts, month, rows)) for month in range(len(rows))])
    margins: Floats = tables / tables.sum(axis=1, keepdims=True)
    return margins


def _links(counts: NDArray[np.int64], margins: Floats) -> Floats:
    """Odds ratios common to all months: a log-linear model without the three-way effect.

    Args:
        counts: (months, contexts, size).
        margins: (months, size), each month's own shares.

    Returns:
        (contexts, size), rows sum to 1. Taken from the pooled table alone, a link would mix in what merely changed
        together over time (housing loans and previous contacts, for one).
    """
    overall = suppressed(counts.sum(axis=(0, 1)))
    prior = _PRIOR_ROWS * overall / overall.sum()
    observed = suppressed(counts.sum(axis=0)) + prior
    by_context = counts.sum(axis=2)
    months = counts.sum(axis=(1, 2))
    links: Floats = observed / observed.sum(axis=1, keepdims=True)
    for _ in range(_LINK_ROUNDS):
        expected = np.zeros_like(links)
        for month, rows in enumerate(months):
            expected += by_context[month][:, None] * rake(links, by_context[month] / rows, margins[month])
        links *= observed / (expected + prior)
        links /= links.sum(axis=1, keepdims=True)
    return links


def _chain(frame: pd.DataFrame) -> tuple[dict[str, Floats], dict[str, Floats]]:
    months = len(frame.attrs["months"])
    links, margins = {}, {}
    for link in shape.LINKS:
        context = np.zeros(len(frame), dtype=np.int64)
        contexts = 1
        for parent in link.parents:
            context = context * shape.SIZES[parent] + frame[parent].to_numpy()
            contexts *= shape.SIZES[parent]
        cell = (frame["month"].to_numpy() * contexts + context) * link.size + frame[link.column].to_numpy()
        counts = np.bincount(cell, minlength=months * contexts * link.size).reshape(months, contexts, link.size)
        margins[link.column] = _margins(counts.sum(axis=1))
        links[link.column] = _links(counts, margins[link.column])
    return links, margins


def _age_shares(frame: pd.DataFrame) -> Floats:
    """(bins, widest bin); single years under the minimum share their rows evenly."""
    first = [shape.AGE_RANGE[0], *shape.AGE_EDGES]
    end = [*shape.AGE_EDGES, shape.AGE_RANGE[1] + 1]
    shares = np.zeros((len(first), max(b - a for a, b in zip(first, end, strict=True))))
    years = np.bincount(frame["age_value"], minlength=shape.AGE_RANGE[1] + 1)
    for row, (low, high) in enumerate(zip(first, end, strict=True)):
        counts = years[low:high].astype(np.float64)
        rare = counts < MINIMUM_CELL_ROWS
        if rare.any():
            counts[rare] = counts[rare].mean()
        shares[row, : high - low] = counts / counts.sum()
    return shares


def _pdays_knots(frame: pd.DataFrame) -> Floats:
    months = len(frame.attrs["months"])
    contacted = frame[frame["poutcome"] != shape.UNKNOWN]
    is_success = (contacted["poutcome"] == shape.SUCCESS).to_numpy().astype(int)
    knots = np.zeros((months, 2, len(_KNOTS)))
    for group in range(2):
        part = contacted[is_success == group]
        for month in range(months):
            for reach in range(months):
                near = part[(part["month"] - month).abs() <= reach]
                if len(near) >= MINIMUM_TABLE_ROWS:
                    break
            knots[month, group] = np.rint(np.quantile(near["pdays_value"], _KNOTS))
    return knots


def _number_tables(frame: pd.DataFrame) -> dict[str, Floats]:
    balance = [np.rint(np.quantile(part["balance_value"], _VALUE_KNOTS)) for _, part in frame.groupby("balance")]
    size = len(shape.PREVIOUS_BINS)
    previous = []
    for outcome in range(shape.UNKNOWN):
        counts = suppressed(np.bincount(frame.loc[frame["poutcome"] == outcome, "previous"] - 1, minlength=size))
        previous.append(counts / counts.sum())
    duration = [
        [np.rint(np.quantile(part["duration_value"], _KNOTS)) for _, part in epoch.groupby("y")]
        for _, epoch in frame.groupby("epoch")
    ]
    return {
        "age_shares": _age_shares(frame),
        "balance_knots": np.array(balance),
        "pdays_knots": _pdays_knots(frame),
        "previous_shares": np.array(previous),
        "duration_knots": np.array(duration),
    }


def _weekday_shares(frame: pd.DataFrame) -> tuple[Floats, ...]:
    shares = []
    for number, key in enumerate(frame.attrs["months"]):
        size = len(weekdays_of(*map(int, key.split("-"))))
        counts = np.bincount(frame.loc[frame["month"] == number, "weekday"], minlength=size).astype(np.float64)
        rare = (counts > 0) & (counts < MINIMUM_CELL_ROWS)
        counts[rare] = counts[rare].mean() if rare.any() else 0
        shares.append(counts / counts.sum())
    return tuple(shares)


def fit_profile(path: Path) -> SimulatorProfile:
    """Fit the profile; the same file gives the same profile.

    Args:
        path: the pinned UCI file.

    Returns:
        The profile.
    """
    frame = read_contacts(path)
    links, margins = _chain(frame)
    rows = np.bincount(frame["month"])
    answers = np.bincount(frame["month"], weights=frame["y"]).astype(np.int64)
    pooled = [(_pooled(answers, month, rows), _pooled(rows, month, rows)) for month in range(len(rows))]
    shares = _weekday_shares(frame)
    unanswered = SimulatorProfile(
        source_sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        months=frame.attrs["months"],
        rows=rows,
        rates=np.array([yes / total for yes, total in pooled]),
        links=links,
        margins=margins,
        **_number_tables(frame),
        intercepts=np.zeros(len(rows)),
        main_terms={},
        epoch_terms={},
        weekday_shares=shares,
        weekday_terms=tuple(np.zeros_like(share) for share in shares),
    )
    return replace(unanswered, **fit_answer(frame, unanswered))


def _rounded(value: Any) -> Any:
    """JSON form with five significant digits, so that it is the same on every machine."""
    match value:
        case np.ndarray():
            return _rounded(value.tolist())
        case dict():
            return {key: _rounded(item) for key, item in value.items()}
        case list() | tuple():
            return [_rounded(item) for item in value]
        case float():
            short = float(f"{value:.5g}")
            return int(short) if short.is_integer() else short
        case _:
            return value


def dump_profile(profile: SimulatorProfile) -> bytes:
    """The JSON form of a profile, one field per line."""
    record = {"schema_version": SCHEMA_VERSION}
    record |= {field.name: _rounded(getattr(profile, field.name)) for field in fields(profile)}
    lines = (f" {json.dumps(key)}: {json.dumps(value, separators=(',', ':'))}" for key, value in record.items())
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()


def main() -> None:
    """Fit and write the committed profile."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--source", type=Path, required=True, help="path of the UCI file bank-full.csv")
    parser.add_argument("--to", type=Path, default=PROFILE_PATH, help="file to write")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    content = dump_profile(fit_profile(arguments.source))
    write_atomic(arguments.to, content)
    _LOG.info("%s: %s bytes", arguments.to, f"{len(content):,}")


if __name__ == "__main__":
    main()
