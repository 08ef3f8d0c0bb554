"""Rows that cannot be used are quarantined as they were delivered, each with all its reasons, and affect no other."""

from collections import Counter

import pytest

from bank_assets.contract.uci import UCI

pytestmark = pytest.mark.spark


UNUSABLE = [
    ("age", "abc", "age.not_an_integer_in_range", 'age: expected a whole number from 16 to 120 years, found "abc"'),
    ("age", 7, "age.not_an_integer_in_range", 'age: expected a whole number from 16 to 120 years, found "7"'),
    ("age", 300, "age.not_an_integer_in_range", 'age: expected a whole number from 16 to 120 years, found "300"'),
    ("age", "", "age.not_an_integer_in_range", "age: expected a whole number from 16 to 120 years, found nothing"),
    ("age", "NaN", "age.not_an_integer_in_range", 'age: expected a whole number from 16 to 120 years, found "NaN"'),
    ("age", "41.5", "age.not_an_integer_in_range", 'age: expected a whole number from 16 to 120 years, found "41.5"'),
    ("balance", 99999999999, "balance.not_an_integer_in_range", 'found "99999999999"'),
    ("job", "astronaut", "job.not_a_known_value", "self-employed, services, student, technician, unemployed"),
    ("job", "", "job.not_a_known_value", "found nothing"),
    (
        "marital",
        "Married",
        "marital.not_a_known_value",
        'expected one of divorced, married, single, found "Married"',
    ),
    ("housing", "true", "housing.not_a_known_value", 'housing: expected one of no, yes, found "true"'),
    ("y", "maybe", "y.not_a_known_value", 'y: expected one of no, yes, or nothing, found "maybe"'),
    ("duration", -3, "duration.not_an_integer_in_range", "from 0 to 86400 s, or nothing"),
    ("pdays", -2, "pdays.not_an_integer_in_range", 'from -1 to 10000 days, found "-2"'),
    (
        "contact_id",
        "",
        "contact_id.missing",
        "contact_id: expected a value of at most 64 visible characters, found nothing",
    ),
    ("day", 6, "day.contradicts_contact_date", 'day: expected the day of contact_date 2008-05-05, found "6"'),
    ("month", "jun", "month.contradicts_contact_date", "the month of the day of contact_date 2008-05-05"),
]


def test_an_unusable_field_is_quarantined_with_its_reason(deliver, build, contact):
    bad = [contact(contact_id=f"bad-{n}") | {field: value} for n, (field, value, *_) in enumerate(UNUSABLE)]
    built = build([deliver([contact(contact_id="good"), *bad])])

    assert [row["contact_id"] for row in built.rows("contacts")] == ["good"]
    assert [row["contact_id"] for row in built.rows("outcomes")] == ["good"], "a rejected row has no outcome either"
    rejected = {row["contact_id"] or "": row for row in built.rows("rejected_contacts")}
    for row, (field, value, code, sentence) in zip(bad, UNUSABLE, strict=True):
        found = rejected[row["contact_id"]]
        assert found["codes"] == [code]
        assert len(found["reasons"]) == 1
        assert sentence in found["reasons"][0]
        assert found[field] == (str(value) or None), "the delivered text is kept"
        assert found["balance"] == str(row["balance"])
    assert built.result.contacts["2008-05"].codes == Counter(code for _, _, code, _ in UNUSABLE)
    assert built.result.contacts["2008-05"].rejected == len(bad)


def test_every_broken_rule_is_named(deliver, build, contact):
    built = build([deliver([contact(), contact(contact_id="b", age="x", job="y", campaign=0)])])
    assert built.one("rejected_contacts")["codes"] == [
        "age.not_an_integer_in_range",
        "job.not_a_known_value",
        "campaign.not_an_integer_in_range",
    ]


def test_a_row_without_a_usable_date_stays_in_the_month_of_its_delivery(deliver, build, contact):
    days = ("2008-5-5", "05.05.2008", "2008", "2008-05-32", "2031-01-01", "1999-05-05", "", "x")
    strays = [contact(contact_id=f"stray-{n}") | {"contact_date": day} for n, day in enumerate(days)]
    built = build([deliver([contact(contact_date="2008-06-10"), *strays])])
    rejected = built.by_id("rejected_contacts")
    assert set(rejected) == {row["contact_id"] for row in strays}
    for row in rejected.values():
        assert row["codes"] == ["contact_date.not_a_usable_day"]
        assert "usable here: 2008-06-10 to 2008-06-10" in row["reasons"][0]
    assert built.result.contacts["2008-06"].rejected == len(days)


def test_lines_with_the_wrong_number_of_fields_are_kept_whole(deliver, build, contact):
    line = ";".join(str(value) for value in contact().values())
    text = ";".join(UCI.delivery_columns) + f'\n{line}\nc-2;2008-05-05;40;a;b\n{line};extra;"a;b"\n'
    built = build([deliver(text.encode())])
    short, long = sorted(built.rows("rejected_contacts"), key=lambda row: row["line"], reverse=False)[::-1]
    assert {tuple(row["codes"]) for row in (short, long)} == {("row.field_count",)}
    assert {row["reasons"][0] for row in (short, long)} == {
        "row: expected 19 fields, found 5",
        "row: expected 19 fields, found 21",
    }
    assert {row["line"] for row in (short, long)} == {"c-2;2008-05-05;40;a;b", f'{line};extra;"a;b"'}


def test_an_unbalanced_quote_affects_no_other_line(deliver, build, contact):
    rows = [contact(contact_id=f"c-{n}") for n in range(3)]
    rows[1]["job"] = '"management'
    built = build([deliver(rows)])
    assert sorted(row["contact_id"] for row in built.rows("contacts")) == ["c-0", "c-2"]
    assert len(built.rows("rejected_contacts")) == 1


def test_latin_1_shows_its_letters_in_the_quarantine(deliver, build, contact):
    built = build([deliver([contact(), contact(contact_id="b", job="operário")], encoding="latin-1")])
    assert built.one("rejected_contacts")["job"] == "operário"


def test_delimiters_and_doubled_quotes_inside_quotes_belong_to_the_field(deliver, build, contact):
    built = build([deliver([contact(), contact(contact_id="b", job='"a; ""b"""')])])
    assert built.one("rejected_contacts")["job"] == 'a; "b"'
