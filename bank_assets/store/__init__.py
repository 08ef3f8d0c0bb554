"""Plain readers and writers of the home: tables and what they follow from, registry, lists, atomic files, locks.

Nothing here knows Dagster, Spark or the web app; `resources` wraps what Dagster needs of it.
"""
