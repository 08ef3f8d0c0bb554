"""Commands of `python -m bank_assets`, one module each."""
