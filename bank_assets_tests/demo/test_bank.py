"""What the demo's bank reports of its calls, and what its books show."""

import csv
from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from bank_assets.demo.bank import Bank
from bank_assets.demo.pages import MadeList

IDS = [f"c-{number}" for number in range(2_000)]
DATES = ["2009-03-02"] * len(IDS)
WON = [number % 4 == 0 for number in range(len(IDS))]
MADE = MadeList("l-1", "a.csv", dict.fromkeys(IDS[:1_000], "2009-03-02"), frozenset(), frozenset(IDS[1_000:1_400]))


def rows_of(settings, name):
    with (settings.landing / name).open(newline="") as stream:
        return list(csv.DictReader(stream, delimiter=";"))


def reported(settings, *, is_simulated):
    bank = Bank(settings, is_simulated)
    bank.meet(IDS, DATES, WON)
    bank.report("2009-03", MADE)
    return bank, rows_of(settings, "outcomes/dispositions-2009-03.csv")


def test_on_real_history_every_call_is_answered_and_there_are_no_books(settings):
    bank, rows = reported(settings, is_simulated=False)
    assert [row["contact_id"] for row in rows] == IDS[:1_000]
    assert {row["disposition"] for row in rows} == {"subscribed", "refused"}
    assert sum(row["disposition"] == "subscribed" for row in rows) == 250
    assert {(row["called_at"], row["arrived_at"], row["list_id"]) for row in rows} == {("2009-03-02",) * 2 + ("l-1",)}
    bank.book(date(2009, 3, 1), date(2009, 3, 31))
    assert not (settings.landing / "subscriptions").exists()
    assert bank.outcomes == dict(zip(IDS, WON, strict=True))


def test_simulated_calls_come_to_everything_and_the_books_cover_every_day(settings):
    bank, rows = reported(settings, is_simulated=True)
    assert {row["disposition"] for row in rows} == {"subscribed", "refused", "not_reached", "objection"}
    bank.book(date(2009, 3, 1), date(2009, 3, 10))
    bank.book(date(2009, 3, 11), date(2009, 4, 30))
    books = [*rows_of(settings, "subscriptions/books-2009-03-10.csv")]
    assert {row["on_day"] for row in books} == {f"2009-03-{day:02}" for day in range(1, 11)}
    books += rows_of(settings, "subscriptions/books-2009-04-30.csv")
    assert len({row["customer_id"] for row in books}) == len(books)
    booked = {row["customer_id"] for row in books}
    called = {row["contact_id"] for row in rows if row["disposition"] == "subscribed"}
    assert called <= booked
    alone = {contact for contact, won in zip(IDS, WON, strict=True) if won and contact in MADE.held_out & booked}
    assert alone == MADE.held_out & booked, "whom a call does not win subscribes never"
    assert 5 <= len(alone) <= 40  # 20 % of 100


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_the_share_without_a_call_is_the_settings(settings, share):
    bank, _ = reported(replace(settings, spontaneous_share=share), is_simulated=True)
    bank.book(date(2009, 3, 1), date(2009, 3, 31))
    booked = {row["customer_id"] for row in rows_of(settings, "subscriptions/books-2009-03-31.csv")}
    won = np.array(IDS)[1_000:][np.array(WON)[1_000:]]
    assert set(won) & booked == (set(won) if share else set())
