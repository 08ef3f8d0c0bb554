"""The Predict form: from the contract to fields, from a submitted form to a request.

Labels, headings, bounds, help and choices come from the contract, so form and API cannot disagree.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from bank_assets.contract.column_rules import PLANNED
from bank_assets.contract.columns import Column, ColumnKind, ColumnRole, NumberSigns
from bank_assets.contract.contract import Contract
from bank_assets.contract.values import (
    IDENTIFIER_LENGTH,
    SPACE,
    decimal_number,
    found_words,
    number_meant,
    number_text,
    value_text,
)
from bank_assets.core.economics.economics import MAXIMUM_EUR, Economics
from bank_assets.ledger.records import Decision
from bank_assets.reports.formats import field_text
from serving.decisions.payloads import Payloads
from serving.decisions.schemas import MINIMUM_EUR, EconomicsRequest, PredictionRequest
from serving.decisions.view_models import FieldGroup, FormField, PredictForm
from serving.web.problems import FieldError, PayloadError

ECONOMICS: Final = {"cost_eur": "Cost of a call", "value_eur": "Value of a subscription"}
FURTHER: Final = "Further details"  # heading of payload columns that the contract puts under none of its own
IDENTIFIED: Final = {
    ColumnRole.CONTACT_ID: "whom the decision is about",
    ColumnRole.CUSTOMER_ID: "the person behind the contact",
}
Values = Mapping[str, str]


def labels_of(contract: Contract) -> dict[str, str]:
    """Short names of the form's fields, for people."""
    columns = (*contract.payload, *contract.identifiers.values(), contract.contact_date)
    return {column.source: column.title for column in columns} | ECONOMICS


def default_values(as_of: str, economics: Economics, contract: Contract) -> dict[str, str]:
    """A typical customer on the last day of data."""
    values = {column.source: value_text(column.typical, contract.signs(column)) for column in contract.payload}
    return values | {
        **{column.source: "" for column in contract.identifiers.values()},
        contract.contact_date.source: as_of,
        "cost_eur": field_text(economics.cost_amount, contract.signs()),
        "value_eur": field_text(economics.value_amount, contract.signs()),
    }


def recorded_values(record: Decision, payload: Mapping[str, Any], contract: Contract) -> dict[str, str]:
    """The values of a decision on record, as form text; columns that came later have their defaults."""
    values = {c.source: value_text(payload.get(c.source, c.typical), contract.signs(c)) for c in contract.payload}
    return values | {
        **{column.source: getattr(record, name) or "" for name, column in contract.identifiers.items()},
        contract.contact_date.source: record.contact_date,
        **{name: number_text(record.economics[name], contract.signs()) for name in ECONOMICS},
    }


def sent_values(data: Mapping[str, Any], contract: Contract) -> dict[str, str]:
    """The known fields of a sent form, trimmed as the fields of a file are."""
    return {name: str(data.get(name, "")).strip(SPACE) for name in labels_of(contract)}


def request_from(values: Values, payloads: Payloads) -> PredictionRequest:
    """A sent form as a request."""
    signs = payloads.contract.signs()
    faults: list[FieldError] = []
    economics: dict[str, float] = {}
    for name in ECONOMICS:
        amount = decimal_number(values[name], signs, is_money=True)
        if amount is not None and MINIMUM_EUR <= amount <= MAXIMUM_EUR:
            economics[name] = amount
        elif values[name]:
            expected = f"an amount from {MINIMUM_EUR} to {MAXIMUM_EUR:,.0f}"
            faults.append(FieldError(name, expected, found_words(values[name], number_meant(values[name], signs))))
    try:
        request = payloads.request_of_text(values)
    except PayloadError as error:
        raise PayloadError(*error.errors, *faults) from None
    if faults:
        raise PayloadError(*faults)
    return msgspec.structs.replace(request, economics=EconomicsRequest(**economics)) if economics else request


def form_of(
    values: Values,
    contract: Contract,
    errors: tuple[FieldError, ...] = (),
    *,
    decision_id: str = "",
    is_out_of_band: bool = False,
) -> PredictForm:
    """The form with values and faults."""
    faults = {e.field: f"Expected {e.expected}; found {e.found}." for e in errors}
    groups = [
        FieldGroup(legend, [_column_field(c, values[c.source], faults.pop(c.source, ""), contract) for c in columns])
        for legend, columns in _grouped(contract)
    ]
    kind = _number_kind(contract.signs())
    economics = [_economics_field(name, kind, values[name], faults.pop(name, "")) for name in ECONOMICS]
    groups.append(FieldGroup("Economics", economics))
    n_errors = sum(bool(one.error) for group in groups for one in group.fields)
    return PredictForm(groups, n_errors, " ".join(faults.values()), decision_id, is_out_of_band)


def _grouped(contract: Contract) -> list[tuple[str, list[Column]]]:
    """Headings with their columns in the contract's order, the optional identifiers last."""
    columns = [contract.contact_date, *contract.payload, *contract.identifiers.values()]
    grouped = [(legend, [column for column in columns if column.group == legend]) for legend in contract.groups]
    further = [column for column in columns if column.group not in contract.groups]
    return [*grouped, *([(FURTHER, further)] if further else [])]


def _number_kind(signs: NumberSigns) -> str:
    return "number" if signs == NumberSigns() else "text"  # HTML's numbers have a point and no thousands sign


def _economics_field(name: str, kind: str, value: str, error: str) -> FormField:
    meaning = "What the call costs, whatever its outcome." if name == "cost_eur" else "What a subscription earns."
    label, maximum = ECONOMICS[name], f"{MAXIMUM_EUR:.0f}"
    return FormField(name, label, meaning, "EUR", kind, value, [], "0.01", maximum, "any", error)


def _column_field(column: Column, value: str, error: str, contract: Contract) -> FormField:
    name, label = column.source, column.title
    if column.role in IDENTIFIED:
        meaning = f"Optional: {IDENTIFIED[column.role]}, at most {IDENTIFIER_LENGTH} characters; erasable later."
        return FormField(name, label, meaning, "", "text", value, error=error)
    if column is contract.contact_date:
        meaning = "By default the last day of data. Much later days have old features, and the answer warns of it."
        return FormField(name, label, meaning, "", "date", value, [], str(PLANNED.first), str(PLANNED.last), "", error)
    if column.is_number:
        bounds, meaning = (column.minimum, column.maximum), column.description
        if None not in bounds:
            meaning = f"{meaning} {column.minimum:,} to {column.maximum:,}."
        low, high = ("" if bound is None else str(bound) for bound in bounds)
        unit = "" if column.unit == "contacts" else column.unit  # the label says it already
        step = "" if column.kind is ColumnKind.INTEGER else "any"
        return FormField(
            name, label, meaning, unit, _number_kind(contract.signs(column)), value, [], low, high, step, error
        )
    return FormField(name, label, column.description, "", "choice", value, list(column.categories), error=error)
