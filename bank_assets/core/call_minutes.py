"""Expected minutes of a call from what is known before it.

What lives here: a log-link regression of call minutes (target: `duration`), its fit and its JSON form, numpy only.
What must not: money (`core.value_models`), any column that is known only after the call as an input.
Called by cost models of campaigns; fitted by whoever has matured calls.

Method: quasi-Poisson regression with log link by iteratively reweighted least squares and a ridge penalty
(Nelder and Wedderburn 1972). The log link keeps minutes positive, and the mean of the training calls is reproduced,
which a regression of log minutes would miss by the variance of its errors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bank_assets.contract import BY_SOURCE, Kind, refuse_post_contact
from bank_assets.core.arrays import FloatArray
from bank_assets.core.economics import EconomicsError

DEFAULT_INPUTS: Final = ("age", "job", "contact", "campaign", "poutcome", "balance")
RIDGE: Final = 10.0
"""Penalty in calls: a category seen in fewer calls than this stays near the average."""
ITERATIONS: Final = 50
MINIMUM_CALLS: Final = 50
"""With fewer calls a mean is all that can be said; state a constant cost instead."""
LONGEST_MINUTES: Final = 120.0
"""Expected minutes are kept at or below this: an extrapolated exponential must not price a call at thousands."""


@dataclass(frozen=True, slots=True)
class CallMinutes:
    """A fitted model of expected call minutes.

    Attributes:
        inputs: columns it reads, in delivery names.
        intercept: log minutes of the average call.
        numeric: (centre, scale, coefficient) by numeric column.
        categories: coefficient by category, by column; an unseen category counts 0.
    """

    inputs: tuple[str, ...]
    intercept: float
    numeric: Mapping[str, tuple[float, float, float]]
    categories: Mapping[str, Mapping[str, float]]

    def expected(self, columns: Mapping[str, NDArray[Any]]) -> FloatArray:
        """Expected minutes.

        Args:
            columns: one array (n,) per name of `inputs`; further names are ignored.

        Returns:
            Minutes per call, (n,), in (0, `LONGEST_MINUTES`].

        Raises:
            EconomicsError: an input column is missing.
        """
        missing = [name for name in self.inputs if name not in columns]
        if missing:
            raise EconomicsError(f"call minutes: expected the columns {list(self.inputs)}, missing {missing}.")
        log_minutes = np.full(len(np.asarray(columns[self.inputs[0]])), self.intercept)
        for name, (centre, scale, coefficient) in self.numeric.items():
            log_minutes += coefficient * _standardised(np.asarray(columns[name], dtype=np.float64), centre, scale)
        for name, coefficients in self.categories.items():
            log_minutes += np.asarray([coefficients.get(str(value), 0.0) for value in columns[name]], dtype=np.float64)
        return np.minimum(np.exp(np.minimum(log_minutes, 20.0)), LONGEST_MINUTES)

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "inputs": list(self.inputs),
            "intercept": self.intercept,
            "numeric": {name: list(terms) for name, terms in self.numeric.items()},
            "categories": {name: dict(terms) for name, terms in self.categories.items()},
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> CallMinutes:
        """Read the JSON form; KeyError if an entry is missing."""
        numeric = {name: (float(a), float(b), float(c)) for name, (a, b, c) in content["numeric"].items()}
        categories = {n: {k: float(v) for k, v in terms.items()} for n, terms in content["categories"].items()}
        return cls(tuple(content["inputs"]), float(content["intercept"]), numeric, categories)


def _standardised(values: FloatArray, centre: float, scale: float) -> FloatArray:
    # +-3 scales: a balance of 100,000 EUR must not multiply the minutes by a power of e
    return np.clip((values - centre) / scale, -3.0, 3.0)


def fit_call_minutes(
    columns: Mapping[str, NDArray[Any]], duration_seconds: ArrayLike, inputs: Sequence[str] = DEFAULT_INPUTS
) -> CallMinutes:
    """Fit expected minutes on past calls.

    Args:
        columns: one array (n_calls,) per name of `inputs`.
        duration_seconds: length of each call, (n_calls,), s.
        inputs: columns to use, all known before the call.

    Returns:
        The fitted model; deterministic for the same calls.

    Raises:
        LeakageError: an input is known only after the call.
        EconomicsError: fewer than `MINIMUM_CALLS` calls, or a duration that is missing, negative or never above 0.
    """
    refuse_post_contact(tuple(inputs))
    minutes = np.asarray(duration_seconds, dtype=np.float64) / 60.0
    if len(minutes) < MINIMUM_CALLS:
        raise EconomicsError(
            f"call minutes: expected at least {MINIMUM_CALLS} past calls, found {len(minutes)}; use a constant cost."
        )
    if not bool(np.all(np.isfinite(minutes) & (minutes >= 0.0))) or minutes.sum() == 0.0:
        raise EconomicsError("call minutes: expected durations of at least 0 s, some above 0; correct the calls.")
    numeric_names = [name for name in inputs if BY_SOURCE[name].kind is Kind.INTEGER]
    category_names = [name for name in inputs if name not in numeric_names]
    parts: list[FloatArray] = [np.ones((len(minutes), 1))]
    scales: dict[str, tuple[float, float]] = {}
    for name in numeric_names:
        values = np.asarray(columns[name], dtype=np.float64)
        scales[name] = (float(values.mean()), float(values.std()) or 1.0)
        parts.append(_standardised(values, *scales[name])[:, None])
    terms: list[tuple[str, str]] = []
    for name in category_names:
        values = np.asarray(columns[name]).astype(str)
        for category in np.unique(values):
            terms.append((name, str(category)))
            parts.append((values == category).astype(np.float64)[:, None])
    coefficients = _iteratively_reweighted(np.hstack(parts), minutes)
    numeric = {name: (*scales[name], float(coefficients[1 + position])) for position, name in enumerate(numeric_names)}
    categories: dict[str, dict[str, float]] = {name: {} for name in category_names}
    for (name, category), coefficient in zip(terms, coefficients[1 + len(numeric_names) :], strict=True):
        categories[name][category] = float(coefficient)
    return CallMinutes(tuple(inputs), float(coefficients[0]), numeric, categories)


def _iteratively_reweighted(design: FloatArray, minutes: FloatArray) -> FloatArray:
    """Coefficients (n_terms,) of the penalised log-link regression; the intercept, column 0, is not penalised."""
    penalty = RIDGE * minutes.mean() * np.eye(design.shape[1])
    penalty[0, 0] = 0.0
    coefficients = np.zeros(design.shape[1])
    coefficients[0] = np.log(minutes.mean())
    for _ in range(ITERATIONS):
        mean = np.exp(np.clip(design @ coefficients, -20.0, 20.0))
        gradient = design.T @ (minutes - mean) - penalty @ coefficients
        step = np.linalg.solve(design.T @ (design * mean[:, None]) + penalty, gradient)
        coefficients = coefficients + np.clip(step, -1.0, 1.0)
        if float(np.abs(step).max()) < 1e-10:
            break
    return coefficients
