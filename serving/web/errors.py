"""What serving refuses: one exception per kind, and the fields that do not fit.

What lives here: exceptions. What must not: HTTP (`serving.web.problems` maps them), raising. Raised anywhere in
serving.
"""

from __future__ import annotations

import msgspec


class FieldError(msgspec.Struct, frozen=True, omit_defaults=True):
    """One field that does not fit.

    Attributes:
        field: delivery name of the field, "" for the whole row.
        expected: what would fit.
        found: what came, as JSON text, shortened.
        rule: name of the rule, if one has a name.
    """

    field: str
    expected: str
    found: str
    rule: str = ""


class ServingError(Exception):
    """Base of what serving raises itself."""


class ChampionUnavailableError(ServingError):
    """There is no model that may answer."""


class StateUnavailableError(ServingError):
    """No as-of state was published, so features cannot be made."""


class RecorderBusyError(ServingError):
    """More decisions wait for their commit than can be promised."""


class LedgerUnavailableError(ServingError):
    """The decision could not be put on record, so it must not be answered."""


class NotFoundError(ServingError):
    """What was asked for is not on record."""


class ConflictError(ServingError):
    """The request contradicts what is on record."""


class NotAuthenticatedError(ServingError):
    """No credentials, or credentials that are not valid."""


class ForbiddenError(ServingError):
    """Known, but not allowed."""


class RateLimitedError(ServingError):
    """Too many requests under this key."""


class MediaTypeError(ServingError):
    """A body in a format that is not read here."""


class PayloadError(ServingError):
    """Input that does not fit the contract, field by field."""

    def __init__(self, errors: tuple[FieldError, ...]) -> None:
        """Keep the field errors; the message names the first."""
        self.errors = errors
        super().__init__(first_of(errors))


def first_of(errors: tuple[FieldError, ...]) -> str:
    """The first of several faults as a sentence, with how many more there are."""
    first = errors[0]
    more = f" ({len(errors) - 1} more)" if len(errors) > 1 else ""
    return f"{first.field or 'body'}: expected {first.expected}, found {first.found}{more}; correct the request."
