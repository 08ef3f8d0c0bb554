"""Fits the simulator's additive log-odds of a subscription: ridge logistic regression over the profile's terms.

It also calibrates each month's intercept. Only `fit_profile` calls it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.sparse.linalg import spsolve

from bank_assets.simulator import profile as shape
from bank_assets.simulator.drawing import Chunk, day_counts, streams_of
from bank_assets.simulator.month_model import MonthModel
from bank_assets.simulator.profile import Floats, SimulatorProfile

PDAYS_GROUPS: Final = 1 + shape.UNKNOWN * (len(shape.PDAYS_EDGES) + 1)
"""Groups of (previous outcome, bin of pdays); group 0 is "never contacted"."""

MAIN_TERMS: Final = {**{c: shape.SIZES[c] for c in shape.SIZES if c not in {"contact", "poutcome"}},
                     "pdays_group": PDAYS_GROUPS, "previous": len(shape.PREVIOUS_BINS) + 1}  # fmt: skip
"""Terms of the log-odds that hold in all months, with their sizes."""
EPOCH_TERMS: Final = ("contact", "poutcome", "housing", "age")
"""Terms whose effect differs between epochs."""
MINIMUM_TABLE_ROWS: Final = 50
_NEWTON_ROUNDS: Final = 12
_RIDGE: Final = {"month": 0.01, "main": 1.0, "epoch": 3.0, "weekday": 4.0}
"""Strength of the shrinkage to zero: none for months, strong for weekdays of a month with few rows."""
_CALIBRATION_ROWS: Final = 40_000
_CALIBRATION_SEED: Final = 222
_MAXIMUM_SHIFT: Final = 12.0


def _design(frame: pd.DataFrame, weekdays: list[int]) -> tuple[sparse.csr_matrix, Floats, dict[str, tuple[int, int]]]:
    """One-hot terms side by side: (rows, columns), the ridge of each column, and each term's columns."""
    month = frame["month"].to_numpy()
    first_weekday = np.concatenate([[0], np.cumsum(weekdays)])
    blocks = [("month", month, len(weekdays), "month")]
    blocks += [(name, frame[name].to_numpy(), size, "main") for name, size in MAIN_TERMS.items()]
    epoch = frame["epoch"].to_numpy()
    for name in EPOCH_TERMS:
        size = shape.SIZES[name]
        blocks.append((f"epoch:{name}", epoch * size + frame[name].to_numpy(), len(shape.EPOCHS) * size, "epoch"))
    blocks.append(("weekday", first_weekday[month] + frame["weekday"].to_numpy(), int(first_weekday[-1]), "weekday"))
    rows, parts, ridge, columns, start = np.arange(len(frame)), [], [], {}, 0
    for name, codes, size, strength in blocks:
        parts.append(sparse.csr_matrix((np.ones(len(frame)), (rows, codes)), shape=(len(frame), size)))
        ridge.append(np.full(size, _RIDGE[strength]))
        columns[name] = (start, start + size)
        start += size
    return sparse.hstack(parts, format="csr"), np.concatenate(ridge), columns


def _ridge_logistic(design: sparse.csr_matrix, answer: Floats, ridge: Floats) -> Floats:
    """Newton's method; converges in under ten rounds, to more digits than are kept."""
    weights = np.zeros(design.shape[1])
    for _ in range(_NEWTON_ROUNDS):
        probability = 1 / (1 + np.exp(-(design @ weights)))
        gradient = design.T @ (answer - probability) - ridge * weights
        curvature = design.T @ design.multiply((probability * (1 - probability))[:, None]) + sparse.diags(ridge)
        weights += spsolve(curvature.tocsc(), gradient)
    return weights


def _intercept(log_odds: Floats, rate: float) -> float:
    """The constant that gives a mean probability, by bisection."""
    low, high = -_MAXIMUM_SHIFT, _MAXIMUM_SHIFT
    for _ in range(50):
        middle = (low + high) / 2
        if np.mean(1 / (1 + np.exp(-(log_odds + middle)))) < rate:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _suppressed_weekdays(frame: pd.DataFrame, effects: Floats, weekdays: list[int]) -> tuple[Floats, ...]:
    """Effects of each month's weekdays; those on fewer rows than a table needs become 0."""
    terms, start = [], 0
    for month, size in enumerate(weekdays):
        counts = np.bincount(frame.loc[frame["month"] == month, "weekday"], minlength=size)
        terms.append(np.where(counts >= MINIMUM_TABLE_ROWS, effects[start : start + size], 0.0))
        start += size
    return tuple(terms)


def simulated_log_odds(profile: SimulatorProfile, month: str, rows: int, seed: int) -> Floats:
    """(rows,) log-odds of a subscription in a month of the profile, used to fit its intercept."""
    year, number = map(int, month.split("-"))
    model = MonthModel(profile, profile.months.index(month), year, number)
    day_index = np.repeat(np.arange(len(model.weekdays)), day_counts(model.day_shares, rows))
    chunk = Chunk(model, streams_of(seed, year, number), day_index)
    numbers = chunk.draw()
    return chunk.log_odds(numbers, numbers["poutcome"] != shape.UNKNOWN).astype(np.float64)


def fit_answer(frame: pd.DataFrame, unanswered: SimulatorProfile) -> dict[str, Any]:
    """Fit the log-odds and set every month's intercept so that simulated months have the real rates.

    Args:
        frame: the real contacts in codes, from `fit_profile.read_contacts`.
        unanswered: the profile with all tables but those of the answer.

    Returns:
        The fields of `SimulatorProfile` that concern the answer.
    """
    weekdays = [len(shares) for shares in unanswered.weekday_shares]
    design, ridge, columns = _design(frame, weekdays)
    weights = _ridge_logistic(design, frame["y"].to_numpy().astype(np.float64), ridge)
    effects = {name: weights[low:high] for name, (low, high) in columns.items()}
    fields: dict[str, Any] = {
        "main_terms": {name: effects[name] for name in MAIN_TERMS},
        "epoch_terms": {name: effects[f"epoch:{name}"].reshape(len(shape.EPOCHS), -1) for name in EPOCH_TERMS},
        "weekday_terms": _suppressed_weekdays(frame, effects["weekday"], weekdays),
    }
    answered = replace(unanswered, **fields)
    intercepts = [
        _intercept(simulated_log_odds(answered, month, _CALIBRATION_ROWS, _CALIBRATION_SEED), rate)
        for month, rate in zip(answered.months, answered.rates, strict=True)
    ]
    return fields | {"intercepts": np.array(intercepts)}
