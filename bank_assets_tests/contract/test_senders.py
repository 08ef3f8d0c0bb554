"""Mappings of senders: what the contract declares is read at every door, and nothing is guessed without one."""

import io
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bank_assets.contract.column_rules import Encoded
from bank_assets.contract.columns import Column, ColumnKind, KnownWhen
from bank_assets.contract.contract import Contract
from bank_assets.contract.errors import ContractError
from bank_assets.contract.file import parse_contract
from bank_assets.contract.file_writing import write_contract
from bank_assets.contract.senders import Sender
from bank_assets.contract.sent_text import SentText
from bank_assets.contract.uci import UCI
from bank_assets.landing.delivery_file import describe
from bank_assets.landing.header import delivery_kinds
from bank_assets.spark.list_intake import read_campaign
from bank_assets_tests.world.contracts import with_column
from bank_assets_tests.world.customers import delimited, delivered
from serving.decisions.payloads import Payloads
from serving.decisions.uploads import csv_rows

CRM = Sender(
    "crm",
    files="crm-*.csv",
    columns=(("Kunde", "contact_id"), ("Kontakt", "contact_date"), ("Saldo", "balance")),
    values=(("*", "", "unknown"), ("*", "UNK", "unknown"), ("y", "1", "yes"), ("y", "0", "no"), ("pdays", "999", "-1")),
    ignore_case=True,
    decimal_sign=",",
    thousands_sign=".",
    date_format="DD.MM.YYYY",
)
STAMPED = Sender("stamped", date_format="YYYY-MM-DD*")
AMERICAN = Sender("us", date_format="M/D/YYYY")
PANDAS = Sender("pandas", decimal_sign=".", date_format="YYYY-MM-DD hh:mm:ss")
RATE = Column("rate", "rate", ColumnKind.DECIMAL, KnownWhen.PRE_CONTACT, "Rate.", default=0)
MAPPED = replace(UCI, senders=(CRM, PANDAS))
SENT = {
    "contact_id": "k-1", "contact_date": "22.11.2010", "age": "58,0", "job": "Management", "education": "UNK",
    "balance": "2.000", "pdays": "999", "poutcome": "", "contact": "CELLULAR", "day": "22", "month": "Nov",
}  # fmt: skip


def list_of(**changes: str) -> bytes:
    """One line of a list as the sender writes it."""
    row = {name: str(value) for name, value in delivered().items() if name in UCI.campaign_columns} | SENT | changes
    names = {meant: sent for sent, meant in CRM.columns}
    row = {names.get(name, name): text for name, text in row.items()}
    return delimited([row], list(row)).encode()


@pytest.mark.parametrize(
    ("sender", "column", "sent", "meant"),
    [
        (CRM, "job", "Management", "management"),
        (CRM, "job", "blue collar", "blue-collar"),
        (CRM, "job", "astronaut", "astronaut"),
        (CRM, "job", "", "unknown"),
        (CRM, "marital", "", ""),
        (CRM, "age", "", ""),
        (CRM, "y", "1", "yes"),
        (CRM, "month", "Nov", "nov"),
        (CRM, "balance", "2.000", "2000"),
        (CRM, "balance", "-1.234,00", "-1234"),
        (CRM, "balance", "1.5", "1.5"),
        (CRM, "pdays", "999", "-1"),
        (CRM, "contact_date", "22.11.2010", "2010-11-22"),
        (CRM, "contact_date", "2.11.2010", "2.11.2010"),
        (CRM, "contact_date", "31.02.2010", "31.02.2010"),
        (AMERICAN, "contact_date", "2/28/2010", "2010-02-28"),
        (AMERICAN, "arrived_at", "", ""),
        (STAMPED, "contact_date", "2010-02-28T23:59:59.001+01:00", "2010-02-28"),
        (STAMPED, "contact_date", "2010-02-281", "2010-02-281"),
        (Sender("plain"), "arrived_at", "", ""),
        (CRM, "arrived_at", "22.11.2010", "2010-11-22"),
        (CRM, "contact_id", "1.000", "1.000"),
        (CRM, "rate", "1.234,5", "1234.5"),
        (CRM, "rate", "12.50", "12.50 (not as crm writes numbers)"),
        (CRM, "rate", "x", "x"),
        (PANDAS, "age", "58.0", "58"),
        (PANDAS, "balance", "2.000", "2.000"),
        (PANDAS, "contact_date", "2010-11-22 00:00:00", "2010-11-22"),
        (None, "job", "Management", "Management"),
    ],
)
def test_a_text_is_what_the_contract_declares_for_its_sender(sender, column, sent, meant):
    assert SentText(with_column(RATE, MAPPED), sender).text(column, sent) == meant


@pytest.mark.parametrize(
    ("name", "sender"), [("crm-may.csv", "crm"), ("may.csv", "pandas"), ("", "pandas"), ("CRM-may.csv", "pandas")]
)
def test_the_first_sender_that_fits_the_file_name_holds(name, sender):
    assert SentText.of_file(MAPPED, name).sender.name == sender
    assert SentText.of_file(UCI, name).sender is None


def test_mapped_rows_are_counted_and_equal_texts_become_one():
    sent = {"job": Encoded.of(["Management", "management", "MANAGEMENT", "retired"]), "age": Encoded.of(["58"] * 4)}
    columns, changed = SentText(MAPPED, CRM).columns(sent)
    assert [columns["job"].texts[code] for code in columns["job"].codes] == ["management"] * 3 + ["retired"]
    assert list(columns["job"].texts) == ["management", "retired"]
    assert {name: rows.tolist() for name, rows in changed.items()} == {"job": [True, False, True, False]}


def test_a_list_of_a_sender_is_read_at_the_landing_door_and_counted(tmp_path: Path):
    path = tmp_path / "list.csv"
    path.write_bytes(list_of())
    kind, now = delivery_kinds(MAPPED)["campaigns"], datetime(2010, 11, 1, tzinfo=UTC)
    delivery = describe(path, kind, name="crm-may.csv", arrival=1, now=now)
    assert (delivery.first_day, set(delivery.columns)) == ("2010-11-22", set(UCI.campaign_columns))
    found = read_campaign(delivery, MAPPED)
    assert found.rejected == ()
    assert (found.frame["balance"].tolist(), found.frame["job"].tolist()) == ([2_000.0], ["management"])
    assert found.mapped == dict.fromkeys(
        ("contact_date", "age", "job", "education", "balance", "contact", "month", "pdays", "poutcome"), 1
    )


def test_an_upload_of_a_sender_is_read_by_its_name():
    payloads = Payloads.of(MAPPED)
    sent = SentText.of_file(MAPPED, "crm-may.csv")
    ((_, request),) = csv_rows(io.BytesIO(list_of()), payloads, payloads.request_of_text, sent)
    assert (request.balance_eur, request.previous_outcome) == (2_000, "unknown")
    ((_, error),) = csv_rows(io.BytesIO(list_of(age="x")), payloads, payloads.request_of_text, sent)
    assert error.sentence == 'line 2: age: expected a whole number from 16 to 120 years, found "x"'


def test_a_mapping_is_part_of_the_contract():
    assert Contract.from_dict(json.loads(MAPPED.canonical)) == MAPPED
    assert parse_contract(write_contract(MAPPED), "mapped.odcs.yaml") == MAPPED
    assert MAPPED.rows_digest != UCI.rows_digest
    assert "senders" not in UCI.canonical


@pytest.mark.parametrize(
    ("sender", "said"),
    [
        (Sender("x", columns=(("Kunde", "customer"),)), "expected columns of the contract, found ['customer']"),
        (Sender("x", values=(("job", "Chef", "boss"),)), "expected 'Chef' to stand for one of admin., "),
        (Sender("x", values=(("jobs", "Chef", "boss"),)), "expected values of a column or of *, found 'jobs'"),
        (Sender("x", values=(("*", "?", "nothing"),)), "expected '?' to stand for a category, found 'nothing'"),
        *((Sender("x", date_format=one), f"found '{one}'") for one in ("DD.MM.YY", "DD.MMM.YYYY", "DD%MM%YYYY")),
        (Sender("x", date_format="YYYY-MM-DD YYYY"), "expected a date format with YYYY, MM and DD, each once"),
        (Sender("x", thousands_sign="."), "expected a decimal sign beside the thousands sign"),
        (Sender("x", decimal_sign=".", thousands_sign="."), "found '.' for both"),
    ],
)
def test_a_mapping_that_does_not_fit_its_contract_is_refused_in_a_sentence(sender, said):
    with pytest.raises(ContractError) as refused:
        replace(UCI, senders=(sender,))
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("senders", "said"),
    [
        ((Sender("a", "*"), Sender("b", "crm-*")), "sender b: expected it before sender a, whose files are *,"),
        ((Sender("a", "x*"), Sender("a", "y*")), "expected every sender's name once, found 'a' repeatedly"),
    ],
)
def test_a_sender_that_is_never_read_is_refused(senders, said):
    with pytest.raises(ContractError) as refused:
        replace(UCI, senders=senders)
    assert said in str(refused.value)
    assert replace(UCI, senders=(Sender("a", "crm-*"), Sender("b", "*")))
