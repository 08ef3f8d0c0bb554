"""A model version: its bundle, the one scorer, calibration, ranges, forecasts and explanations."""
