"""The ledger: decisions, outcomes, promotions, published as-of states, accounts.

What lives here: SQLAlchemy tables, Alembic migrations, the hash chain and its verification, one module per noun
(`decisions`, `outcomes`, `promotions`, `states`, `accounts`, `campaigns`), and `engine` to open a database.
What must not: dagster, litestar, pyspark, mlflow, model code. Any process may use it: the web app appends
decisions, the pipeline appends promotions and as-of states, the command line verifies.

Start with `engine = bank_assets.ledger.engine.open_ledger(settings.ledger_url)`.
"""
