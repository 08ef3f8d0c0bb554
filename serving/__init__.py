"""The web app: JSON API, pages, and a record of every decision.

What lives here: HTTP (controllers), logic behind it (services), the champion in memory, the recorder of decisions.
What must not: dagster, pyspark, sklearn, great_expectations, pandas; a test looks at `sys.modules`.
Started by `python -m serving`; built by `serving.app.create_app`. Importing this package imports nothing.
"""
