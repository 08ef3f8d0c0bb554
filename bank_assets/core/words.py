"""Shares and counts as text, in every message, report, alert and page alike."""

from __future__ import annotations

from typing import Final

NONE: Final = "n/a"  # in place of a number that cannot be computed


def pct(share: float | None, digits: int = 1) -> str:
    """A share of 1 as percent."""
    return NONE if share is None else f"{share * 100:.{digits}f} %"


def whole(amount: float) -> str:
    """A number without decimals, with the sign that pages write."""
    return f"{amount:,.0f}".replace("-", "" if abs(amount) <= 0.5 else "−")


def sample_size(n: int, effective: float | None = None) -> str:
    """A number of contacts, with the effective number beside it if weights make it another one."""
    return str(n) if effective is None or round(effective) == n else f"{n} (effective {effective:.0f})"
