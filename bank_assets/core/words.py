"""Shares as text, in every message, report, alert and page alike."""

from __future__ import annotations

from typing import Final

NONE: Final = "n/a"  # in place of a number that cannot be computed


def pct(share: float | None, digits: int = 1) -> str:
    """A share of 1 as percent."""
    return NONE if share is None else f"{share * 100:.{digits}f} %"
