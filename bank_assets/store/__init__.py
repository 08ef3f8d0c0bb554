"""Plain readers and writers of the home: tables, registry, champion history, call lists, atomic files.

Nothing here knows Dagster, Spark or the web app; `resources` wraps what Dagster needs of it.
"""
