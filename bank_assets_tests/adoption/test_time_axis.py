"""The time axis of a file: a date, or parts of dates in rows ordered by date, or none."""

from datetime import date, timedelta

import pytest

from bank_assets.adoption.column_facts import facts_of
from bank_assets.adoption.time_axis import find_time_axis
from bank_assets.contract.column_rules import Encoded

TODAY = date(2026, 11, 27)
WORKDAYS = [day for k in range(900) if (day := date(2008, 5, 5) + timedelta(k)).weekday() < 5]
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


def axis(**columns):
    facts = facts_of({name: Encoded.of(values) for name, values in columns.items()})
    return find_time_axis(facts, len(next(iter(columns.values()))), TODAY)


def months(days):
    return [MONTHS[day.month - 1] for day in days]


def test_a_date_column_is_the_time_axis_and_orders_the_rows():
    found = axis(customer_since=["2001-01-01", "1999-01-01"], call_date=["2011-03-02", "2011-03-01"])
    assert (found.is_stated, found.columns, found.first_month) == (True, ("call_date",), "2011-03")
    assert found.order.tolist() == [1, 0]
    assert "Other dates: customer_since." in found.notes[1]


def test_what_repeats_a_part_of_the_date_belongs_to_the_axis():
    days = [day.isoformat() for day in WORKDAYS]
    parts = {"day": [str(day.day) for day in WORKDAYS], "month": months(WORKDAYS)}
    assert axis(contact_date=days, **parts).columns == ("contact_date", "day", "month")
    assert axis(contact_date=days, **(parts | {"month": parts["month"][::-1]})).columns == ("contact_date", "day")


def test_a_birth_date_is_no_time_axis():
    assert axis(geburtsdatum=["1961-01-01", "1999-01-01"]).columns == ()


def test_a_date_that_may_be_american_says_so():
    assert "it may be MM/DD/YYYY as well" in axis(date=["01/02/2010", "03/04/2010"]).notes[-1]
    assert len(axis(date=["01/02/2010", "23/04/2010"]).notes) == 1


def test_parts_of_dates_in_row_order():
    part = months(WORKDAYS)
    found = axis(day=[str(day.day) for day in WORKDAYS], month=part)
    assert (found.is_stated, found.columns, found.first_month) == (False, ("month", "day"), "2026-05")
    found = axis(month=part, day_of_week=[day.strftime("%a").lower() for day in WORKDAYS])
    assert (found.columns, len(found.notes)) == (("month", "day_of_week"), 2)


@pytest.mark.parametrize(
    "columns",
    [
        {"month": months(WORKDAYS)},  # a month alone
        {"age": ["40", "41"]},
    ],
)
def test_without_an_axis_the_draft_says_what_to_add(columns):
    found = axis(**columns)
    assert found.columns == ()
    assert "Add the day of the call to every row, with a year of four digits" in found.notes[1]
