"""Numbers with their units, as people read them on every page and in every report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bank_assets.contract.columns import NumberSigns
from bank_assets.contract.values import number_text
from bank_assets.core.economics.economics import Amount, amount_of
from bank_assets.core.words import NONE


def eur(value: float | None, *, signed: bool = False) -> str:
    """Money: whole EUR from 100 on, cents below."""
    if value is None:
        return NONE
    number = f"{abs(value):,.0f}" if abs(value) >= 100 else f"{abs(value):,.2f}"
    sign = "−" if value < 0 and float(number.replace(",", "")) else "+" if signed and value > 0 else ""
    return f"{sign}{number} EUR"


def amount_text(amount: Amount | float | Mapping[str, Any] | None) -> str:
    """An amount over rows, as a value or as reports carry it: EUR where it is the same for everybody, else words."""
    if amount is None or isinstance(amount, float | int):
        return eur(amount)
    found = amount_of(amount) if isinstance(amount, Mapping) else amount
    return str(found) if found.eur is None else eur(found.eur)


def field_text(amount: Amount, signs: NumberSigns) -> str:
    """An amount in a form's field; empty where it differs by customer."""
    return "" if amount.eur is None else number_text(amount.eur, signs)


def points(share: float | None) -> str:
    """A signed difference of shares, in percentage points."""
    if share is None:
        return NONE
    text = f"{abs(share) * 100:.1f}"
    return f"{'' if text == '0.0' else '+' if share > 0 else '−'}{text} points"


def count(value: float | None) -> str:
    """A whole number."""
    return NONE if value is None else f"{value:,.0f}"


def number(value: float | None, digits: int = 3) -> str:
    """A plain number."""
    return NONE if value is None else f"{value:,.{digits}f}".replace("-", "−")


def p_value(value: float | None) -> str:
    """A p-value; a tiny one is written as a bound, never as zero."""
    return NONE if value is None else "< 0.001" if value < 0.001 else f"{value:.3f}"
