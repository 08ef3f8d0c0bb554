"""What the Audit pages show: search, one record, its replay, the chain."""

# ruff: noqa: RUF009  `described` makes a dataclasses.field, which the rule knows by that name only

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from serving.decisions.outcome_schemas import OutcomeReport
from serving.decisions.record_schemas import DecisionSummary
from serving.decisions.view_models import DecisionView
from serving.web.view_models import Table, described


@dataclass(frozen=True, slots=True)
class SearchForm:
    """What is searched for, as text."""

    id: str = described("Id of a decision.")
    contact_id: str = described("Contact that decisions are about.")
    actor: str = described("Who asked.")
    decision: str = described("call, do_not_call or empty for both.")
    model_version: str = described("Model version that decided.")
    since: str = described("First day (ISO).")
    until: str = described("Day after the last (ISO).")


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
    form: SearchForm = described("What is searched for.")
    results: SearchResults = described("What was found.")


@dataclass(frozen=True, slots=True)
class ChainView:
    """Result of a verification of the whole chain."""

    template: ClassVar[str] = "partials/_chain.html"
    is_ok: bool = described("True if every record, payload and the head fit together.")
    records: int = described("Records read.")
    erased: int = described("Records whose payload was erased, with an erasure on record.")
    why: str = described("What is wrong, or empty.")
    first_bad_seq: int | None = described("Where the chain breaks first, None if it is whole.")
    head_seq: int = described("Sequence number of the newest record.")
    head_hash: str = described("Its hash; keep both elsewhere as an anchor.")
    is_anchored: bool = described("True if it was compared with an anchor.")


@dataclass(frozen=True, slots=True)
class ChainPage:
    """The verification as a page."""

    template: ClassVar[str] = "pages/chain.html"
    title: str = described("Title of the page.")
    part: ChainView = described("The result.")


@dataclass(frozen=True, slots=True)
class ReplayRow:
    """One number, then and now."""

    name: str = described("Which number.")
    recorded: str = described("As recorded, all digits.")
    replayed: str = described("From the new run, all digits, or empty.")
    is_same: bool = described("True if both are the same to the last bit.")


@dataclass(frozen=True, slots=True)
class ReplayView:
    """A decision run again."""

    template: ClassVar[str] = "partials/_replay.html"
    status: str = described("identical, different or erased.")
    rows: list[ReplayRow] = described("Numbers then and now.")
    environment: Table = described("Code, runtime and processor, then and now.")
    model_version: str = described("Version that was run.")
    record_fault: str = described("What shows that the record was changed, or empty.")


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
