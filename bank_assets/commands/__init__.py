"""Commands of `python -m bank_assets`, one module each."""

import argparse
import math
from collections.abc import Callable
from datetime import date

from bank_assets.contract.values import NumberError, iso_day, number_within


def number(
    low: float = 0.0, high: float = math.inf, *, is_whole: bool = False, is_money: bool = False
) -> Callable[[str], float]:
    """Argument type: a number within bounds, read as everywhere."""

    def read(text: str) -> float:
        try:
            return number_within(text, low, high, is_whole=is_whole, is_money=is_money)
        except NumberError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return read


def whole(low: int = 0, high: float = math.inf) -> Callable[[str], float]:
    """Argument type: a whole number within bounds."""
    return number(low, high, is_whole=True)


def day(text: str) -> date:
    """Argument type: a day as YYYY-MM-DD."""
    found = iso_day(text)
    if found is None:
        raise argparse.ArgumentTypeError(f"expected a day like 2008-09-01, found {text!r}")
    return found
