"""Pure decision core: no Dagster, Spark, MLflow, Litestar, environment, clock or files.

Importing it imports nothing; take the submodule you need.
"""
