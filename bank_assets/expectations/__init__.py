"""Great Expectations only: suites built from the contract, the runner, and our own summary of what it found.

What lives here: everything that imports great_expectations. What must not: verdicts about a whole month (the
validation asset adds the reject rate), customer values in any result. GX objects never leave this package.
"""
