"""One customer in the form of each input of the platform; a test names what differs."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from bank_assets.contract.uci import MONTHS, UCI

DELIVERED = {
    "contact_id": "c-1",
    "contact_date": "2008-05-05",
    "age": 58,
    "job": "management",
    "marital": "married",
    "education": "tertiary",
    "default": "no",
    "balance": 2143,
    "housing": "yes",
    "loan": "no",
    "contact": "unknown",
    "day": 5,
    "month": "may",
    "duration": 261,
    "campaign": 1,
    "pdays": -1,
    "previous": 0,
    "poutcome": "unknown",
    "y": "no",
}
"""A row of a delivery, in source names; a campaign's row is the same without what a call brings."""

STORED = {
    "contact_id": "c-1",
    "contact_date": date(2008, 5, 5),
    "age_years": 58,
    "job": "management",
    "marital_status": "married",
    "education": "tertiary",
    "has_credit_default": False,
    "balance_eur": 2143,
    "has_housing_loan": True,
    "has_personal_loan": False,
    "contact_channel": "unknown",
    "contact_day": 5,
    "contact_month": "may",
    "contacts_in_campaign": 1,
    "days_since_previous_contact": None,
    "was_previously_contacted": False,
    "previous_contacts": 0,
    "previous_outcome": "unknown",
    "delivery_arrival": 1,
}
"""The same customer in the table `contacts`."""


def delivered(**changes: Any) -> dict[str, Any]:
    """A delivered row; `day` and `month` follow a changed `contact_date`."""
    row = {**DELIVERED, **changes}
    if isinstance(changes.get("contact_date"), str):
        try:
            day = date.fromisoformat(changes["contact_date"])
        except ValueError:
            return row
        row |= {"day": day.day, "month": MONTHS[day.month - 1]} | changes
    return row


def delimited(
    rows: Iterable[Mapping[str, Any]],
    columns: Sequence[str] = UCI.delivery_columns,
    delimiter: str = ";",
    line_end: str = "\n",
) -> str:
    """Rows as a delivered text, its header first; what a row lacks is empty."""
    lines = [columns, *([str(row.get(name, "")) for name in columns] for row in rows)]
    return "".join(delimiter.join(line) + line_end for line in lines)
