"""The demo: the loop on history in real processes."""
