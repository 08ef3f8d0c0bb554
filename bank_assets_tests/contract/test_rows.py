"""The rules of a row: what is accepted, how it is typed, and the sentence of what is not."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from bank_assets.contract.column_rules import ColumnRule, DayRange, Encoded
from bank_assets.contract.columns import Column, ColumnKind, KnownWhen
from bank_assets.contract.rows import Calendar, RowRules
from bank_assets.contract.uci import UCI
from bank_assets.contract.values import days

AGE = Column("age", "age_years", ColumnKind.INTEGER, KnownWhen.PRE_CONTACT, "Age.", minimum=16, maximum=120)
RATE = Column(
    "emp.rate", "rate", ColumnKind.DECIMAL, KnownWhen.PRE_CONTACT, "Rate.", unit="%", minimum=-3.4, maximum=1.4
)
JOB = Column("job", "job", ColumnKind.CATEGORY, KnownWhen.PRE_CONTACT, "Job.", categories=("nurse", "unknown"))
LOAN = Column("loan", "has_loan", ColumnKind.BOOLEAN, KnownWhen.PRE_CONTACT, "Loan.", categories=("no", "yes"))
NAME = Column("id", "id", ColumnKind.STRING, KnownWhen.IDENTIFIER, "Id.")
DAY = Column("contact_date", "contact_date", ColumnKind.DATE, KnownWhen.PRE_CONTACT, "Day.")


@pytest.mark.parametrize("text", ["2008-05-05", " 2008-02-29 ", "0001-01-01", "9999-12-31"])
def test_texts_that_are_days(text):
    (day,), (is_day,) = days([text])
    assert is_day
    assert day == np.datetime64(text.strip())


@pytest.mark.parametrize(
    "text", ["2008-5-5", "05.05.2008", "2008", "2008-05-32", "2009-02-29", "2008-13-01", "2008-00-10", "0000-01-01", "",
             "2008-05-05T10:00", "20080505", "2008-W01-1", "2008-05-0٥", "x" * 300]
)  # fmt: skip
def test_texts_that_are_no_days(text):
    assert not days([text, "2008-05-05"])[1][0]


def test_a_time_of_day_is_ignored_where_it_is_allowed():
    read, is_day = days(["2008-05-05T10:00:00Z", "2008-05-06 09:00", "2008-05-07", "2008-05-08X"], with_time=True)
    assert is_day.tolist() == [True, True, True, False]
    assert read[:3].astype(str).tolist() == ["2008-05-05", "2008-05-06", "2008-05-07"]


def judged(rule: ColumnRule, *texts: str):
    return RowRules((rule,)).judge({rule.column.source: Encoded.of(texts)})


@pytest.mark.parametrize(
    ("rule", "text", "sentence"),
    [
        (ColumnRule(AGE), "7", 'age: expected a whole number from 16 to 120, found "7"'),
        (ColumnRule(AGE), "", "age: expected a whole number from 16 to 120, found nothing"),
        (
            ColumnRule(replace(AGE, maximum=None)),
            "3000000000",
            'age: expected a whole number from 16 to 2147483647, found "3000000000"',
        ),
        (ColumnRule(AGE, is_optional=True), "x", 'age: expected a whole number from 16 to 120, or nothing, found "x"'),
        (ColumnRule(RATE), "1,4", 'emp.rate: expected a number from -3.4 to 1.4 %, found "1,4" (did you mean 1.4?)'),
        (ColumnRule(RATE), "1.5", 'emp.rate: expected a number from -3.4 to 1.4 %, found "1.5"'),
        (ColumnRule(replace(RATE, minimum=None, maximum=None)), "1e3", 'emp.rate: expected a number %, found "1e3"'),
        (ColumnRule(JOB), "Nurse", 'job: expected one of nurse, unknown, found "Nurse" (did you mean "nurse"?)'),
        (ColumnRule(LOAN), "true", 'loan: expected one of no, yes, found "true" (did you mean "yes"?)'),
        (ColumnRule(NAME), "", "id: expected a value of at most 64 visible characters, found nothing"),
        (ColumnRule(NAME), "k\u200b", r'id: expected a value of at most 64 visible characters, found "k\u200b"'),
        (ColumnRule(DAY), "5.5.2008", 'contact_date: expected a day YYYY-MM-DD, found "5.5.2008"'),
        (
            ColumnRule(DAY, days=DayRange(date(2008, 5, 1), date(2008, 6, 1), "a day of May")),
            "2008-07-01",
            'contact_date: expected a day of May, found "2008-07-01"',
        ),
    ],
)
def test_each_rule_can_break_and_says_so(rule, text, sentence):
    good = {"age": "41", "emp.rate": "-1.8", "job": "nurse", "loan": "no", "id": "k", "contact_date": "2008-05-05"}[
        rule.column.source
    ]
    verdict = judged(rule, good, text, good)
    assert verdict.is_kept.tolist() == [True, False, True]
    assert verdict.reasons() == {1: [(rule.rule, sentence)]}


def test_an_optional_field_may_be_empty():
    assert judged(ColumnRule(AGE, is_optional=True), "", "41").is_kept.all()


def test_a_required_column_is_missing_by_a_rule_of_its_own():
    rules = RowRules((ColumnRule(LOAN, is_optional=True),), required=("loan",))
    verdict = rules.judge({"loan": Encoded.of(["", "yes"])})
    assert [rule.code for rule in verdict.broken] == ["loan.missing"]
    assert verdict.reasons()[0][0][1] == "loan: expected one of no, yes, found nothing"


@pytest.mark.parametrize(
    ("day", "month", "codes"),
    [
        ("5", "may", []),
        ("6", "may", ["day.contradicts_contact_date"]),
        ("5", "jun", ["month.contradicts_contact_date"]),
        ("x", "may", ["day.not_an_integer_in_range"]),
        ("5", "", ["month.not_a_known_value"]),
        ("5", "May", ["month.not_a_known_value", "month.contradicts_contact_date"]),
    ],
)
def test_a_row_may_not_contradict_its_own_date(day, month, codes):
    wanted = [column for column in UCI.columns if column.source in ("contact_date", "day", "month")]
    rules = RowRules(tuple(ColumnRule(column) for column in wanted), calendar=Calendar.of(UCI))
    texts = {"contact_date": "2008-05-05", "day": day, "month": month}
    verdict = rules.judge({name: Encoded.of([text]) for name, text in texts.items()})
    assert [rule.code for rule, _ in verdict.reasons().get(0, [])] == codes
    for _, sentence in verdict.reasons().get(0, []):
        assert "contradicts" not in codes[-1] or "2008-05-05" in sentence or "expected one of" in sentence


def test_a_line_with_a_wrong_number_of_fields_breaks_no_other_rule():
    verdict = RowRules((ColumnRule(AGE),)).judge({"age": Encoded.of(["x", "x"])}, misfits=[0])
    assert verdict.is_kept.tolist() == [False, False]
    assert list(verdict.reasons()) == [1]


def test_values_are_typed_by_row():
    verdict = judged(ColumnRule(LOAN), "yes", "no", "yes")
    assert verdict.typed("loan").tolist() == [True, False, True]
    assert verdict.is_given("loan").all()
