"""Spark: the session of a process, and the work that runs in its tasks. Assets pass the session in."""
