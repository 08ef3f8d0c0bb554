"""The Predict form: from the contract to fields, from a sent form to a request.

What lives here: labels, grouping, defaults, reading form text. What must not: HTTP, scoring.
Called by `controllers.pages_predict`. Bounds, help and choices are the contract's, so form and API cannot disagree.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from bank_assets.contract import BY_SOURCE, PAYLOAD_COLUMNS, Kind
from bank_assets.core.economics import MAXIMUM_EUR, Economics
from serving.errors import FieldError
from serving.payloads import request_of
from serving.schemas.predictions import CONTACT_ID_LENGTH, FIRST_DATE, LAST_DATE, PredictionRequest
from serving.view_models_predict import FieldGroup, FormField, PredictForm

LABELS: Final = {
    "age": "Age",
    "job": "Job",
    "marital": "Marital status",
    "education": "Education",
    "default": "Credit in default",
    "balance": "Yearly balance",
    "housing": "Housing loan",
    "loan": "Personal loan",
    "contact": "Channel",
    "campaign": "Contacts in this campaign",
    "pdays": "Days since last contact",
    "previous": "Earlier contacts",
    "poutcome": "Last campaign's outcome",
    "contact_id": "Contact id",
    "contact_date": "Day of the call",
    "cost_eur": "Cost of a call",
    "value_eur": "Value of a subscription",
}
GROUPS: Final = (
    ("Customer", ("age", "job", "marital", "education")),
    ("Accounts", ("balance", "default", "housing", "loan")),
    ("Earlier campaigns", ("pdays", "previous", "poutcome")),
    ("This call", ("contact_date", "contact", "campaign", "contact_id")),
    ("Economics", ("cost_eur", "value_eur")),
)
FORM_FIELDS: Final = (*PAYLOAD_COLUMNS, "contact_id", "contact_date", "cost_eur", "value_eur")
Values = Mapping[str, str]


def default_values(as_of: str, economics: Economics) -> dict[str, str]:
    """A typical customer on the last day of data.

    Args:
        as_of: that day, ISO.
        economics: the platform's.
    """
    values = {name: str(BY_SOURCE[name].default) for name in PAYLOAD_COLUMNS}
    return values | {
        "contact_id": "",
        "contact_date": as_of,
        "cost_eur": f"{economics.cost_eur:g}",
        "value_eur": f"{economics.value_eur:g}",
    }


def recorded_values(
    payload: Mapping[str, Any], contact_id: str | None, day: str, economics: Mapping[str, Any]
) -> dict[str, str]:
    """The values of a decision on record, as form text."""
    values = {name: str(payload[name]) for name in PAYLOAD_COLUMNS}
    return values | {
        "contact_id": contact_id or "",
        "contact_date": day,
        "cost_eur": f"{economics['cost_eur']:g}",
        "value_eur": f"{economics['value_eur']:g}",
    }


def sent_values(data: Mapping[str, Any]) -> dict[str, str]:
    """The known fields of a sent form, blanks trimmed."""
    return {name: str(data.get(name, "")).strip() for name in FORM_FIELDS}


def request_from(values: Values) -> PredictionRequest:
    """A sent form as a request.

    Raises:
        PayloadError: fields that do not fit, under the form's own field names.
    """
    raw: dict[str, Any] = {
        name: _number(values[name]) if BY_SOURCE[name].kind is Kind.INTEGER else values[name]
        for name in PAYLOAD_COLUMNS
    }
    raw |= {name: values[name] for name in ("contact_id", "contact_date") if values[name]}
    economics = {name: _number(values[name]) for name in ("cost_eur", "value_eur") if values[name]}
    if economics:
        raw["economics"] = economics
    return request_of(raw)


def _number(text: str) -> Any:
    """A number where it is one; other text stays and is refused by name."""
    try:
        value = float(text.replace(",", ".") if text.count(",") == 1 else text)
    except ValueError:
        return text
    return int(value) if value == value // 1 and abs(value) < 1e15 else value


def form_of(
    values: Values,
    errors: tuple[FieldError, ...] = (),
    *,
    decision_id: str = "",
    is_out_of_band: bool = False,
) -> PredictForm:
    """The form with values and faults.

    Args:
        values: text by field.
        errors: faults by field.
        decision_id: decision that a what-if is compared with.
        is_out_of_band: it rides along with another partial.
    """
    faults = {e.field.removeprefix("economics."): f"Expected {e.expected}; found {e.found}." for e in errors}
    groups = [
        FieldGroup(legend, [_field(name, values[name], faults.pop(name, "")) for name in names])
        for legend, names in GROUPS
    ]
    n_errors = sum(bool(one.error) for group in groups for one in group.fields)
    return PredictForm(groups, n_errors, " ".join(faults.values()), decision_id, is_out_of_band)


def _field(name: str, value: str, error: str) -> FormField:
    label = LABELS[name]
    if name in ("cost_eur", "value_eur"):
        meaning = "What the call costs, whatever its outcome." if name == "cost_eur" else "What a subscription earns."
        return FormField(name, label, meaning, "EUR", "number", value, [], "0.01", f"{MAXIMUM_EUR:.0f}", "any", error)
    column = BY_SOURCE[name]
    if name == "contact_id":
        meaning = f"Optional: whom the decision is about, at most {CONTACT_ID_LENGTH} characters; erasable later."
        return FormField(name, label, meaning, "", "text", value, error=error)
    if name == "contact_date":
        meaning = "The last day of data is offered; long after it the answer rests on old knowledge and says so."
        return FormField(name, label, meaning, "", "date", value, [], str(FIRST_DATE), str(LAST_DATE), "", error)
    if column.kind is Kind.INTEGER:
        bounds = (str(column.minimum), str(column.maximum))
        meaning = f"{column.description} {column.minimum:,} to {column.maximum:,}."
        unit = "" if column.unit == "contacts" else column.unit  # the label says it already
        return FormField(name, label, meaning, unit, "number", value, [], *bounds, "", error)
    return FormField(name, label, column.description, "", "choice", value, list(column.categories), error=error)
