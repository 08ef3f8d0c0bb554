"""The ledger: decisions, outcomes, promotions, responses, as-of states, campaigns and accounts, one module per noun.

Any process may use it: open it with `engine.open_ledger(settings.ledger_url)`. It imports neither Dagster nor Litestar,
Spark, MLflow or model code.
"""
