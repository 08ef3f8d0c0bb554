"""Decisions: made, recorded, explained, read back, run again; page and API."""
