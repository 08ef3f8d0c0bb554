"""What the pages show of the feeds: what the calls of a list came to, and the form that reports it."""

# ruff: noqa: RUF009  `described` makes a dataclasses.field, which the rule knows by that name only

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from serving.feeds.reports import FeedAnswer
from serving.web.view_models import described


@dataclass(frozen=True, slots=True)
class DispositionsView:
    """What the calls of a list came to."""

    template: ClassVar[str] = "partials/_dispositions.html"
    list_id: str = described("Id of the list.")
    counts: dict[str, int] = described("Calls on record by disposition, contradicting reports included.")
    answer: FeedAnswer | None = described("What became of the file that was sent, None if none was.")
