"""Commands of `python -m bank_assets`, one module each."""

import argparse


def positive(text: str) -> int:
    """Argument type: a whole number of at least 1."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, found {text!r}")
    return int(text)
