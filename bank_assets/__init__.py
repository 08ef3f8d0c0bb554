"""The Dagster package of the bank marketing decision platform.

Importing it imports nothing: `serving` takes `contract`, `ledger` and parts of `core` from here and must not
pay for Dagster, Spark or scikit-learn. Import concrete submodules.
"""
