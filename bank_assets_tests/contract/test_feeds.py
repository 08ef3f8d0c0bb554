"""Rows of the two feeds that come back from a campaign, as every door reads them."""

import io
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from bank_assets.contract.contract import Contract
from bank_assets.contract.errors import ContractError
from bank_assets.contract.feed_rows import header_of, rows_of_text
from bank_assets.contract.feeds import (
    CANCELLED,
    DISPOSITION_FEED,
    SUBSCRIBED,
    SUBSCRIPTION_FEED,
    Disposition,
    Subscription,
    held,
)
from bank_assets.contract.file import parse_contract
from bank_assets.contract.file_writing import write_contract
from bank_assets.contract.id_lists import read_ids
from bank_assets.contract.reading import read_rows
from bank_assets.contract.senders import Sender
from bank_assets.contract.sent_text import SentText
from bank_assets.contract.uci import UCI
from bank_assets.contract.values import identifier_key, spreadsheet_text

NOW = datetime(2010, 11, 30, 12, tzinfo=UTC)
DIALER = Sender(
    "dialer",
    files="dialer-*.csv",
    columns=(("Kontakt", "contact_id"), ("Ergebnis", "disposition"), ("Anruf", "called_at")),
    values=(("disposition", "1", "subscribed"),),
    date_format="DD.MM.YYYY",
)
OWN = replace(UCI, senders=(DIALER,), dispositions=(("Verkauft", "subscribed"), ("NE", "not_reached")))


def read(text, feed=DISPOSITION_FEED, contract=OWN, file_name="a.csv"):
    sent = SentText.of_file(contract, file_name)
    head, rows = read_rows(io.BytesIO(text.encode()), "utf-8")
    return rows_of_text(feed, header_of(head.columns, sent), list(rows), sent, NOW)


def test_rows_are_read_by_the_contract():
    found = read(
        "contact_id,disposition,called_at,list_id,arrived_at\n"
        "c-1,subscribed,2010-11-22,,\n"
        "007,Verkauft,2010-11-22T10:00:00+01:00,l-1,2010-11-23\n"
        "c-3,NE,2010-11-22T23:30:00-05:00,,\n"
    )
    assert found.faults == {}
    assert found.rows == [
        Disposition("c-1", "subscribed", "2010-11-22T00:00:00.000000Z"),
        Disposition("007", "subscribed", "2010-11-22T09:00:00.000000Z", None, "l-1", "2010-11-23T00:00:00.000000Z"),
        Disposition("c-3", "not_reached", "2010-11-22T23:30:00-05:00"),  # its day is the day as written
    ]
    assert [row.line for row in found.rows] == [2, 3, 4]


@pytest.mark.parametrize("one", ["+351-7", "=x", "-5", "@a", "'+x", "＋1", "c-1", "'n"])
def test_an_id_that_an_export_kept_from_spreadsheets_comes_back_as_it_was(one):
    cell = spreadsheet_text(one)
    calls = read(f"contact_id,disposition,called_at,customer_id\n{cell},refused,2010-11-22,{cell}\n")
    booked = read(f"customer_id,on_day\n{cell},2010-11-22\n", SUBSCRIPTION_FEED)
    found = [calls.rows[0].contact_id, calls.rows[0].customer_id, booked.rows[0].customer_id, *read_ids(cell)[0]]
    assert found == [one] * 4
    assert identifier_key("'+351-7") == "+351-7", "an objection that was filed under the protected form holds"


def test_a_sender_spells_columns_values_and_days_in_its_own_way():
    found = read("Kontakt;Ergebnis;Anruf\nc-1;1;22.11.2010\nc-2;NE;22.11.2010\n", file_name="dialer-1.csv")
    assert [(row.disposition, row.day) for row in found.rows] == [
        ("subscribed", "2010-11-22"),
        ("not_reached", "2010-11-22"),
    ]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("c-1,sold,2010-11-22,", "disposition: expected one of subscribed, refused"),
        ("c-1,Subscribed,2010-11-22,", 'did you mean "subscribed"?'),
        ("c-1,,2010-11-22,", "disposition: expected one of"),
        (",refused,2010-11-22,", "contact_id: expected a value of at most 64 visible characters, found nothing"),
        ("c-1,refused,,", "called_at: expected a day YYYY-MM-DD or an ISO time from 2008-05-01 to 2010-12-01"),
        ("c-1,refused,2010-12-24,", 'found "2010-12-24"'),
        ("c-1,refused,22.11.2010,", 'found "22.11.2010"'),
        ("c-1,refused,2010-11-22,2010-11-21", "arrived_at: expected no day before called_at 2010-11-22"),
        ("c-1,refused,2010-11-22", "row: expected 4 fields, found 3"),
    ],
)
def test_a_bad_row_is_named_and_the_others_are_kept(row, expected):
    found = read(f"contact_id,disposition,called_at,arrived_at\n{row}\nc-2,refused,2010-11-22,\n")
    assert [one.contact_id for one in found.rows] == ["c-2"]
    assert expected in found.faults[2][0]


def test_subscriptions_are_of_a_customer_and_a_day():
    found = read(
        "customer_id;on_day;kind\nk-1;2010-11-22;\nk-2;2010-11-23;cancelled\n;2010-11-22;\n", SUBSCRIPTION_FEED
    )
    assert found.rows == [Subscription("k-1", "2010-11-22"), Subscription("k-2", "2010-11-23", "cancelled")]
    assert "customer_id: expected a value" in found.faults[4][0]


def test_the_contracts_own_name_of_an_identifier_is_its_name_in_a_feed():
    renamed = tuple(replace(one, source="Kunde") if one is UCI.contact_id else one for one in UCI.columns)
    contract = replace(UCI, columns=renamed)
    assert header_of(["Kunde", "disposition"], SentText.of_file(contract)) == ("contact_id", "disposition")


def test_spellings_and_the_cost_of_not_reaching_anybody_stand_in_the_contract():
    contract = replace(OWN, not_reached_cost_share=0.4)
    text = write_contract(contract)
    assert "property: dispositions, value: {Verkauft: subscribed, NE: not_reached}" in text
    assert parse_contract(text, "a").canonical == Contract.from_dict(contract.to_dict()).canonical == contract.canonical
    assert contract.digest != OWN.digest
    assert contract.rows_digest == OWN.rows_digest == replace(UCI, senders=(DIALER,)).rows_digest, "no table changes"
    assert "dispositions" not in UCI.canonical
    assert "not_reached" not in UCI.canonical


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"dispositions": (("sold", "bought"),)}, "expected another spelling of subscribed"),
        ({"dispositions": (("refused", "subscribed"),)}, "found 'refused' for 'subscribed'"),
        ({"not_reached_cost_share": 1.5}, "expected not_reached_cost_share from 0 to 1, found 1.5"),
        ({"senders": (Sender("a", values=(("disposition", "1", "sold"),)),)}, "to stand for one of subscribed"),
    ],
)
def test_a_contract_names_what_it_cannot_mean(changes, expected):
    with pytest.raises(ContractError, match=expected):
        replace(UCI, **changes)


@pytest.mark.parametrize(
    ("booked", "reported", "expected"),
    [
        ("+05", "", "05-"),
        ("+05 -09", "", "05-09"),
        ("-09 +05", "", "05-09"),
        ("-03 +05", "", "05-"),  # of something earlier
        ("+05 +20 -25", "", "05- 20-25"),  # one account, the newest
        ("+05 +20 -25 -26", "", "05-26 20-25"),
        ("+05 -05", "", "05-05"),
        ("+06 -09", "+04", "06-09"),  # the call reported what the books know
        ("+06", "+04 -09", "06-09"),  # whichever feed tells of it
        ("+06 -09", "+04 -08", "06-09"),  # both feeds
        ("+01 +06 -09", "+04 -08", "01- 06-09"),
        ("+01", "+04 -08", "01- 04-08"),
        ("", "+04 -08", "04-08"),
    ],
)
def test_a_cancellation_takes_back_the_newest_subscription_up_to_its_day(booked, reported, expected):
    told = [
        [({"+": SUBSCRIBED, "-": CANCELLED}[one[0]], one[1:]) for one in feed.split()] for feed in (booked, reported)
    ]
    assert [f"{one.day}-{one.until or ''}" for one in held(*told)] == expected.split()
