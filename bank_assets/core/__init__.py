"""Pure decision logic: no Dagster, Spark, MLflow, Litestar, environment, clock or files."""
