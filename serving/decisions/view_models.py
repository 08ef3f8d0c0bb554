"""What the Predict and Audit pages show: the form, the decision, the what-if; searches, one record, the chain."""

# ruff: noqa: RUF009  `described` makes a dataclasses.field, which the rule knows by that name only

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from bank_assets.ledger.records import Decision, Draft
from serving.decisions.record_schemas import DecisionRecord, DecisionSummary, Replay, VerifyAnswer
from serving.decisions.schemas import Reasons
from serving.web.view_models import Notice, described


@dataclass(frozen=True, slots=True)
class FormField:
    """One field of the form, as the contract describes it."""

    name: str = described("Name of the field, the delivery's own.")
    label: str = described("Name for people.")
    help: str = described("What the value means.")
    unit: str = described("Unit of the value, or empty.")
    kind: str = described("number, choice, text or date.")
    value: str = described("The value in the form.")
    options: list[str] = described("Allowed values of a choice.", default_factory=list)
    minimum: str = described("Smallest allowed value, or empty.", default="")
    maximum: str = described("Largest allowed value, or empty.", default="")
    step: str = described("Step of a number, or empty.", default="")
    error: str = described("What was expected and found, or empty.", default="")


@dataclass(frozen=True, slots=True)
class FieldGroup:
    """Fields that belong together."""

    legend: str = described("What they are about.")
    fields: list[FormField] = described("The fields.")


@dataclass(frozen=True, slots=True)
class PredictForm:
    """The form, with its values and faults."""

    template: ClassVar[str] = "partials/_predict_form.html"
    groups: list[FieldGroup] = described("Fields by group.")
    n_errors: int = described("Number of fields that do not fit.")
    general_error: str = described("A fault of no single field, or empty.")
    decision_id: str = described("Decision on record that a what-if is compared with, or empty.")
    is_out_of_band: bool = described("True if the form rides along with another partial and replaces itself by id.")


@dataclass(frozen=True, slots=True)
class DecisionView:
    """A decision that is on record."""

    template: ClassVar[str] = "partials/_prediction.html"
    record: Decision = described("The record.")
    because: str = described("Why, in one sentence with the threshold.")
    threshold_name: str = described("What the threshold is, in words.")
    reasons: Reasons | None = described("Signed reasons, the weightiest first; None if they cannot be given.")
    reasons_problem: str = described("Why there are no reasons, or empty.")
    warnings: list[str] = described("What to be careful about: stale features, values never seen in training.")
    may_audit: bool = described("True if this person may open the record.")
    notices: list[Notice] = described(
        "What is known about the customer: an earlier decision, lists, the contact policy.", default_factory=list
    )


@dataclass(frozen=True, slots=True)
class WhatIf:
    """What the model would say about changed values: no decision, not on record."""

    template: ClassVar[str] = "partials/_what_if.html"
    fault: str = described("What does not fit in the form, or empty.", default="")
    draft: Draft | None = described("The decision that would be made, None before a field is changed.", default=None)
    forbidden_by: str = described("The rule that forbids the call, in words, or empty.", default="")
    difference: float | None = described("Probability less that on record, or None without a record.", default=None)
    changes: list[str] = described("Fields that differ from the record, in words.", default_factory=list)
    threshold_name: str = described("What the threshold is, in words.", default="")


@dataclass(frozen=True, slots=True)
class PredictResult:
    """Answer of htmx to a decision: the decision, the renewed form, the emptied what-if."""

    template: ClassVar[str] = "partials/_predict_answer.html"
    decision: DecisionView = described("The decision on record.")
    form: PredictForm = described("The form with the values that were decided about.")


@dataclass(frozen=True, slots=True)
class PredictPage:
    """The whole page."""

    template: ClassVar[str] = "pages/predict.html"
    form: PredictForm = described("The form.")
    decision: DecisionView | None = described("The decision on record, None before the first.", default=None)
    what_if: WhatIf = described("The what-if panel.", default=WhatIf())
    title: str = described("Title of the page.", default="Decide about a customer")


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
class ReplayView:
    """A decision run again."""

    template: ClassVar[str] = "partials/_replay.html"
    found: Replay = described("The recorded numbers and environment beside those of the new run.")


@dataclass(frozen=True, slots=True)
class RecordPage:
    """Everything on record about one decision."""

    template: ClassVar[str] = "pages/record.html"
    title: str = described("Title of the page.")
    decision: DecisionView = described("The decision as the Predict page shows it.")
    record: DecisionRecord = described("The record with its lineage, place in the chain and outcomes.")
    labels: dict[str, str] = described("Names of the customer's values for people.")
    replay: ReplayView | None = described("A replay just made, None before.")
    list_href: str = described("Address of the list of a row; empty for others, or if this person may not open it.")
