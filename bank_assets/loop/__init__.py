"""What is left to do, read from what is stored, and the runs that do it.

Nothing here remembers what was requested. Each look compares what was delivered, assessed and promoted with what was
made of it, so a killed daemon, a failed run and a restored folder are one case: work is left.
"""
