"""What a call costs, what a subscription is worth, and who is called.

`Economics` is built once at the edges (settings, requests, records) and passed as a value. `rows` are columns of
contacts by delivery name, each (n,). Amounts over rows are (n,), or () where every row has the same, which numpy
broadcasts. All money is EUR; a contact is one call.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final

import msgspec
import numpy as np
from msgspec.structs import force_setattr
from numpy.typing import ArrayLike

from bank_assets.core.arrays import BoolArray, FloatArray, Rows
from bank_assets.core.words import pct

MAXIMUM_EUR: Final = 10_000_000.0
"""Larger amounts are refused as an error of unit (cents, basis points)."""
MAXIMUM_SHARE: Final = 1.0  # a subscription is worth at most the balance it comes from
COST_COLUMN, VALUE_COLUMN = "cost_eur", "value_eur"
"""Columns of tables that keep what each call was taken to cost and each subscription to be worth."""
BREAK_EVEN, BEST_F1 = "profit", "f1"
"""Thresholds of a call: above break-even, or from the threshold of the model's best F1 on matured outcomes."""


class EconomicsError(ValueError):
    """A cost or value is unusable."""


def checked_amount(name: str, amount: object) -> float:
    """Check one amount of EUR.

    Raises:
        EconomicsError: it is missing, not a number, not positive, or implausibly large.
    """
    if isinstance(amount, bool) or not isinstance(amount, (int, float, np.integer, np.floating)):
        raise EconomicsError(f"{name}: expected a number of EUR, found {amount!r}; state it as a positive number.")
    value = float(amount)
    if not math.isfinite(value) or value <= 0.0 or value > MAXIMUM_EUR:
        raise EconomicsError(
            f"{name}: expected more than 0 and at most {MAXIMUM_EUR:,.0f} EUR, found {value!r}; correct the amount."
        )
    return value


def checked_amounts(name: str, amounts: ArrayLike) -> FloatArray:
    """Check one amount of EUR per row.

    Raises:
        EconomicsError: as for `checked_amount`; names the first such row.
    """
    try:
        values = np.asarray(amounts, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise EconomicsError(f"{name}: expected numbers of EUR, found {error}; correct the column.") from error
    wrong = ~(np.isfinite(values) & (values > 0.0) & (values <= MAXIMUM_EUR))
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise EconomicsError(
            f"{name}: expected more than 0 and at most {MAXIMUM_EUR:,.0f} EUR, found {values[row]!r} in row {row} "
            f"({int(wrong.sum())} such rows); correct or leave out these rows."
        )
    return values


def _kind(name: str) -> str:
    """The kind of an amount in documents: its class's name, as `column` of `ColumnAmount`."""
    return name.removesuffix("Amount").lower()


class ConstantAmount(msgspec.Struct, frozen=True, tag_field="kind", tag=_kind):
    """The same amount for every row, EUR."""

    eur: float

    def __post_init__(self) -> None:
        force_setattr(self, "eur", checked_amount("constant amount", self.eur))

    def __str__(self) -> str:
        return f"{self.eur:g} EUR"

    def of(self, rows: Rows) -> FloatArray:  # noqa: ARG002  as of every amount
        """EUR of every row, ()."""
        return np.asarray(self.eur)


class ColumnAmount(msgspec.Struct, frozen=True, tag_field="kind", tag=_kind):
    """An amount in a column of the rows, EUR."""

    column: str
    eur: ClassVar[None] = None

    def __str__(self) -> str:
        return f"EUR by {self.column}"

    def of(self, rows: Rows) -> FloatArray:
        """EUR per row, (n,)."""
        return checked_amounts(f"column {self.column}", column_of(rows, self.column, "amount by column"))


class BalanceAmount(msgspec.Struct, frozen=True, tag_field="kind", tag=_kind):
    """A share of the customer's balance, in (0, 1], kept between two amounts of EUR.

    A deposit comes out of the balance, so its margin grows with it. A negative balance still has the minimum, because
    the customer may bring money from elsewhere.
    """

    share: float
    minimum_eur: float
    maximum_eur: float
    column: str
    eur: ClassVar[None] = None

    def __post_init__(self) -> None:
        force_setattr(self, "share", checked_amount("share of the balance", self.share))
        force_setattr(self, "minimum_eur", checked_amount("minimum value", self.minimum_eur))
        force_setattr(self, "maximum_eur", checked_amount("maximum value", self.maximum_eur))
        if self.share > MAXIMUM_SHARE:
            raise EconomicsError(
                f"share of the balance: expected at most {MAXIMUM_SHARE}, found {self.share}; 2 % is written 0.02."
            )
        if self.minimum_eur > self.maximum_eur:
            raise EconomicsError(
                f"value by balance: expected minimum_eur <= maximum_eur, found {self.minimum_eur} > "
                f"{self.maximum_eur}; swap them."
            )

    def __str__(self) -> str:
        return f"{pct(self.share)} of {self.column}, {self.minimum_eur:g} to {self.maximum_eur:g} EUR"

    def of(self, rows: Rows) -> FloatArray:
        """EUR per row, (n,)."""
        balance = np.asarray(column_of(rows, self.column, "value by balance"), dtype=np.float64)
        if np.isnan(balance).any():
            row = int(np.flatnonzero(np.isnan(balance))[0])
            raise EconomicsError(f"value by balance: expected a number in {self.column}, row {row} has none.")
        value = np.clip(balance * self.share, self.minimum_eur, self.maximum_eur)
        return checked_amounts("value by balance", value)


Amount = ConstantAmount | ColumnAmount | BalanceAmount
"""An amount of EUR over rows; its text is for people. `eur` is the amount of every row, None where rows differ."""


def column_of(rows: Rows, name: str, purpose: str) -> Any:
    """A column that an amount needs; an EconomicsError if the rows lack it."""
    if name not in rows:
        raise EconomicsError(f"{purpose}: expected a column {name!r}, found {sorted(rows)}; add it to the list.")
    return rows[name]


@dataclass(frozen=True, slots=True)
class Economics:
    """What a call costs, what a subscription is worth, and from which probability on a contact is called.

    Attributes:
        cost_amount: EUR per call, whatever its outcome.
        value_amount: EUR per subscription.
        rule: `BREAK_EVEN` or `BEST_F1`.
        calls_from: the model's threshold under `BEST_F1`, see `for_model`; None calls above break-even.
    """

    cost_amount: Amount = ConstantAmount(5.0)  # noqa: RUF009 - a frozen value
    value_amount: Amount = ConstantAmount(50.0)  # noqa: RUF009
    rule: str = BREAK_EVEN
    calls_from: float | None = None

    @classmethod
    def constant(cls, cost_eur: object, value_eur: object) -> Economics:
        """The same cost and value for everybody; an EconomicsError if an amount is unusable."""
        return cls(_constant("cost per contact", cost_eur), _constant("value per subscription", value_eur))

    def stating(self, cost_eur: object, value_eur: object) -> Economics:
        """The same with constant amounts where they are given; None keeps what there is."""
        cost = self.cost_amount if cost_eur is None else _constant("cost per contact", cost_eur)
        value = self.value_amount if value_eur is None else _constant("value per subscription", value_eur)
        return replace(self, cost_amount=cost, value_amount=value)

    def on_record(self, rows: Rows) -> Economics:
        """The same with the amounts that rows of a table carry; rows of earlier releases carry none."""
        if not {COST_COLUMN, VALUE_COLUMN} <= set(rows):
            return self
        return replace(self, cost_amount=ColumnAmount(COST_COLUMN), value_amount=ColumnAmount(VALUE_COLUMN))

    def for_model(self, decision: Mapping[str, Any]) -> Economics:
        """The same with the threshold of a model, from its decision.json, where the rule asks for one."""
        if self.rule == BREAK_EVEN:
            return self
        return replace(self, calls_from=float(decision["thresholds"]["f1"]))

    def cost(self, rows: Rows) -> FloatArray:
        """EUR per call."""
        return self.cost_amount.of(rows)

    def value(self, rows: Rows) -> FloatArray:
        """EUR per subscription."""
        return self.value_amount.of(rows)

    def break_even(self, rows: Rows) -> FloatArray:
        """Probability above which a call pays; above 1 no call can pay."""
        return np.asarray(self.cost(rows) / self.value(rows))

    def threshold(self, rows: Rows) -> FloatArray:
        """Probability that decides a call: break-even, or the model's own under `BEST_F1`."""
        return self.break_even(rows) if self.calls_from is None else np.asarray(self.calls_from)

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of rows that the amounts are read from; none if everybody has the same."""
        return tuple(
            dict.fromkeys(
                one.column for one in (self.cost_amount, self.value_amount) if not isinstance(one, ConstantAmount)
            )
        )

    @property
    def single_break_even(self) -> float | None:
        """Break-even where it is the same for everybody; None where rows differ."""
        if self.cost_amount.eur is None or self.value_amount.eur is None:
            return None
        return self.cost_amount.eur / self.value_amount.eur

    def expected_profit(self, proba: ArrayLike, rows: Rows) -> FloatArray:
        """EUR per row if called: p x value - cost."""
        return np.asarray(np.asarray(proba, dtype=np.float64) * self.value(rows) - self.cost(rows))

    def decide(self, proba: ArrayLike, rows: Rows) -> BoolArray:
        """Whether to call each row; False where the probability is NaN.

        Break-even calls strictly above p x value = cost, so nobody is called for nothing. A model's own threshold calls
        from that probability on, as its F1 was measured.
        """
        scores = np.asarray(proba, dtype=np.float64)
        if self.calls_from is not None:
            return np.asarray(scores >= self.calls_from)
        return np.asarray(scores * self.value(rows) > self.cost(rows))

    def decide_knowing(self, is_subscribed: ArrayLike, rows: Rows) -> BoolArray:
        """The calls of a perfect oracle: the subscribers that are worth more than their call."""
        return np.asarray(np.asarray(is_subscribed, dtype=bool) & (self.value(rows) > self.cost(rows)))

    def profit(self, is_called: ArrayLike, is_subscribed: ArrayLike, rows: Rows) -> FloatArray:
        """Realised EUR per row, (n,): value if called and subscribed, less the cost if called."""
        called, subscribed = np.asarray(is_called, dtype=bool), np.asarray(is_subscribed, dtype=bool)
        return np.where(called, np.where(subscribed, self.value(rows), 0.0) - self.cost(rows), 0.0)

    def to_dict(self) -> dict[str, Any]:
        """JSON form for reports: a number for a constant amount; the rule is named unless it is break-even."""
        amounts = ((COST_COLUMN, self.cost_amount), (VALUE_COLUMN, self.value_amount))
        shown = {name: msgspec.to_builtins(one) if one.eur is None else one.eur for name, one in amounts}
        threshold = self.single_break_even if self.calls_from is None else self.calls_from
        rule = {} if self.rule == BREAK_EVEN else {"rule": self.rule}
        return {**shown, "threshold": threshold, **rule}


def _constant(name: str, amount: object) -> ConstantAmount:
    return ConstantAmount(checked_amount(name, amount))


def amount_of(document: float | Mapping[str, Any]) -> Amount:
    """Read an amount from what `Economics.to_dict` wrote."""
    if not isinstance(document, Mapping):
        return ConstantAmount(document)
    return msgspec.convert(document, Amount)
