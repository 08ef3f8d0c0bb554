"""The Dagster package of the bank marketing decision platform.

Importing it imports nothing: `serving` uses `contract`, `ledger` and parts of `core` without loading Dagster, Spark or
scikit-learn.
"""
