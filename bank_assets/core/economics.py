"""What a call costs, what a subscription is worth, and which calls pay.

What lives here: cost and value, break-even threshold, expected and realised profit.
What must not: budgets and lists (`core.planner`), thresholds tuned to anything but profit.
Called by evaluation, replay, batch scoring and serving alike. All money is EUR; a contact is one call.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bank_assets.core.arrays import FloatArray

MAXIMUM_EUR: Final = 10_000_000.0
"""Larger amounts are taken for an error of unit (cents, basis points) and refused."""


class EconomicsError(ValueError):
    """A cost or value is unusable; the message says what was expected, found and what to do."""


def checked_amount(name: str, amount: object) -> float:
    """Check one amount of money.

    Args:
        name: what the amount is, for the message.
        amount: EUR.

    Returns:
        The amount as float.

    Raises:
        EconomicsError: missing, not a number, not positive, or larger than any sane value.
    """
    if isinstance(amount, bool) or not isinstance(amount, (int, float, np.integer, np.floating)):
        raise EconomicsError(f"{name}: expected a number of EUR, found {amount!r}; state it as a positive number.")
    value = float(amount)
    if not math.isfinite(value) or value <= 0.0 or value > MAXIMUM_EUR:
        raise EconomicsError(
            f"{name}: expected more than 0 and at most {MAXIMUM_EUR:,.0f} EUR, found {value!r}; correct the amount."
        )
    return value


@dataclass(frozen=True, slots=True)
class Economics:
    """Cost of one contact and value of one subscription.

    Attributes:
        cost_eur: EUR per call, whatever its outcome.
        value_eur: EUR per subscription.
    """

    cost_eur: float = 5.0
    value_eur: float = 50.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "cost_eur", checked_amount("cost per contact", self.cost_eur))
        object.__setattr__(self, "value_eur", checked_amount("value per subscription", self.value_eur))

    @property
    def threshold(self) -> float:
        """Break-even probability: call if p is above it. Above 1 no call can pay."""
        return self.cost_eur / self.value_eur

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form that records and reports carry."""
        return {"cost_eur": self.cost_eur, "value_eur": self.value_eur, "threshold": self.threshold}


def expected_profit(proba: ArrayLike, economics: Economics) -> FloatArray:
    """Expected profit of calling, per contact.

    Args:
        proba: probability of subscription, shape (n_contacts,), in [0, 1].
        economics: cost and value.

    Returns:
        EUR per contact, shape (n_contacts,): p x value - cost.
    """
    return np.asarray(proba, dtype=np.float64) * economics.value_eur - economics.cost_eur


def is_worth_calling(proba: ArrayLike, economics: Economics) -> NDArray[np.bool_]:
    """Decide each contact: call if p x value > cost (strictly, so an indifferent customer is left in peace).

    Args:
        proba: probability of subscription, shape (n_contacts,).
        economics: cost and value.

    Returns:
        Boolean mask, shape (n_contacts,).
    """
    return np.asarray(proba, dtype=np.float64) * economics.value_eur > economics.cost_eur


def realised_profit(is_called: ArrayLike, is_subscribed: ArrayLike, economics: Economics) -> float:
    """Profit of the calls made, EUR.

    Args:
        is_called: mask of the calls, shape (n_contacts,).
        is_subscribed: outcomes, shape (n_contacts,).
        economics: cost and value.

    Returns:
        EUR over all contacts.
    """
    called = np.asarray(is_called, dtype=bool)
    subscribed = np.asarray(is_subscribed, dtype=bool)
    return float((called & subscribed).sum() * economics.value_eur - called.sum() * economics.cost_eur)


def oracle_profit(is_subscribed: ArrayLike, economics: Economics) -> float:
    """Profit of a perfect oracle that calls exactly the subscribers, EUR (zero if a subscription does not pay)."""
    gain = max(economics.value_eur - economics.cost_eur, 0.0)
    return float(np.asarray(is_subscribed, dtype=bool).sum() * gain)
