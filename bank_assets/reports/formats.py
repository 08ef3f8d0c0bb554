"""Numbers with their units, as people read them on every page and in every report.

The web app imports this module: standard library only.
"""

from __future__ import annotations

from typing import Final

NONE: Final = "n/a"
"""What a number that cannot be computed looks like."""


def eur(value: float | None, *, signed: bool = False) -> str:
    """Money: whole EUR from 100 on, cents below."""
    if value is None:
        return NONE
    number = f"{abs(value):,.0f}" if abs(value) >= 100 else f"{abs(value):,.2f}"
    sign = "−" if value < 0 and float(number.replace(",", "")) else "+" if signed and value > 0 else ""
    return f"{sign}{number} EUR"


def pct(share: float | None, digits: int = 1) -> str:
    """A share of 1 as percent."""
    return NONE if share is None else f"{share * 100:.{digits}f} %"


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
    """A p-value; tiny ones are said to be below, never to be zero."""
    return NONE if value is None else "< 0.001" if value < 0.001 else f"{value:.3f}"
