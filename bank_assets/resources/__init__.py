"""Dagster resources: one noun per file, each a thin shell around a plain class that knows no Dagster.

What lives here: `store` (tables, registry), `spark` (one lazily started session), `ledger`, `tracking`, `notifier`.
What must not: business rules, reading `os.environ` (see `bank_assets.settings`), work at import.
Called by `bank_assets.definitions`, which wires them, and by assets, which receive them as arguments.
https://docs.dagster.io/guides/build/external-resources
"""
