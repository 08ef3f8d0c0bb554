"""Dagster resources: one per file, each a thin wrapper of a plain class that does not import Dagster.

Settings come from `bank_assets.settings`; `deployment` builds the resources from them.
"""
