"""What the Predict page shows: the form, the decision, the what-if."""

# ruff: noqa: RUF009  `described` makes a dataclasses.field, which the rule knows by that name only

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from bank_assets.ledger.records import Decision, Draft
from serving.web.view_models import described


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
class RangeBar:
    """Probability, range and threshold on a bar from 0 to 100 %."""

    at: float = described("Probability, per cent of the bar.")
    low: float = described("Lower end of the range, per cent.")
    width: float = described("Width of the range, per cent.")
    cut: float = described("Break-even threshold, per cent.")
    sentence: str = described("The same in words.")


@dataclass(frozen=True, slots=True)
class ReasonBar:
    """One signed reason as a bar around a middle line."""

    label: str = described("What is true of the customer.")
    amount: str = described("Signed effect on the probability, percentage points.")
    sentence: str = described("Label and effect as a sentence.")
    start: float = described("Left end of the bar, per cent of its track.")
    width: float = described("Width of the bar, per cent.")
    is_raising: bool = described("True if it raises the probability.")


@dataclass(frozen=True, slots=True)
class DecisionView:
    """A decision that is on record."""

    template: ClassVar[str] = "partials/_prediction.html"
    record: Decision = described("The record.")
    is_call: bool = described("True if the customer should be called.")
    because: str = described("Why, in one sentence with the threshold.")
    threshold_name: str = described("What the threshold is, in words.")
    bar: RangeBar = described("Probability, range and threshold as a bar.")
    base_probability: float | None = described(
        "Where the reasons start: the typical probability, [0, 1]; None without."
    )
    reasons: list[ReasonBar] = described("Signed reasons, the weightiest first; empty if they cannot be given.")
    other_reasons: list[ReasonBar] = described("The lighter reasons.")
    reasons_problem: str = described("Why there are no reasons, or empty.")
    warnings: list[str] = described("What to be careful about: stale features, values never seen in training.")
    may_audit: bool = described("True if this person may open the record.")


@dataclass(frozen=True, slots=True)
class WhatIf:
    """What the model would say about changed values: no decision, not on record."""

    template: ClassVar[str] = "partials/_what_if.html"
    fault: str = described("What does not fit in the form, or empty.", default="")
    draft: Draft | None = described("The decision that would be made, None before a field is changed.", default=None)
    is_suppressed: bool = described("True if the customer objected, so that nobody calls.", default=False)
    difference: float | None = described(
        "Probability less that on record, [-1, 1]; None without a record.", default=None
    )
    changes: list[str] = described("Fields that differ from the record, in words.", default_factory=list)
    bar: RangeBar | None = described("Probability, range and threshold as a bar.", default=None)


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
