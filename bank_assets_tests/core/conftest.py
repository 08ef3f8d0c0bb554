"""Settings of property tests: no deadline, because a busy machine is slow without being wrong."""

from hypothesis import settings

settings.register_profile("no_deadline", deadline=None)
settings.load_profile("no_deadline")
