"""What every page shows: the frame around pages, notices, problems, the login form.

What lives here: the base of view models and those that several pages share; each page has its own module beside this.
What must not: reading anything (services and controllers do), HTML, rounding (filters do that).

One template, one view model: a frozen dataclass whose `template` names the file, with a help text on every field. The
template sees it as `view` and nothing else but `shell`; a test holds both together.
"""

# ruff: noqa: RUF009  `told` makes a dataclasses.field, which the rule knows by that name only

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from bank_assets.core.economics.economics import Amount
from serving.web.problems import Problem

GOOD: Final = "good"
WATCH: Final = "watch"
BAD: Final = "bad"
PLAIN: Final = "plain"
"""Tones of badges, tiles and notices; each also has a word or a sign, never colour alone."""


def told(text: str, **options: Any) -> Any:
    """A field with its help text.

    Args:
        text: what the field is, with its unit.
        options: of `dataclasses.field`, such as a default.
    """
    return field(metadata={"help": text}, **options)


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to know or to do."""

    tone: str = told("good, watch, bad or plain.")
    title: str = told("What is the case, in a few words.")
    text: str = told("Why it matters and what to do, as sentences.")
    href: str = told("Where to go on, or empty.", default="")
    action: str = told("Words of the link, or empty.", default="")


@dataclass(frozen=True, slots=True)
class Tile:
    """One figure with its name."""

    label: str = told("What the figure is.")
    value: str = told("The figure, formatted with its unit.")
    note: str = told("What it is compared with or based on.", default="")
    tone: str = told("good, watch, bad or plain.", default=PLAIN)


@dataclass(frozen=True, slots=True)
class NavItem:
    """An entry of the main navigation."""

    href: str = told("Path of the page.")
    label: str = told("Name of the page.")
    is_current: bool = told("True on this very page and below it.")


@dataclass(frozen=True, slots=True)
class PageChrome:
    """The frame around every page: where one is, who one is, what the numbers rest on."""

    template: ClassVar[str] = "base.html"
    nav: list[NavItem] = told("Pages that this person may open.")
    user: str = told("Name of the person, empty if nobody is logged in.")
    role: str = told("Role of the person, empty if nobody is logged in.")
    is_local_mode: bool = told("True if everybody who reaches the port may do everything.")
    source: str = told("Where the data of the model in force comes from.")
    source_tone: str = told("Tone of the source: good for real data, watch for simulated or unknown.")
    model_version: str = told("Version in force, empty if there is none.")
    as_of: str = told("Day of the as-of state (ISO), empty if none is published.")
    cost: Amount = told("Cost of one call, as configured.")
    value: Amount = told("Value of one subscription, as configured.")
    threshold: float | None = told("Break-even probability of both, [0, 1]; None where it differs by customer.")
    registry_problem: str = told("What is wrong with the model registry, empty if nothing.")
    is_on_probation: bool = told("True if the version in force has not passed a gate.")


@dataclass(frozen=True, slots=True)
class LoginPage:
    """The login form."""

    template: ClassVar[str] = "pages/login.html"
    title: str = told("Title of the page.")
    error: str = told("Why the last try failed, empty on the first.")
    is_local_mode: bool = told("True if no login is needed here.")


@dataclass(frozen=True, slots=True)
class ProblemPart:
    """An error, as a part of a page."""

    template: ClassVar[str] = "partials/_problem.html"
    problem: Problem = told("Status, title, detail, fields that do not fit, request id.")
    way_on: str = told("What one can do now, as a sentence.")
    href: str = told("Where to go on.")
    action: str = told("Words of that link.")
    has_title: bool = told("False where the page's own heading says it.", default=True)


@dataclass(frozen=True, slots=True)
class ProblemPage:
    """An error, as a page."""

    template: ClassVar[str] = "errors/problem.html"
    title: str = told("Title of the page.")
    part: ProblemPart = told("The error itself.")


@dataclass(frozen=True, slots=True)
class EmptyState:
    """Why there is nothing to see yet, and how to get it."""

    title: str = told("What is missing.")
    text: str = told("What makes it, as a sentence.")
    command: str = told("Command that makes it, or empty.", default="")


@dataclass(frozen=True, slots=True)
class Table:
    """A small table of texts."""

    head: list[str] = told("Column names.")
    rows: list[list[str]] = told("Cells, formatted.", default_factory=list)
