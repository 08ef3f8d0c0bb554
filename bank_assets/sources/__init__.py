"""Where contacts come from: the public UCI file, a user's own delivery, or the simulator; and how files are received.

What lives here: resolving `BANK_SOURCE`, landing it as monthly deliveries, registering delivered files as raw bytes,
and generating bank-shaped deliveries.
What must not: Spark, Dagster, models, row-level judgement (bad rows are quarantined with reasons in the tables stage).
Importing this package imports nothing else; import the submodules.
"""
