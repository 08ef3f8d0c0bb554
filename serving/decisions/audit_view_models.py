"""What the Audit pages show: search, one record, its replay, the chain."""

# ruff: noqa: RUF009  `told` makes a dataclasses.field, which the rule knows by that name only

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from serving.decisions.outcome_schemas import OutcomeReport
from serving.decisions.record_schemas import DecisionSummary
from serving.decisions.view_models import DecisionView
from serving.web.view_models import Table, told


@dataclass(frozen=True, slots=True)
class SearchForm:
    """What is searched for, as text."""

    id: str = told("Id of a decision.")
    contact_id: str = told("Contact that decisions are about.")
    actor: str = told("Who asked.")
    decision: str = told("call, do_not_call or empty for both.")
    model_version: str = told("Model version that decided.")
    since: str = told("First day (ISO).")
    until: str = told("Day after the last (ISO).")


@dataclass(frozen=True, slots=True)
class SearchResults:
    """Decisions found, newest first."""

    template: ClassVar[str] = "partials/_audit_results.html"
    rows: list[DecisionSummary] = told("Decisions of this page.")
    is_searched: bool = told("True if any criterion was given.")
    next_href: str = told("Address of older decisions, or empty.")


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Search and chain."""

    template: ClassVar[str] = "pages/audit.html"
    title: str = told("Title of the page.")
    form: SearchForm = told("What is searched for.")
    results: SearchResults = told("What was found.")


@dataclass(frozen=True, slots=True)
class ChainView:
    """Result of a verification of the whole chain."""

    template: ClassVar[str] = "partials/_chain.html"
    is_ok: bool = told("True if every record, payload and the head fit together.")
    records: int = told("Records read.")
    erased: int = told("Records whose payload was erased, with an erasure on record.")
    why: str = told("What is wrong, or empty.")
    first_bad_seq: int | None = told("Where the chain breaks first, None if it is whole.")
    head_seq: int = told("Sequence number of the newest record.")
    head_hash: str = told("Its hash; keep both elsewhere as an anchor.")
    is_anchored: bool = told("True if it was compared with an anchor.")


@dataclass(frozen=True, slots=True)
class ChainPage:
    """The verification as a page."""

    template: ClassVar[str] = "pages/chain.html"
    title: str = told("Title of the page.")
    part: ChainView = told("The result.")


@dataclass(frozen=True, slots=True)
class ReplayRow:
    """One number, then and now."""

    name: str = told("Which number.")
    recorded: str = told("As recorded, all digits.")
    replayed: str = told("From the new run, all digits, or empty.")
    is_same: bool = told("True if both are the same to the last bit.")


@dataclass(frozen=True, slots=True)
class ReplayView:
    """A decision run again."""

    template: ClassVar[str] = "partials/_replay.html"
    status: str = told("identical, different or erased.")
    rows: list[ReplayRow] = told("Numbers then and now.")
    environment: Table = told("Code, runtime and processor, then and now.")
    model_version: str = told("Version that was run.")
    record_fault: str = told("What shows that the record was changed, or empty.")


@dataclass(frozen=True, slots=True)
class RecordPage:
    """Everything on record about one decision."""

    template: ClassVar[str] = "pages/record.html"
    title: str = told("Title of the page.")
    id: str = told("Id of the decision.")
    decision: DecisionView = told("The decision as its asker saw it.")
    inputs: Table = told("The customer's values; empty once erased.")
    erased: str = told("When and why the payload was erased, or empty.")
    lineage: Table = told("Model, run, snapshot, data, code behind the decision.")
    as_of_features: Table = told("What was known on the as-of day.")
    chain: Table = told("Place in the chain: number and hashes.")
    outcomes: list[OutcomeReport] = told("What became of the contact, every report.")
    replay: ReplayView | None = told("A replay just made, None before.")
