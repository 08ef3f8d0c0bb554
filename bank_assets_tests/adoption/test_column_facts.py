"""What the values of a column say: kind, spelling of numbers and dates, sentinel, bounds, missing values."""

import numpy as np
import pytest

from bank_assets.adoption.column_facts import facts_of
from bank_assets.adoption.words import AFTER_THE_CALL, AGE, CUSTOMER, DATE, PROTECTED, means
from bank_assets.contract.column_rules import Encoded
from bank_assets.contract.columns import ColumnKind, NumberSigns


def facts(*values: str, name: str = "x", decimal: str = ""):
    """The facts of a column of a file; another column tells its decimal sign."""
    other = {"other": Encoded.of([f"{k}{decimal}5" for k in range(9)])} if decimal else {}
    return facts_of({name: Encoded.of(values), **other})[name]


@pytest.mark.parametrize(
    ("values", "name", "decimal", "kind", "signs"),
    [
        (["58", "-41", "0"], "x", "", "integer", (".", "")),
        (["4.857", "1.1", "5"], "x", "", "decimal", (".", "")),
        (["4,8", "1,25"], "x", "", "decimal", (",", "")),
        (["1.234,50", "900,00"], "x", ",", "decimal", (",", ".")),
        (["1,234", "900"], "x", ".", "integer", (".", ",")),
        (["2.000", "3.500"], "x", ",", "integer", (",", ".")),
        (["2.000", "3.500"], "x", "", "decimal", (".", "")),
        (["2.000", "3.500"], "Saldo", "", "integer", (",", ".")),
        (["2 000", "12 500"], "x", ",", "integer", (",", " ")),
        (["01067", "04109", "50667"], "x", "", "category", (".", "")),
        (["no", "yes", "no"], "x", "", "boolean", (".", "")),
        (["ja", "nein"], "x", "", "boolean", (".", "")),
        (["0", "1", "1"], "x", "", "boolean", (".", "")),
        (["1", "2", "1"], "x", "", "integer", (".", "")),
        (["no", "yes", "unknown"], "x", "", "category", (".", "")),
        (["2010-05-01", "2010-12-31"], "x", "", "date", (".", "")),
        (["2010-05-01T10:00:00", "2010-12-31T11:12:00"], "x", "", "date", (".", "")),
        (["1.2.2010", "28.12.2010"], "x", "", "date", (".", "")),
        (["58.0", "", "41.0"], "x", "", "integer", (".", "")),
        (["58.0", "41.0"], "x", "", "decimal", (".", "")),
        (["да", "нет", "да"], "x", "", "category", (".", "")),
        (["31.12.2010", "01.02.2011"], "x", "", "date", (".", "")),
        (["20101231", "20110201"], "x", "", "integer", (".", "")),
        (["20101231", "20110201"], "call_date", "", "date", (".", "")),
        (["", "NA", "null"], "x", "", "string", (".", "")),
        ([f"note {k}" for k in range(40)], "x", "", "string", (".", "")),
        (["12", *map(str, range(300)), "about 5"], "x", "", "integer", (".", "")),
    ],
)
def test_the_kind_of_a_column_and_the_signs_of_its_numbers(values, name, decimal, kind, signs):
    found = facts(*values, name=name, decimal=decimal)
    assert (found.kind, found.signs) == (ColumnKind(kind), NumberSigns(*signs))


def test_fractions_of_three_digits_alone_may_be_thousands():
    assert facts("2.000", "3.500").is_ambiguous
    assert not facts("2.000", "3.5").is_ambiguous


@pytest.mark.parametrize(
    ("values", "sentinel"),
    [
        ([-1, -1, 5, 90, 180], -1),
        ([999] * 9 + [3, 6, 12], 999),
        ([97, 98, 99, 60, 44], None),
        ([0] * 5 + [-5, 10, 700, 1200], 0),
        ([-1, -2, 4, 5], None),
        ([-1, -1, -1], None),
        ([*range(2_000), 9999], None),
        (["", 5, 90], -1),
        (["NA", -3, 90], -9),
        (["", 999, 999, 3, 6], 999),
        (["", 0, 0, 10, 700, 1200, 5], -1),
    ],
)
def test_values_that_look_like_none(values, sentinel):
    assert facts(*map(str, values)).sentinel == sentinel


def test_days_that_look_like_none():
    assert facts("1900-01-01", "2001-07-03", "2010-02-03").sentinel_days == ["1900-01-01"]


@pytest.mark.parametrize(
    ("values", "bounds"),
    [([18, 95], (0, 200)), ([-8019, 102127], (-20_000, 500_000)), ([-50.8, -26.9], (-200, 0)), ([7], (0, 20))],
)
def test_bounds_leave_room(values, bounds):
    assert facts(*map(str, values)).bounds == bounds


def test_missing_values_are_no_values():
    found = facts("5", "", "NA", "7", "N/A")
    assert found.kind is ColumnKind.INTEGER
    assert found.share(found.is_known) == pytest.approx(0.4)
    assert np.isnan(found.numbers[found.encoded.texts.index("NA")])


@pytest.mark.parametrize(
    ("name", "words", "expected"),
    [
        ("customer_age", AGE, True),
        ("average", AGE, False),
        ("Gesprächsdauer (Sek.)", AFTER_THE_CALL, True),
        ("Staatsangehörigkeit", PROTECTED, True),
        ("estado civil", PROTECTED, True),
        ("kundenNr", CUSTOMER, True),
        ("Anrufdatum", DATE, True),
        ("update_count", DATE, True),
        ("", AGE, False),
    ],
)
def test_names_are_compared_in_plain_letters(name, words, expected):
    assert means(name, words) is expected
