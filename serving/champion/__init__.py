"""The model in force, and the thread that keeps it current."""
