"""Campaign files: usable rows are typed, the others named by line and reason, none lost."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from bank_assets.contract.uci import UCI
from bank_assets.core.economics.suppression import persons_of
from bank_assets.landing.campaign_file import is_due, latest_campaigns
from bank_assets.landing.deliveries import register_deliveries
from bank_assets.spark.list_intake import read_campaign
from bank_assets_tests.world.contracts import PERSONS, WIDER
from bank_assets_tests.world.customers import delimited, delivered

GOOD = {
    name: str(value)
    for name, value in delivered(contact_id="k1", contact_date="2010-10-18", age=41, balance=-12).items()
    if name in UCI.campaign_columns
}


@pytest.fixture
def campaign(tmp_path):
    def read(rows, *, encoding="utf-8", end="\n", delimiter=";", contract=UCI):
        folder = tmp_path / "landing" / "campaigns"
        folder.mkdir(parents=True, exist_ok=True)
        text = delimited(rows, [*UCI.campaign_columns, *(["Kunde"] if "Kunde" in rows[0] else [])], delimiter, end)
        (folder / "spring.csv").write_bytes(text.encode(encoding))
        warehouse = tmp_path / f"warehouse-{contract.version}"
        register_deliveries(tmp_path / "landing", warehouse, contract, now=datetime.now(UTC), settle_seconds=0)
        (delivery,) = latest_campaigns(warehouse).values()
        return read_campaign(delivery, contract), delivery

    return read


def test_a_list_that_is_older_than_a_column_has_its_default(campaign):
    found, _ = campaign([GOOD], contract=WIDER)
    assert found.frame["tenure"].tolist() == [0.0]
    assert found.n_rejected == 0


def test_a_list_names_the_person_behind_a_contact_who_may_be_the_contact(campaign):
    assert "customer_id" not in campaign([GOOD])[0].frame
    rows = [GOOD | {"contact_id": f"c{n}", "Kunde": text} for n, text in enumerate((" k 1 ", "k 1", "", "x" * 65))]
    found, _ = campaign(rows, contract=PERSONS)
    assert persons_of(found.contact_ids, found.frame) == ["k 1", "k 1", "c2"]
    assert "Kunde: expected a value of at most 64 visible characters, or nothing" in found.rejected[0]


def test_good_rows_are_typed(campaign):
    found, delivery = campaign([GOOD, GOOD | {"contact_id": "k2", "age": "60"}])
    assert found.name == "spring"
    assert found.frame["age"].tolist() == [41.0, 60.0]
    assert found.frame["balance"].tolist() == [-12.0, -12.0]
    assert found.contact_dates[0] == np.datetime64("2010-10-18")
    assert found.n_rejected == 0
    assert len(found.contact_ids) + found.n_rejected == delivery.rows


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        ("age", "seven", "age: expected a whole number"),
        ("age", "7", "age: expected a whole number"),
        ("age", "300", "age: expected a whole number"),
        ("job", "astronaut", "job: expected one of"),
        ("balance", "", "balance: expected a whole number"),
        ("balance", "NaN", "balance: expected a whole number"),
        ("age", "41.5", "age: expected a whole number"),
        ("contact_date", "18.10.2010", "contact_date: expected"),
        ("contact_date", "9999-12-31", "contact_date: expected a day YYYY-MM-DD from 1990-01-01 to 2100-01-01"),
        ("contact_id", "", "contact_id: expected a value"),
    ],
)
def test_a_bad_row_is_named_and_the_good_one_is_kept(campaign, column, value, expected):
    found, delivery = campaign([GOOD, GOOD | {"contact_id": "k2"} | {column: value}])
    assert found.contact_ids.tolist() == ["k1"]
    assert found.n_rejected == 1
    assert "line 3" in found.rejected[0]
    assert expected in found.rejected[0]
    assert len(found.contact_ids) + found.n_rejected == delivery.rows


def test_a_day_far_from_the_others_keeps_no_list_open(campaign):
    far = GOOD | {"contact_id": "far", "contact_date": "2090-10-18"}
    found, delivery = campaign([*(GOOD | {"contact_id": f"k-{number}"} for number in range(40)), far])
    assert (len(found.contact_ids), delivery.last_day) == (41, "2010-10-18")


def test_a_customer_twice_is_called_once(campaign):
    found, _ = campaign([GOOD, GOOD])
    assert found.contact_ids.tolist() == ["k1"]
    assert "found again" in found.rejected[0]


@pytest.mark.parametrize(
    ("encoding", "end", "delimiter"),
    [("utf-8-sig", "\n", ";"), ("latin-1", "\r\n", ";"), ("utf-8", "\n", ","), ("utf-8", "\r", "\t")],
)
def test_encodings_line_ends_and_delimiters(campaign, encoding, end, delimiter):
    found, _ = campaign([GOOD], encoding=encoding, end=end, delimiter=delimiter)
    assert found.contact_ids.tolist() == ["k1"]
    assert found.n_rejected == 0


def test_text_that_is_not_utf_8_is_read_as_the_contract_declares(campaign):
    polish = replace(UCI, encoding="cp1250")
    found, delivery = campaign([GOOD, GOOD | {"job": "płatny"}], encoding="cp1250", contract=polish)
    assert delivery.encoding == "cp1250"
    assert 'found "płatny"' in found.rejected[0]
    assert campaign([GOOD | {"contact_id": "zażółć"}], contract=polish)[0].contact_ids.tolist() == ["zażółć"]


def test_a_row_is_named_by_its_line_in_the_file(campaign):
    bad = GOOD | {"contact_id": "k2", "age": "x"}
    found, _ = campaign([GOOD, GOOD | {"contact_id": "k3", "poutcome": "unknown\n\n"}, bad])
    assert found.rejected == ('line 6: age: expected a whole number from 16 to 120 years, found "x"',)


@pytest.mark.parametrize("age", ["2.000", "41.0", "4 1"])
def test_a_number_is_what_a_contacts_delivery_takes_for_one(campaign, age):
    found, _ = campaign([GOOD, GOOD | {"contact_id": "k2", "age": age}])
    assert found.contact_ids.tolist() == ["k1"]


def test_an_open_quote_affects_no_other_customer(campaign):
    found, delivery = campaign([GOOD, GOOD | {"contact_id": '"k2'}, GOOD | {"contact_id": "k3"}])
    assert found.contact_ids.tolist() == ["k1", "k3"]
    assert found.rejected == ("line 3: row: expected quotes around whole values, found one that does not close",)
    assert len(found.contact_ids) + found.n_rejected == delivery.rows


def test_day_and_month_may_not_contradict_the_date(campaign):
    found, _ = campaign([GOOD, GOOD | {"contact_id": "k2", "day": "19"}])
    assert 'day: expected the day of contact_date 2010-10-18, found "19"' in found.rejected[0]


@pytest.mark.parametrize(
    ("as_of", "last_made_from", "due"),
    [
        ("2010-10-18", "scores", True),  # its last day is still to come
        ("2010-10-19", "scores", False),
        ("2010-10-19", None, True),  # never worked on
        ("2010-10-19", "older scores", True),
    ],
)
def test_a_list_is_worked_on_while_its_days_are_open_and_at_least_once(campaign, as_of, last_made_from, due):
    _, delivery = campaign([GOOD])
    assert is_due(delivery, as_of, "scores", last_made_from) is due
    assert not is_due(None, as_of, "scores", "scores")


def test_of_many_refused_rows_the_first_hundred_are_named_and_all_are_counted(campaign, monkeypatch):
    monkeypatch.setattr("bank_assets.contract.reading.BLOCK_BYTES", 5_000)
    rows = [GOOD | {"contact_id": f"k{number}", "age": "7"} for number in range(150)]
    rows[3]["contact_id"] = '"k3'
    found, delivery = campaign([*rows, GOOD, GOOD])
    assert (found.n_rejected, len(found.rejected)) == (151, 100)
    assert [one.split(":")[0] for one in found.rejected] == [f"line {number}" for number in range(2, 102)]
    assert "does not close" in found.rejected[3]
    assert len(found.contact_ids) + found.n_rejected == delivery.rows
