"""Plain readers and writers of the home: tables, registry, lists, atomic files, locks.

Nothing here knows Dagster, Spark or the web app.
"""
