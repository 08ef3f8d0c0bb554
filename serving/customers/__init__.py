"""Customers: the suppression list."""
