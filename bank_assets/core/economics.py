"""What a call costs, what a subscription is worth, and who is called.

What lives here: cost and value, as one pair or by contact; the threshold of a call; expected and realised profit.
What must not: budgets and lists (`core.planner`), the choice of a recipe (`core.objective`).
Called by evaluation, replay, batch scoring, planning and serving alike. All money is EUR; a contact is one call.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bank_assets.core.arrays import FloatArray

MAXIMUM_EUR: Final = 10_000_000.0
"""Larger amounts are taken for an error of unit (cents, basis points) and refused."""


Columns = Mapping[str, NDArray[Any]]
BREAK_EVEN, BEST_F1 = "profit", "f1"
"""Thresholds of a call: above break-even, or from the threshold of the model's best F1 on matured outcomes."""


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
    """Cost of one contact, value of one subscription, and from which probability on a contact is called.

    Attributes:
        cost_eur: EUR per call, whatever its outcome.
        value_eur: EUR per subscription.
        rule: `BREAK_EVEN` or `BEST_F1`.
        calls_from: the model's threshold under `BEST_F1`, see `for_model`; None calls above break-even.
    """

    cost_eur: float = 5.0
    value_eur: float = 50.0
    rule: str = BREAK_EVEN
    calls_from: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "cost_eur", checked_amount("cost per contact", self.cost_eur))
        object.__setattr__(self, "value_eur", checked_amount("value per subscription", self.value_eur))

    @property
    def break_even(self) -> float:
        """Probability above which a call pays. Above 1 no call can pay."""
        return self.cost_eur / self.value_eur

    @property
    def threshold(self) -> float:
        """Probability that decides a call: break-even, or the model's own under `BEST_F1`."""
        return self.break_even if self.calls_from is None else self.calls_from

    def for_model(self, decision: Mapping[str, Any]) -> Economics:
        """The same with the threshold of a model, where its rule asks for one.

        Args:
            decision: the content of the model's decision.json.
        """
        if self.rule == BREAK_EVEN:
            return self
        return replace(self, calls_from=float(decision["thresholds"]["f1"]))

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form that records and reports carry; another rule than break-even is named."""
        rule = {} if self.rule == BREAK_EVEN else {"rule": self.rule}
        return {"cost_eur": self.cost_eur, "value_eur": self.value_eur, "threshold": self.threshold, **rule}


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
    """Decide each contact.

    Break-even calls strictly above p x value = cost, so an indifferent customer is left in peace; a model's own
    threshold calls from it on, as its F1 was measured.

    Args:
        proba: probability of subscription, shape (n_contacts,).
        economics: cost, value and threshold.

    Returns:
        Boolean mask, shape (n_contacts,).
    """
    scores = np.asarray(proba, dtype=np.float64)
    if economics.calls_from is not None:
        return scores >= economics.calls_from
    return scores * economics.value_eur > economics.cost_eur


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


MAXIMUM_SHARE: Final = 1.0
"""A subscription cannot be worth more than the whole balance it comes from."""


class AmountModel(Protocol):
    """An amount of EUR for each contact; every implementation has a JSON form with its `kind`."""

    def amounts(self, columns: Columns, n_contacts: int) -> FloatArray:
        """EUR per contact, (n_contacts,), each checked by `checked_amounts`."""

    def to_dict(self) -> dict[str, Any]:
        """JSON form, which records and reports carry."""


def checked_amounts(name: str, amounts: ArrayLike, n_contacts: int) -> FloatArray:
    """Check one amount per contact.

    Args:
        name: what the amounts are, for the message.
        amounts: EUR, (n_contacts,).
        n_contacts: number of contacts.

    Returns:
        The amounts, (n_contacts,), float64.

    Raises:
        EconomicsError: another length, not numbers, missing, not positive, or larger than any sane value.
    """
    try:
        values = np.asarray(amounts, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise EconomicsError(f"{name}: expected numbers of EUR, found {error}; correct the column.") from error
    if values.shape != (n_contacts,):
        raise EconomicsError(f"{name}: expected one amount for each of {n_contacts} contacts, found {values.shape}.")
    wrong = ~(np.isfinite(values) & (values > 0.0) & (values <= MAXIMUM_EUR))
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise EconomicsError(
            f"{name}: expected more than 0 and at most {MAXIMUM_EUR:,.0f} EUR, found {values[row]!r} in row {row} "
            f"({int(wrong.sum())} such rows); correct or leave out these rows."
        )
    return values


def _column(columns: Columns, name: str, purpose: str) -> NDArray[Any]:
    if name not in columns:
        raise EconomicsError(f"{purpose}: expected a column {name!r}, found {sorted(columns)}; add it to the list.")
    return np.asarray(columns[name])


@dataclass(frozen=True, slots=True)
class ConstantAmount:
    """The same amount for each contact.

    Attributes:
        eur: EUR per contact.
    """

    eur: float
    kind: ClassVar[str] = "constant"

    def __post_init__(self) -> None:
        object.__setattr__(self, "eur", checked_amount("constant amount", self.eur))

    def amounts(self, columns: Columns, n_contacts: int) -> FloatArray:  # noqa: ARG002  the protocol's arguments
        """See `AmountModel`."""
        return np.full(n_contacts, self.eur)

    def to_dict(self) -> dict[str, Any]:
        """See `AmountModel`."""
        return {"kind": self.kind, "eur": self.eur}


@dataclass(frozen=True, slots=True)
class ColumnAmount:
    """An amount that the list itself brings.

    Attributes:
        column: name of the column, EUR per contact.
    """

    column: str
    kind: ClassVar[str] = "column"

    def amounts(self, columns: Columns, n_contacts: int) -> FloatArray:
        """See `AmountModel`."""
        return checked_amounts(f"column {self.column}", _column(columns, self.column, "amount by column"), n_contacts)

    def to_dict(self) -> dict[str, Any]:
        """See `AmountModel`."""
        return {"kind": self.kind, "column": self.column}


@dataclass(frozen=True, slots=True)
class BalanceValue:
    """Value of a subscription = balance x share, kept between two amounts.

    A deposit comes out of the balance, so its margin grows with it; a negative balance still has the minimum,
    because the customer may bring money from elsewhere.

    Attributes:
        share: EUR of value per EUR of balance, in (0, 1].
        minimum_eur: value at or below a balance of minimum_eur / share.
        maximum_eur: value of the largest balances.
        column: the balance's column, EUR.
    """

    share: float
    minimum_eur: float
    maximum_eur: float
    column: str = "balance"
    kind: ClassVar[str] = "balance"

    def __post_init__(self) -> None:
        object.__setattr__(self, "share", checked_amount("share of the balance", self.share))
        object.__setattr__(self, "minimum_eur", checked_amount("minimum value", self.minimum_eur))
        object.__setattr__(self, "maximum_eur", checked_amount("maximum value", self.maximum_eur))
        if self.share > MAXIMUM_SHARE:
            raise EconomicsError(
                f"share of the balance: expected at most {MAXIMUM_SHARE}, found {self.share}; 2 % is written 0.02."
            )
        if self.minimum_eur > self.maximum_eur:
            raise EconomicsError(
                f"value by balance: expected minimum_eur <= maximum_eur, found {self.minimum_eur} > "
                f"{self.maximum_eur}; swap them."
            )

    def amounts(self, columns: Columns, n_contacts: int) -> FloatArray:
        """See `AmountModel`."""
        balance = np.asarray(_column(columns, self.column, "value by balance"), dtype=np.float64)
        if np.isnan(balance).any():
            row = int(np.flatnonzero(np.isnan(balance))[0])
            raise EconomicsError(f"value by balance: expected a number in {self.column}, row {row} has none.")
        value = np.clip(balance * self.share, self.minimum_eur, self.maximum_eur)
        return checked_amounts("value by balance", value, n_contacts)

    def to_dict(self) -> dict[str, Any]:
        """See `AmountModel`."""
        return {
            "kind": self.kind,
            "share": self.share,
            "minimum_eur": self.minimum_eur,
            "maximum_eur": self.maximum_eur,
            "column": self.column,
        }


@dataclass(frozen=True, slots=True)
class ContactEconomics:
    """Cost and value of each contact of a list.

    Attributes:
        cost_eur: EUR per call, (n_contacts,).
        value_eur: EUR per subscription, (n_contacts,).
        source: JSON form of what they came from.
        calls_from: probability from which contacts are called; None for break-even.
    """

    cost_eur: FloatArray
    value_eur: FloatArray
    source: Mapping[str, Any]
    calls_from: float | None = None

    @property
    def break_even(self) -> FloatArray:
        """Probability above which a call pays, by contact, (n_contacts,); above 1 no call can pay."""
        return np.asarray(self.cost_eur / self.value_eur)

    def expected_profit(self, proba: ArrayLike) -> FloatArray:
        """EUR per contact if called, (n_contacts,): p x value - cost."""
        return np.asarray(np.asarray(proba, dtype=np.float64) * self.value_eur - self.cost_eur)


def resolve_economics(
    cost: AmountModel, value: AmountModel, columns: Columns, n_contacts: int, *, calls_from: float | None = None
) -> ContactEconomics:
    """Evaluate cost and value for a list.

    Args:
        cost: model of the cost per call.
        value: model of the value per subscription.
        columns: columns of the list by delivery name, each (n_contacts,).
        n_contacts: number of contacts, 0 allowed.
        calls_from: probability from which contacts are called; None for break-even.

    Returns:
        Amounts per contact.

    Raises:
        EconomicsError: a column is missing or an amount unusable; the message names the row.
    """
    source = {"cost": cost.to_dict(), "value": value.to_dict()}
    amounts = cost.amounts(columns, n_contacts), value.amounts(columns, n_contacts)
    return ContactEconomics(*amounts, source, calls_from)


def constant_economics(economics: Economics, n_contacts: int) -> ContactEconomics:
    """The same cost, value and threshold for each of n contacts."""
    cost, value = ConstantAmount(economics.cost_eur), ConstantAmount(economics.value_eur)
    return resolve_economics(cost, value, {}, n_contacts, calls_from=economics.calls_from)
