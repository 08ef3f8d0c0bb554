"""What the Customers pages show: one customer's record, and who objected."""

# ruff: noqa: RUF009  `described` makes a dataclasses.field, which the rule knows by that name only

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from bank_assets.ledger.persons import Objection
from serving.customers.schemas import PolicyAnswer
from serving.web.problems import FieldError
from serving.web.view_models import Notice, Table, described


@dataclass(frozen=True, slots=True)
class Section:
    """One kind of rows about a customer."""

    title: str = described("What they are.")
    head: list[str] = described("Column names.")
    rows: list[tuple[str, list[str]]] = described("Address of the row, or empty, and its cells, formatted.")


@dataclass(frozen=True, slots=True)
class CustomerView:
    """Everything on record about a customer."""

    template: ClassVar[str] = "partials/_customer.html"
    policy: PolicyAnswer = described("Whether the customer may be called today, why not, and the open lists.")
    contacts: list[str] = described("Contacts that name the customer.")
    notices: list[Notice] = described("What to know before calling.")
    sections: list[Section] = described("Decisions, lists, dispositions, outcomes, subscriptions, objections.")


@dataclass(frozen=True, slots=True)
class CustomersPage:
    """Search for a customer."""

    template: ClassVar[str] = "pages/customers.html"
    title: str = described("Title of the page.")
    query: str = described("The identifier that is looked for, or empty.")
    found: CustomerView | None = described("The customer, None before a search or if nothing is on record.")
    hint: str = described("What may be wrong with an identifier that is not on record, or empty.")


@dataclass(frozen=True, slots=True)
class SuppressionView:
    """The form that takes objections."""

    template: ClassVar[str] = "partials/_suppressions.html"
    n_suppressed: int = described("People on the suppression list.")
    message: str = described("What the last change did, or empty.", default="")
    list_key: str = described("Key of the chosen list, to come back to.", default="")
    action: str = described("Where the form is sent.", default="/customers/objections")
    text: str = described("What was pasted and could not be used, so that it is not lost.", default="")
    reason: str = described("The reason that was stated with it.", default="")
    faults: Sequence[FieldError] = described("What does not fit.", default=())


@dataclass(frozen=True, slots=True)
class ObjectionsView:
    """Who objected."""

    template: ClassVar[str] = "pages/objections.html"
    title: str = described("Title of the page.")
    form: SuppressionView = described("The form that takes objections.")
    search: str = described("Part of an identifier that is looked for, or empty.")
    rows: list[Objection] = described("Objections found, the newest first.")
    is_cut: bool = described("True if more may be found than the page shows.")
    taken_back: Table = described("When, by whom and why objections were taken back, newest first; names nobody.")
    may_remove: bool = described("True if this person may take objections back.")
    fault: str = described("Why an objection was not taken back, or empty.")
