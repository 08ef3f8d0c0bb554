"""One task of the ETL, without Spark: what a sender's mapping changes, and contacts that were taken back."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq

from bank_assets.contract.senders import Sender
from bank_assets.contract.uci import UCI
from bank_assets.landing.delivery_file import describe
from bank_assets.landing.header import delivery_kinds
from bank_assets.spark.intake import ByteRange, IntakeTask
from bank_assets.spark.tables import TABLES, Family
from bank_assets_tests.world.customers import delimited, delivered

MAPPED = replace(
    UCI,
    senders=(
        Sender(
            "crm",
            values=(("*", "", "unknown"), ("y", "1", "yes")),
            ignore_case=True,
            decimal_sign=",",
            thousands_sign=".",
            date_format="DD.MM.YYYY",
        ),
    ),
)


def run(rows, contract, folder: Path, *without: str):
    """What one task makes of a delivery from which contacts were taken back."""
    path = folder / "crm.csv"
    path.write_text(delimited(rows, contract.delivery_columns))
    kind, now = delivery_kinds(contract)["contacts"], datetime(2010, 12, 1, tzinfo=UTC)
    file = replace(describe(path, kind, name="crm.csv", arrival=1, now=now), without=frozenset(without))
    folders = {table: folder / table for table in TABLES}
    for one in (*folders.values(), folder / "scratch"):
        one.mkdir()
    task = IntakeTask(Family(contract, "contacts"), folders, folder / "scratch", ["2010-11"])
    return task.run([ByteRange(file, 0, path.stat().st_size)]), folders


def test_a_mapped_delivery(tmp_path: Path):
    sent = {"contact_date": "22.11.2010", "day": 22, "month": "Nov", "job": "Management", "balance": "2.000", "y": "1"}
    rows = [delivered(contact_id=f"k-{n}") | sent for n in range(3)]
    rows[1] |= {"job": "RETIRED", "education": ""}
    rows[2] |= {"age": "old"}
    result, folders = run(rows, MAPPED, tmp_path)

    part = result.parts["2010-11"].files["contacts"]
    contacts = pq.read_table(folders["contacts"] / part.name).to_pylist()
    assert [(row["job"], row["education"], row["balance_eur"]) for row in contacts] == [
        ("management", "tertiary", 2_000),
        ("retired", "unknown", 2_000),
    ]
    mapped = {name: count for (_, fact, name, _), count in result.facts.items() if fact == "mapped"}
    assert mapped == {"contact_date": 3, "job": 3, "education": 1, "balance": 3, "month": 3, "y": 3}
    (rejected,) = pq.read_table(folders["rejected_contacts"] / result.rejected[0].name).to_pylist()
    assert (rejected["job"], rejected["balance"], rejected["contact_date"]) == ("Management", "2.000", "22.11.2010")
    assert rejected["reasons"] == ['age: expected a whole number from 16 to 120 years, found "old"']


def test_rows_of_contacts_that_were_taken_back_are_neither_kept_nor_rejected_nor_counted(tmp_path: Path):
    rows = [delivered(contact_id=f"k-{n}", contact_date="2010-11-22", age=20 + n) for n in range(6)]
    rows[1] |= {"age": "old"}
    rows[4] |= {"job": '"open'}
    result, folders = run(rows, UCI, tmp_path, "k-0", "k-1", "k-3")
    part = result.parts["2010-11"].files["contacts"]
    contacts = pq.read_table(folders["contacts"] / part.name).to_pylist()
    assert [(row["contact_id"], row["age_years"]) for row in contacts] == [("k-2", 22), ("k-5", 25)]
    facts = {fact: count for (_, fact, name, _), count in result.facts.items() if not name}
    assert facts == {"rows": 3, "rejected": 1, "withdrawn": 3}
    (rejected,) = pq.read_table(folders["rejected_contacts"] / result.rejected[0].name).to_pylist()
    assert rejected["line"].startswith("k-4;")
