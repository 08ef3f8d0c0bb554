"""What the Audit pages show: search, one record, its replay, the chain."""

# ruff: noqa: RUF009  `described` makes a dataclasses.field, which the rule knows by that name only

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from serving.decisions.record_schemas import DecisionSummary, OutcomeReport, Replay, VerifyAnswer
from serving.decisions.view_models import DecisionView
from serving.web.view_models import Table, described


@dataclass(frozen=True, slots=True)
class SearchResults:
    """Decisions found, newest first."""

    template: ClassVar[str] = "partials/_audit_results.html"
    rows: list[DecisionSummary] = described("Decisions of this page.")
    is_searched: bool = described("True if any criterion was given.")
    next_href: str = described("Address of older decisions, or empty.")


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Search and chain."""

    template: ClassVar[str] = "pages/audit.html"
    title: str = described("Title of the page.")
    form: dict[str, str] = described("What is searched for, as text by field.")
    results: SearchResults = described("What was found.")


@dataclass(frozen=True, slots=True)
class ChainView:
    """Result of a verification of the whole chain."""

    template: ClassVar[str] = "partials/_chain.html"
    found: VerifyAnswer = described("What the verification found.")
    is_anchored: bool = described("True if it was compared with an anchor.")


@dataclass(frozen=True, slots=True)
class ChainPage:
    """The verification as a page."""

    template: ClassVar[str] = "pages/chain.html"
    title: str = described("Title of the page.")
    part: ChainView = described("The result.")


@dataclass(frozen=True, slots=True)
class ReplayView:
    """A decision run again."""

    template: ClassVar[str] = "partials/_replay.html"
    found: Replay = described("The recorded numbers beside those of the new run.")
    rows: list[tuple[str, str, str]] = described("Name, recorded and replayed number, all digits.")
    environment: Table = described("Code, runtime and processor, then and now.")


@dataclass(frozen=True, slots=True)
class RecordPage:
    """Everything on record about one decision."""

    template: ClassVar[str] = "pages/record.html"
    title: str = described("Title of the page.")
    id: str = described("Id of the decision.")
    decision: DecisionView = described("The decision as its asker saw it.")
    inputs: Table = described("The customer's values; empty once erased.")
    erased: str = described("When and why the payload was erased, or empty.")
    lineage: Table = described("Model, run, snapshot, data, code behind the decision.")
    as_of_features: Table = described("What was known on the as-of day.")
    chain: Table = described("Place in the chain: number and hashes.")
    outcomes: list[OutcomeReport] = described("What became of the contact, every report.")
    replay: ReplayView | None = described("A replay just made, None before.")
