"""The one world that tests live in: a customer, contacts by the day, bundles, a registry, homes and the app on them.

Each module makes one thing, with real code wherever that takes less than a second. Tests import from here; fixtures of
one folder are named in its `conftest.py`.
"""
