"""Alerts as values: kinds, words, episodes."""
