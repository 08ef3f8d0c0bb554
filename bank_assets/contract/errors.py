"""Errors of the contract; each message says what was expected, what was found and what to do."""

from __future__ import annotations

from typing import Final

# Name of the rule that error messages and checks cite when a post-contact column is offered as an input.
LEAKAGE_RULE: Final = "post_contact_columns_are_never_inputs"


class ContractError(ValueError):
    """Something does not fit the contract; the message says what was expected, what was found and what to do."""


class LeakageError(ContractError):
    """A column that is known only after the call was offered as an input."""
