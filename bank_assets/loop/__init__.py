"""What is left to do, read from what is stored: the questions that schedules and sensors ask before they ask for a run.

Nothing here remembers what was asked for. Each look compares what was delivered, judged and promoted with what was made
of it, so a daemon that was killed, a run that failed and a folder that came back are all the same case: work is left.
"""
