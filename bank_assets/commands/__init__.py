"""Commands of `python -m bank_assets`, one module each."""

import argparse
from datetime import date

from bank_assets.contract.values import decimal_number, iso_day


def positive(text: str) -> int:
    """Argument type: a whole number of at least 1."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, found {text!r}")
    return int(text)


def amount(text: str) -> float:
    """Argument type: an amount of money, by the rule of forms and files."""
    found = decimal_number(text, is_money=True)
    if found is None:
        raise argparse.ArgumentTypeError(f"expected an amount like 5.50, found {text!r}")
    return found


def day(text: str) -> date:
    """Argument type: a day as YYYY-MM-DD."""
    found = iso_day(text)
    if found is None:
        raise argparse.ArgumentTypeError(f"expected a day like 2008-09-01, found {text!r}")
    return found
