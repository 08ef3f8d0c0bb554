"""Drift, realised performance, what the loop judged, reports, health and metrics."""
