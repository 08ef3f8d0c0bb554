"""Spark: the session, and pure functions from DataFrame to DataFrame.

What lives here: `session` (one per process), `class_archive` (a faster JVM start), `delivery` (reading raw text),
`tables` (contacts, outcomes, rejected contacts), `profile` and `scoring`.
What must not: Dagster, MLflow, Great Expectations, the environment (see `bank_assets.settings`), work at import.
Called by assets, which pass in the session of `bank_assets.resources.spark`.
"""
