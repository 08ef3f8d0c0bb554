"""One text, one value: numbers by declared signs, identifiers, blanks, and the proposal of what may have been meant."""

import math

import pytest

from bank_assets.contract.columns import Column, ColumnKind, KnownWhen, NumberSigns
from bank_assets.contract.uci import UCI
from bank_assets.contract.values import (
    NumberError,
    decimal_number,
    found_words,
    is_identifier,
    meant,
    nearest,
    number_text,
    number_within,
    spreadsheet_text,
    visible,
    whole_number,
)

POINT, GERMAN, FRENCH = NumberSigns(), NumberSigns(",", "."), NumberSigns(",", "\u202f")
RATE = Column("rate", "rate", ColumnKind.DECIMAL, KnownWhen.PRE_CONTACT, "Rate.", unit="%")


@pytest.mark.parametrize(
    ("text", "number"),
    [("41", 41), ("-3", -3), ("+300", 300), ("0041", 41), (" 41 ", 41), ("0", 0), ("-0", 0), ("9" * 18, 10**18 - 1)],
)
def test_texts_that_are_whole_numbers(text, number):
    assert whole_number(text) == number


@pytest.mark.parametrize(
    "text",
    ["", "1\x002", "-", "+", "4.0", "58.0", "1.000", "2.000", "1e3", "4 1", "4\u00a01", "41\u00a0", "\u200b41", "4_1",
     "--1", "1-", "NaN", "٤١", "４１", "0x1", "1" * 19, "a", "1\n1", "1,000"],
)  # fmt: skip
def test_texts_that_are_no_whole_numbers(text):
    assert whole_number(text) is None


@pytest.mark.parametrize(
    ("text", "signs", "number"),
    [
        ("2.000", GERMAN, 2_000),
        ("-1.234.567", GERMAN, -1_234_567),
        ("2000", GERMAN, 2_000),
        ("2\u202f000", FRENCH, 2_000),
        ("2.00", GERMAN, None),
        ("2.0000", GERMAN, None),
        (".000", GERMAN, None),
        ("1.000,0", GERMAN, None),
        ("2,000", GERMAN, None),
        ("2.000", FRENCH, None),
        ("2 000", FRENCH, None),
    ],
)
def test_a_thousands_sign_is_read_where_it_is_declared(text, signs, number):
    assert whole_number(text, signs) == number


@pytest.mark.parametrize(
    ("text", "signs", "number"),
    [
        ("4.857", POINT, 4.857),
        ("93.994", POINT, 93.994),
        ("-46.2", POINT, -46.2),
        (" 5 ", POINT, 5.0),
        ("4,857", GERMAN, 4.857),
        ("1.234,5", GERMAN, 1_234.5),
        ("4.857", GERMAN, 4_857.0),
        ("4.85", GERMAN, None),
        *((text, POINT, None) for text in ("1,4", ".5", "5.", "1e3", "nan", "inf", "", "1.2.3", "5\u00a0")),
    ],
)
def test_decimals_have_the_declared_sign_and_any_number_of_digits(text, signs, number):
    assert decimal_number(text, signs) == number


@pytest.mark.parametrize(
    ("text", "signs", "number"),
    [
        ("2.000", POINT, None),
        ("1.234.567", POINT, None),
        ("2,000", NumberSigns(","), None),
        ("2.000", NumberSigns(".", ","), 2.0),
        ("2.000", GERMAN, 2_000.0),
        ("0.125", POINT, 0.125),
        ("1234.567", POINT, 1_234.567),
        ("5.50", POINT, 5.5),
    ],
)
def test_an_amount_of_money_that_may_be_thousands_is_refused(text, signs, number):
    assert decimal_number(text, signs, is_money=True) == number


@pytest.mark.parametrize(
    ("text", "kind", "says"),
    [
        *((text, {}, "a number from 0 to 1,000") for text in ("nan", "inf", "1e400", "1e2", "1_0", "-1", "1,5", "")),
        ("2.000", {"is_money": True}, 'found "2.000" (did you mean 2000?)'),
        ("7.5", {"is_whole": True}, 'expected a whole number from 0 to 1,000, found "7.5"'),
        ("1001", {"high": math.inf, "low": 2_000}, "a number of at least 2,000, found"),
    ],
)
def test_a_number_that_a_person_writes_has_bounds_and_one_way_to_be_written(text, kind, says):
    assert number_within(" 7.5\n", 0, 1_000) == 7.5
    with pytest.raises(NumberError) as fault:
        number_within(text, **{"low": 0, "high": 1_000, **kind})
    assert says in str(fault.value)


@pytest.mark.parametrize("signs", [POINT, GERMAN, FRENCH])
def test_a_number_is_written_as_it_is_read(signs):
    for number in (0.0, 5.0, 4.857, -1_234.5, 1e-7, 12_345_678.0):
        assert decimal_number(number_text(number, signs), signs) == number
    assert number_text(1_234.5, GERMAN) == "1234,5"


@pytest.mark.parametrize(
    ("text", "is_usable"),
    [
        ("k-1", True), ("k 1", True), ("😀-ké", True), ("<script>", True), ("x" * 64, True), ("=1+1", True),
        ("", False), ("x" * 65, False), ("a\x00b", False), ("k-1\u200b", False), ("k-1\u00a0", False),
        ("Jo\ufffdo", False), ("\ufeffk-1", False), (" k-1", False), ("k\t1", False), ("k\u202e1", False),
    ],
)  # fmt: skip
def test_an_identifier_is_short_and_visible(text, is_usable):
    assert is_identifier(text) is is_usable


def test_what_is_found_is_shown_with_its_invisible_characters_and_shortened():
    assert found_words("") == "nothing"
    assert visible("retired\u00a0") == r"retired\xa0"
    assert visible("a\x00b\u200bé") == r"a\x00b\u200bé"
    assert len(visible("x" * 100_000)) == len(visible("\x00" * 100_000)) == 60


@pytest.mark.parametrize(
    ("column", "text", "hint"),
    [
        ("job", "Management", 'did you mean "management"?'),
        ("job", "management\u00a0", 'did you mean "management"?'),
        ("job", "blue collar", 'did you mean "blue-collar"?'),
        ("job", "admin", 'did you mean "admin."?'),
        ("y", "YES", 'did you mean "yes"?'),
        ("y", "1", 'did you mean "yes"?'),
        ("y", "False", 'did you mean "no"?'),
        ("y", "maybe", ""),
        ("job", "astronaut", ""),
        ("education", "", "empty: write unknown, or map it"),
        ("education", "NULL", "empty: write unknown, or map it"),
        ("marital", "", ""),
        ("y", r"\N", "leave it empty, or map it"),
        ("duration", "nan", "leave it empty, or map it"),
        ("balance", "2.000", "did you mean 2000?"),
        ("balance", "-1.234", "did you mean -1234?"),
        ("balance", "1 234", "did you mean 1234?"),
        ("balance", "1200 EUR", "did you mean 1200?"),
        ("balance", "58.0", "did you mean 58?"),
        ("balance", "58.5", ""),
        ("balance", "99999999999", ""),
        ("balance", "1e3", ""),
        ("contact_id", "k-1\u200b", ""),
    ],
)
def test_what_may_have_been_meant(column, text, hint):
    assert meant(text, UCI.by_source[column]) == hint


def test_what_may_have_been_meant_by_a_decimal_follows_the_declared_sign():
    assert meant("5,5", RATE) == "did you mean 5.5?"
    assert meant("5.5", RATE, GERMAN) == "did you mean 5,5?"
    assert meant("5,5", RATE, GERMAN) == ""


def test_two_texts_that_are_as_near_are_no_proposal():
    assert nearest("AB", ["a.b", "a-b"]) == ""


@pytest.mark.parametrize("start", [*"=+-@\t\r\n＝＋－＠", " ="])
def test_an_id_that_a_spreadsheet_would_run_is_shown_instead(start):
    assert spreadsheet_text(f"{start}cmd()") == f"'{start}cmd()"
    assert spreadsheet_text("c-1") == "c-1"
