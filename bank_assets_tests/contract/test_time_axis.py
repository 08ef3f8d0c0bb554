"""A few rows far from all others do not belong to a time axis; many do."""

import pytest

from bank_assets.contract.time_axis import usual_days

DECEMBER = {f"2010-12-{day:02}": 10 for day in range(1, 21)}


@pytest.mark.parametrize(
    ("others", "few", "expected"),
    [
        ({}, 10, ("2010-12-01", "2010-12-20")),
        ({"2020-12-06": 1}, 10, ("2010-12-01", "2010-12-20")),
        ({"2009-12-06": 3, "2011-12-06": 3}, 10, ("2010-12-01", "2010-12-20")),
        ({"2011-03-01": 1}, 10, ("2010-12-01", "2011-03-01")),  # near enough
        ({"2011-12-06": 6, "2012-12-06": 5}, 10, ("2010-12-01", "2012-12-06")),  # together not few
        ({"2020-12-06": 1}, 0, ("2010-12-01", "2020-12-06")),
    ],
)
def test_few_rows_far_from_the_others_do_not_count(others, few, expected):
    assert usual_days(DECEMBER | others, 200, few) == expected


def test_of_two_equal_parts_neither_is_far():
    assert usual_days({"2010-12-01": 1, "2020-12-01": 1}, 200, 5) == ("2010-12-01", "2020-12-01")


def test_months_are_days_too():
    assert usual_days({"2010-11": 500, "2010-12": 200, "2020-12": 1}, 200, 29) == ("2010-11", "2010-12")
