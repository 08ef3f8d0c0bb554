"""Errors of the contract; each message says what was expected, what was found and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

# Name of the rule that error messages and checks cite when a post-contact column is offered as an input.
LEAKAGE_RULE: Final = "post_contact_columns_are_never_inputs"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that does not fit; `column` is the delivery name of the column at fault, or ""."""

    sentence: str
    column: str = ""

    def __str__(self) -> str:
        return f"column {self.column}: {self.sentence}" if self.column else self.sentence


class ContractError(ValueError):
    """Something does not fit the contract; the message says what was expected, what was found and what to do.

    `problems` lists what is wrong with a contract itself.
    """

    def __init__(self, message: str, problems: Sequence[Problem] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)


class LeakageError(ContractError):
    """A column that is known only after the call was offered as an input."""
