"""What the Predict page shows: the form, the decision, the what-if."""

# ruff: noqa: RUF009  `told` makes a dataclasses.field, which the rule knows by that name only

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from serving.web.view_models import told


@dataclass(frozen=True, slots=True)
class FormField:
    """One field of the form, as the contract describes it."""

    name: str = told("Name of the field, the delivery's own.")
    label: str = told("Name for people.")
    help: str = told("What the value means.")
    unit: str = told("Unit of the value, or empty.")
    kind: str = told("number, choice, text or date.")
    value: str = told("The value in the form.")
    options: list[str] = told("Allowed values of a choice.", default_factory=list)
    minimum: str = told("Smallest allowed value, or empty.", default="")
    maximum: str = told("Largest allowed value, or empty.", default="")
    step: str = told("Step of a number, or empty.", default="")
    error: str = told("What was expected and found, or empty.", default="")


@dataclass(frozen=True, slots=True)
class FieldGroup:
    """Fields that belong together."""

    legend: str = told("What they are about.")
    fields: list[FormField] = told("The fields.")


@dataclass(frozen=True, slots=True)
class PredictForm:
    """The form, with its values and faults."""

    template: ClassVar[str] = "partials/_predict_form.html"
    groups: list[FieldGroup] = told("Fields by group.")
    n_errors: int = told("Number of fields that do not fit.")
    general_error: str = told("A fault of no single field, or empty.")
    decision_id: str = told("Decision on record that a what-if is compared with, or empty.")
    is_out_of_band: bool = told("True if the form rides along with another partial and replaces itself by id.")


@dataclass(frozen=True, slots=True)
class RangeBar:
    """Probability, range and threshold on a bar from 0 to 100 %."""

    at: float = told("Probability, per cent of the bar.")
    low: float = told("Lower end of the range, per cent.")
    width: float = told("Width of the range, per cent.")
    cut: float = told("Break-even threshold, per cent.")
    sentence: str = told("The same in words.")


@dataclass(frozen=True, slots=True)
class ReasonBar:
    """One signed reason as a bar around a middle line."""

    label: str = told("What is true of the customer.")
    amount: str = told("Signed effect on the probability, percentage points.")
    sentence: str = told("Label and effect as a sentence.")
    start: float = told("Left end of the bar, per cent of its track.")
    width: float = told("Width of the bar, per cent.")
    is_raising: bool = told("True if it raises the probability.")


@dataclass(frozen=True, slots=True)
class DecisionView:
    """A decision that is on record."""

    template: ClassVar[str] = "partials/_prediction.html"
    id: str = told("Id of the record.")
    is_call: bool = told("True if the customer should be called.")
    verdict: str = told("The decision in words.")
    because: str = told("Why, in one sentence with the threshold.")
    probability: float = told("Probability of a subscription, [0, 1].")
    probability_low: float = told("Lower end of its range, [0, 1].")
    probability_high: float = told("Upper end of its range, [0, 1].")
    threshold: float = told("Probability that decided, [0, 1].")
    threshold_name: str = told("What that threshold is, in words.")
    expected_profit_eur: float = told("Expected profit of the call, EUR.")
    prediction: str = told("yes or no by the model's F1 threshold.")
    cost_eur: float = told("Cost of the call used, EUR.")
    value_eur: float = told("Value of a subscription used, EUR.")
    bar: RangeBar = told("Probability, range and threshold as a bar.")
    base_probability: float | None = told("Where the reasons start: the typical probability, [0, 1]; None without.")
    reasons: list[ReasonBar] = told("Signed reasons, the weightiest first; empty if they cannot be given.")
    other_reasons: list[ReasonBar] = told("The lighter reasons.")
    reasons_problem: str = told("Why there are no reasons, or empty.")
    warnings: list[str] = told("What to be careful about: stale features, values never seen in training.")
    contact_date: str = told("Day of the planned call (ISO).")
    decided_at: str = told("When it was decided and recorded (ISO).")
    actor: str = told("Who asked.")
    model_version: str = told("Model version that decided.")
    as_of: str = told("Day of the as-of state used (ISO), or empty.")
    may_audit: bool = told("True if this person may open the record.")


@dataclass(frozen=True, slots=True)
class WhatIf:
    """What the model would say about changed values: no decision, not on record."""

    template: ClassVar[str] = "partials/_what_if.html"
    is_empty: bool = told("True if nothing was asked yet.")
    fault: str = told("What does not fit in the form, or empty.", default="")
    probability: float | None = told("Probability with the changed values, [0, 1].", default=None)
    probability_low: float | None = told("Lower end of its range.", default=None)
    probability_high: float | None = told("Upper end of its range.", default=None)
    is_call: bool = told("True if the decision would be to call.", default=False)
    is_suppressed: bool = told("True if the customer objected, so that nobody calls.", default=False)
    expected_profit_eur: float | None = told("Expected profit of the call, EUR.", default=None)
    difference: float | None = told("Probability less that on record, [-1, 1]; None without a record.", default=None)
    changes: list[str] = told("Fields that differ from the record, in words.", default_factory=list)
    has_record: bool = told("True if it is compared with a decision on record.", default=False)
    bar: RangeBar | None = told("Probability, range and threshold as a bar.", default=None)


@dataclass(frozen=True, slots=True)
class PredictResult:
    """Answer of htmx to a decision: the decision, the renewed form, the emptied what-if."""

    template: ClassVar[str] = "partials/_predict_answer.html"
    decision: DecisionView = told("The decision on record.")
    form: PredictForm = told("The form with the values that were decided about.")


@dataclass(frozen=True, slots=True)
class PredictPage:
    """The whole page."""

    template: ClassVar[str] = "pages/predict.html"
    title: str = told("Title of the page.")
    form: PredictForm = told("The form.")
    decision: DecisionView | None = told("The decision on record, None before the first.")
    what_if: WhatIf = told("The what-if panel.")
