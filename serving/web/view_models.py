"""View models that several pages share: the frame, notices, problems, the login form.

Every template has one view model: a frozen dataclass whose `template` names the file, with a help text on every field.
The template sees it as `view`, and nothing else but `chrome`; a test compares both.
"""

# ruff: noqa: RUF009  `described` makes a dataclasses.field, which the rule knows by that name only

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from bank_assets.core.economics.economics import Economics
from bank_assets.ledger.accounts import Identity
from serving.web.problems import ProblemDetails

# Tones of badges, tiles and notices; each also has a word or a sign, never colour alone.
GOOD: Final = "good"
WATCH: Final = "watch"
BAD: Final = "bad"
PLAIN: Final = "plain"


def described(text: str, **options: Any) -> Any:
    """A field with its help text."""
    return field(metadata={"help": text}, **options)


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to know or to do."""

    tone: str = described("good, watch, bad or plain.")
    title: str = described("What is the case, in a few words.")
    text: str = described("Why it matters and what to do, as sentences.")
    href: str = described("Where to go on, or empty.", default="")
    action: str = described("Words of the link, or empty.", default="")


@dataclass(frozen=True, slots=True)
class Tile:
    """One figure with its name."""

    label: str = described("What the figure is.")
    value: str = described("The figure, formatted with its unit.")
    note: str = described("What it is compared with or based on.", default="")
    tone: str = described("good, watch, bad or plain.", default=PLAIN)


@dataclass(frozen=True, slots=True)
class NavItem:
    """An entry of the main navigation."""

    href: str = described("Path of the page.")
    label: str = described("Name of the page.")
    is_current: bool = described("True on this very page and below it.")


@dataclass(frozen=True, slots=True)
class PageChrome:
    """The frame around every page: where one is, who one is, what the numbers rest on."""

    template: ClassVar[str] = "base.html"
    nav: list[NavItem] = described("Pages that this person may open.")
    identity: Identity | None = described("The person, None if nobody is logged in.")
    is_local_mode: bool = described("True if everybody who reaches the port may do everything.")
    source: str = described("Where the champion's data comes from, empty if there is none.")
    is_real_data: bool = described("True if this data is not simulated or otherwise made up.")
    model_version: str = described("Version of the champion, empty if there is none.")
    as_of: str = described("Day of the as-of state (ISO), empty if none is published.")
    economics: Economics = described("Cost of a call and value of a subscription, as configured.")
    registry_problem: str = described("What is wrong with the model registry, empty if nothing.")
    is_on_probation: bool = described("True if the champion has not passed a gate.")


@dataclass(frozen=True, slots=True)
class LoginPage:
    """The login form."""

    template: ClassVar[str] = "pages/login.html"
    title: str = described("Title of the page.")
    error: str = described("Why the last try failed, empty on the first.")
    is_local_mode: bool = described("True if no login is needed here.")


@dataclass(frozen=True, slots=True)
class ProblemPart:
    """An error, as a part of a page."""

    template: ClassVar[str] = "partials/_problem.html"
    problem: ProblemDetails = described("Status, title, detail, fields that do not fit, request id.")
    way_on: str = described("What one can do now, as a sentence.")
    href: str = described("Where to go on.")
    action: str = described("Words of that link.")
    has_title: bool = described("False where the page's own heading says it.", default=True)


@dataclass(frozen=True, slots=True)
class PartPage:
    """A part as a page of its own, such as an error."""

    template: ClassVar[str] = "pages/part.html"
    title: str = described("Title of the page.")
    part: Any = described("The view model of the part; it names its template.")


@dataclass(frozen=True, slots=True)
class Table:
    """A small table of texts."""

    head: list[str] = described("Column names.")
    rows: list[list[str]] = described("Cells, formatted.", default_factory=list)
