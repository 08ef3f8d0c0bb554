"""The Predict form: from the contract to fields, from a submitted form to a request.

Labels, headings, bounds, help and choices come from the contract, so form and API cannot disagree.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from bank_assets.contract.columns import Column, ColumnKind
from bank_assets.contract.contract import Contract
from bank_assets.core.economics.economics import MAXIMUM_EUR, Economics
from bank_assets.ledger.records import Decision
from bank_assets.reports.formats import field_text
from serving.decisions.payloads import Payloads
from serving.decisions.schemas import CONTACT_ID_LENGTH, FIRST_DATE, LAST_DATE, PredictionRequest
from serving.decisions.view_models import FieldGroup, FormField, PredictForm
from serving.web.problems import FieldError

ECONOMICS: Final = {"cost_eur": "Cost of a call", "value_eur": "Value of a subscription"}
FURTHER: Final = "Further details"  # heading of payload columns that the contract puts under none of its own
Values = Mapping[str, str]


def labels_of(contract: Contract) -> dict[str, str]:
    """Short names of the form's fields, for people."""
    columns = (*contract.payload, contract.contact_id, contract.contact_date)
    return {column.asked_as: column.title for column in columns} | ECONOMICS


def default_values(as_of: str, economics: Economics, contract: Contract) -> dict[str, str]:
    """A typical customer on the last day of data."""
    values = {column.source: str(column.typical) for column in contract.payload}
    return values | {
        "contact_id": "",
        "contact_date": as_of,
        "cost_eur": field_text(economics.cost_amount),
        "value_eur": field_text(economics.value_amount),
    }


def recorded_values(record: Decision, payload: Mapping[str, Any], contract: Contract) -> dict[str, str]:
    """The values of a decision on record, as form text; columns that came later have their defaults."""
    values = {column.source: str(payload.get(column.source, column.typical)) for column in contract.payload}
    return values | {
        "contact_id": record.contact_id or "",
        "contact_date": record.contact_date,
        **{name: f"{record.economics[name]:g}" for name in ECONOMICS},
    }


def sent_values(data: Mapping[str, Any], contract: Contract) -> dict[str, str]:
    """The known fields of a sent form, blanks trimmed."""
    return {name: str(data.get(name, "")).strip() for name in labels_of(contract)}


def request_from(values: Values, payloads: Payloads) -> PredictionRequest:
    """A sent form as a request."""
    raw: dict[str, Any] = {
        column.source: _number(values[column.source]) if column.is_number else values[column.source]
        for column in payloads.contract.payload
    }
    raw |= {name: values[name] for name in ("contact_id", "contact_date") if values[name]}
    economics = {name: _number(values[name]) for name in ECONOMICS if values[name]}
    if economics:
        raw["economics"] = economics
    return payloads.request_of(raw)


def _number(text: str) -> Any:
    """A number where it is one; other text stays and is refused by name."""
    try:
        value = float(text.replace(",", ".") if text.count(",") == 1 else text)
    except ValueError:
        return text
    return int(value) if value == value // 1 and abs(value) < 1e15 else value


def form_of(
    values: Values,
    contract: Contract,
    errors: tuple[FieldError, ...] = (),
    *,
    decision_id: str = "",
    is_out_of_band: bool = False,
) -> PredictForm:
    """The form with values and faults."""
    faults = {e.field.removeprefix("economics."): f"Expected {e.expected}; found {e.found}." for e in errors}
    groups = [
        FieldGroup(legend, [_column_field(one, values, faults.pop(one.asked_as, ""), contract) for one in columns])
        for legend, columns in _grouped(contract)
    ]
    economics = [_economics_field(name, values[name], faults.pop(name, "")) for name in ECONOMICS]
    groups.append(FieldGroup("Economics", economics))
    n_errors = sum(bool(one.error) for group in groups for one in group.fields)
    return PredictForm(groups, n_errors, " ".join(faults.values()), decision_id, is_out_of_band)


def _grouped(contract: Contract) -> list[tuple[str, list[Column]]]:
    """Headings with their columns in the contract's order, the optional contact id last."""
    columns = [contract.contact_date, *contract.payload, contract.contact_id]
    grouped = [(legend, [column for column in columns if column.group == legend]) for legend in contract.groups]
    further = [column for column in columns if column.group not in contract.groups]
    return [*grouped, *([(FURTHER, further)] if further else [])]


def _economics_field(name: str, value: str, error: str) -> FormField:
    meaning = "What the call costs, whatever its outcome." if name == "cost_eur" else "What a subscription earns."
    label, maximum = ECONOMICS[name], f"{MAXIMUM_EUR:.0f}"
    return FormField(name, label, meaning, "EUR", "number", value, [], "0.01", maximum, "any", error)


def _column_field(column: Column, values: Values, error: str, contract: Contract) -> FormField:
    name, label, value = column.asked_as, column.title, values[column.asked_as]
    if column is contract.contact_id:
        meaning = f"Optional: whom the decision is about, at most {CONTACT_ID_LENGTH} characters; erasable later."
        return FormField(name, label, meaning, "", "text", value, error=error)
    if column is contract.contact_date:
        meaning = "By default the last day of data. Much later days have old features, and the answer warns of it."
        return FormField(name, label, meaning, "", "date", value, [], str(FIRST_DATE), str(LAST_DATE), "", error)
    if column.is_number:
        low, high = column.minimum, column.maximum
        bounds = ("" if low is None else str(low), "" if high is None else str(high))
        meaning = column.description if low is None or high is None else f"{column.description} {low:,} to {high:,}."
        unit = "" if column.unit == "contacts" else column.unit  # the label says it already
        step = "" if column.kind is ColumnKind.INTEGER else "any"
        return FormField(name, label, meaning, unit, "number", value, [], *bounds, step, error)
    return FormField(name, label, column.description, "", "choice", value, list(column.categories), error=error)
