"""Deliveries and contacts that are taken back: on record, for what had arrived until then, all of a file or none."""

import os
from datetime import UTC, datetime

import pytest

from bank_assets.contract.uci import UCI
from bank_assets.landing.deliveries import register_deliveries
from bank_assets.landing.register import (
    Withdrawal,
    delivered_months,
    latest_of,
    manifest_of,
    month_digest,
    read_manifest,
    withdrawals,
)
from bank_assets.landing.withdrawals import withdraw
from bank_assets_tests.world.customers import delimited, delivered

NOW = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path)


class Home:
    def __init__(self, root):
        self.landing, self.warehouse = root / "landing", root / "warehouse"

    def put(self, name, content):
        path = self.landing / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        return register_deliveries(self.landing, self.warehouse, UCI, now=NOW, settle_seconds=0)

    def contacts(self, name, number):
        row = delivered(contact_id=f"c-{number}", contact_date="2008-05-05")
        return self.put(f"contacts/{name}", delimited([row]))

    def withdraw(self, *lines, name="w.csv", column="delivery"):
        return self.put(f"withdrawals/{name}", "\n".join([f"{column};reason", *lines]))

    def names(self):
        return [one.name for one in manifest_of(self.warehouse, ["2008-05"])]

    def without(self):
        return {one.name: set(one.without) for one in manifest_of(self.warehouse, ["2008-05"]) if one.without}

    def digest(self):
        return month_digest(manifest_of(self.warehouse, ["2008-05"]))


def test_a_contact_is_taken_back_by_the_id_that_an_export_shows(home):
    home.put("contacts/a.csv", delimited([delivered(contact_id="+351-7", contact_date="2008-05-05")]))
    home.withdraw("'+351-7;never called", column="contact_id")
    assert home.without() == {"a.csv": {"+351-7"}}


def test_a_withdrawn_delivery_no_longer_counts_and_stays_on_record(home):
    home.contacts("a.csv", 1)
    home.contacts("b.csv", 2)
    (one,) = home.withdraw("contacts/a.csv;sent by mistake").withdrawn
    assert home.names() == ["b.csv"]
    assert withdrawals(home.warehouse) == [one]
    assert (one.reason, one.arrival, one.at) == ("sent by mistake", 1, NOW.isoformat())
    assert [delivery.name for delivery in read_manifest(home.warehouse)] == ["a.csv", "b.csv"]
    assert read_manifest(home.warehouse)[0].path.exists()


def test_a_month_without_a_delivery_is_still_made_again(home):
    home.contacts("a.csv", 1)
    home.withdraw("contacts/a.csv;wrong month")
    assert home.names() == []
    assert delivered_months(home.warehouse) == ("2008-05",)


def test_what_is_delivered_later_counts_and_the_same_withdrawal_takes_nothing_more(home):
    home.contacts("a.csv", 1)
    home.withdraw("contacts/a.csv;wrong")
    home.contacts("a.csv", 2)
    assert home.names() == ["a.csv"]
    (home.warehouse / "raw" / "landing_index.json").unlink()
    home.contacts("again.csv", 1)
    assert home.names() == ["a.csv", "again.csv"]
    assert len(withdrawals(home.warehouse)) == 1


def test_the_same_bytes_written_again_after_a_withdrawal_count(home):
    home.contacts("a.csv", 1)
    home.withdraw("contacts/a.csv;by mistake")
    assert home.names() == []
    assert [one.name for one in home.contacts("a.csv", 1).new] == ["a.csv"]
    assert home.names() == ["a.csv"]
    os.utime(home.landing / "contacts" / "a.csv", (0, 0))
    home.withdraw("contacts/a.csv;not by mistake", name="w2.csv")
    (home.warehouse / "raw" / "landing_index.json").unlink()
    home.contacts("b.csv", 2)
    assert home.names() == ["b.csv"], "a file that still lies there is not sent again"


def test_the_same_content_under_another_name_stands_unless_it_is_named_itself(home):
    home.contacts("a.csv", 1)
    home.contacts("twice.csv", 1)
    home.withdraw("contacts/twice.csv;delivered twice")
    assert home.names() == ["a.csv"]
    home.withdraw(f"{read_manifest(home.warehouse)[0].sha256};all of it", name="w2.csv")
    assert home.names() == []


def test_a_list_goes_back_to_the_arrival_before(home):
    columns = UCI.campaign_columns
    for number in (1, 2):
        row = delivered(contact_id=f"c-{number}", contact_date="2031-01-01")
        home.put("campaigns/spring.csv", delimited([row], columns))
    second = latest_of(home.warehouse, "campaigns")["spring.csv"]
    home.withdraw(f"{second.sha256};wrong segment")
    assert latest_of(home.warehouse, "campaigns")["spring.csv"].arrival == 1


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("contacts/a.csv;", "line 3 without them"),
        (";why", "line 3 without them"),
        ('"contacts/a.csv;why', "line 3"),
        ("contacts/a.csv;no", "a reason of 3 to 1,000 characters in each line, found line 3"),
        (f"contacts/a.csv;{'long ' * 201}", "line 3 without them"),
        ("contacts/a.csv;a\x07larm", "line 3 without them"),
    ],
)
def test_a_file_with_a_faulty_line_withdraws_nothing(home, line, found):
    home.contacts("a.csv", 1)
    result = home.withdraw("contacts/a.csv;wrong", line)
    assert found in result.refused[0].problem
    assert home.names() == ["a.csv"]
    assert (home.landing / "refused" / "w.csv").exists()


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("", "an empty file"),
        ("delivery;reason\n", "a header without lines"),
        ("\ufeffdelivery;reason\n\n", "a header without lines"),
        ("<html>", "a web page"),
    ],
)
def test_a_file_that_takes_nothing_back_is_told(home, content, found):
    assert found in home.put("withdrawals/w.csv", content).refused[0].problem


def test_a_withdrawal_waits_for_a_delivery_that_is_not_known_yet(home):
    result = home.withdraw("contacts/a.csv;wrong")
    assert "found 'contacts/a.csv' in line 2" in result.refused[0].problem
    home.contacts("a.csv", 1)
    home.contacts("b.csv", 2)
    assert home.names() == ["b.csv"]


def test_other_columns_are_refused(home):
    assert (
        "the columns delivery or contact_id, and reason"
        in home.put("withdrawals/w.csv", "contact_id\nc-1\n").refused[0].problem
    )


def test_a_contact_is_taken_back_where_it_had_arrived_and_from_nowhere_else(home):
    home.contacts("a.csv", 1)
    home.contacts("b.csv", 11)
    before = home.digest()
    (one,) = home.withdraw("c-1;never called", column="contact_id").withdrawn
    assert (one.what, one.contents, withdrawals(home.warehouse)) == (
        "contact c-1",
        (read_manifest(home.warehouse)[0].sha256,),
        [one],
    )
    assert home.without() == {"a.csv": {"c-1"}}
    assert home.digest() != before, "the month is made again"
    home.contacts("again.csv", 1)
    assert home.without() == {}, "what is delivered later counts"
    assert [one.name for one in read_manifest(home.warehouse)] == ["a.csv", "b.csv", "again.csv"]


def test_a_contact_that_never_arrived_is_waited_for(home):
    home.contacts("a.csv", 11)
    result = home.withdraw("c-11;wrong", "c-1;wrong", column="contact_id")
    assert "found 'c-1' in line 3" in result.refused[0].problem
    assert home.without() == {}
    home.contacts("b.csv", 1)
    home.contacts("c.csv", 2)
    assert home.without() == {"a.csv": {"c-11"}, "b.csv": {"c-1"}}


def test_withdrawals_of_earlier_releases_are_read_and_one_by_hand_says_who(home):
    home.contacts("a.csv", 1)
    old = (
        '{"delivery":"contacts/a.csv","reason":"x","arrival":1,"at":"2026-01-01","by_sha256":"0","schema_version":1}\n'
    )
    (home.warehouse / "raw" / "withdrawals.jsonl").write_text(old)
    assert home.names() == []
    asked = Withdrawal(contact_id="c-1", reason="never called", at=NOW.isoformat(), by="ana")
    assert withdraw(home.warehouse, asked).arrival == 1
    assert [(one.what, one.by) for one in withdrawals(home.warehouse)] == [
        ("contacts/a.csv", ""),
        ("contact c-1", "ana"),
    ]
    assert withdraw(home.warehouse, Withdrawal(delivery="contacts/z.csv", reason="x", at="")) is None
