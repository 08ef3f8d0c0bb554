"""The web app: JSON API, pages, and a record of every decision; `python -m serving` starts it.

It must stay light: a test checks that dagster, pyspark, sklearn, great_expectations and pandas are not imported.
"""
