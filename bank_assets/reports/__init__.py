"""Reports for people: charts and pages made from the values that `bank_assets.core` returns.

What must not: Dagster, Spark, files, or any number that the core did not compute.
"""
