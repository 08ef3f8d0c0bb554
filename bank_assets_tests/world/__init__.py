"""Test data: a customer, contacts by the day, bundles, a registry, homes and the app on them.

Each module makes one thing, with real code if that takes less than a second.
"""
