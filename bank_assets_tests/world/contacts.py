"""Synthetic contacts by the day, with a learnable signal that can be changed from a given day on."""

from collections.abc import Callable
from typing import Any

import numpy as np

from bank_assets.contract.uci import UCI
from bank_assets.core.features.contacts import Contacts
from bank_assets.core.model.scorer import expit

FIRST = np.datetime64("2020-01-01", "D")


def made_frame(n: int, rng: np.random.Generator) -> dict[str, Any]:
    """Payload columns of n customers."""
    frame: dict[str, Any] = {
        "age": rng.integers(18, 80, n).astype(float),
        "balance": np.where(rng.random(n) < 0.1, 0.0, rng.normal(1200, 2000, n).round()),
        "campaign": rng.integers(1, 5, n).astype(float),
        "pdays": np.where(rng.random(n) < 0.8, -1.0, rng.integers(1, 400, n)),
        "previous": np.zeros(n),
    }
    for name in UCI.category_columns:
        frame[name] = rng.choice(np.asarray(UCI.by_source[name].categories, dtype=object), n)
    frame["previous"] = np.where(frame["pdays"] >= 0, rng.integers(1, 4, n), 0).astype(float)
    return frame


def signal(frame: dict[str, Any]) -> np.ndarray:
    """Log-odds of a subscription."""
    return (
        -1.6
        + 1.6 * (frame["poutcome"] == "success")
        - 0.9 * (frame["housing"] == "yes")
        + 0.9 * (frame["age"] > 60)
        + 0.5 * (frame["contact"] == "cellular")
    )


def made_contacts(
    n_days: int = 90,
    per_day: int = 30,
    seed: int = 0,
    change: Callable[[dict[str, Any], np.ndarray, np.ndarray], np.ndarray] | None = None,
    days: np.ndarray | None = None,
) -> Contacts:
    """Contacts with outcomes known the day after the call.

    Args:
        n_days: days in a row.
        per_day: contacts a day.
        seed: of everything.
        change: (frame, day numbers, log-odds) -> log-odds; may change the frame in place.
        days: day number of each contact instead, sorted.
    """
    rng = np.random.default_rng(seed)
    number = np.repeat(np.arange(n_days), per_day) if days is None else days
    frame = made_frame(len(number), rng)
    log_odds = signal(frame)
    if change is not None:
        log_odds = change(frame, number, log_odds)
    dates = FIRST + number.astype("timedelta64[D]")
    subscribed = rng.random(len(number)) < expit(log_odds)
    ids = np.asarray([f"c{k}" for k in range(len(number))], dtype=object)
    return Contacts(ids, frame, dates, dates + np.timedelta64(1, "D"), subscribed, UCI)
