"""Cost of a call and value of a subscription where they differ from contact to contact.

What lives here: amounts as constants, columns or a share of the balance; their JSON form, which records and reports
carry; break-even per contact.
What must not: which contacts to call (`core.planner`).
Called by the planner, batch scoring and serving. All money is EUR; a contact is one call.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bank_assets.core.arrays import FloatArray
from bank_assets.core.economics import MAXIMUM_EUR, Economics, EconomicsError, checked_amount

Columns = Mapping[str, NDArray[Any]]

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
    """

    cost_eur: FloatArray
    value_eur: FloatArray
    source: Mapping[str, Any]

    @property
    def threshold(self) -> FloatArray:
        """Break-even probability of each contact, (n_contacts,): call if p is above it; above 1 no call can pay."""
        return np.asarray(self.cost_eur / self.value_eur)

    def expected_profit(self, proba: ArrayLike) -> FloatArray:
        """EUR per contact if called, (n_contacts,): p x value - cost."""
        return np.asarray(np.asarray(proba, dtype=np.float64) * self.value_eur - self.cost_eur)


def resolve_economics(cost: AmountModel, value: AmountModel, columns: Columns, n_contacts: int) -> ContactEconomics:
    """Evaluate cost and value for a list.

    Args:
        cost: model of the cost per call.
        value: model of the value per subscription.
        columns: columns of the list by delivery name, each (n_contacts,).
        n_contacts: number of contacts, 0 allowed.

    Returns:
        Amounts per contact.

    Raises:
        EconomicsError: a column is missing or an amount unusable; the message names the row.
    """
    source = {"cost": cost.to_dict(), "value": value.to_dict()}
    return ContactEconomics(cost.amounts(columns, n_contacts), value.amounts(columns, n_contacts), source)


def constant_economics(economics: Economics, n_contacts: int) -> ContactEconomics:
    """The configured constant cost and value for each of n contacts."""
    cost, value = ConstantAmount(economics.cost_eur), ConstantAmount(economics.value_eur)
    return resolve_economics(cost, value, {}, n_contacts)
