"""One task of the ETL, without Spark: what a sender's mapping changes is typed, counted and rejected as delivered."""

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


def test_a_mapped_delivery(tmp_path: Path):
    sent = {"contact_date": "22.11.2010", "day": 22, "month": "Nov", "job": "Management", "balance": "2.000", "y": "1"}
    rows = [delivered(contact_id=f"k-{n}") | sent for n in range(3)]
    rows[1] |= {"job": "RETIRED", "education": ""}
    rows[2] |= {"age": "old"}
    path = tmp_path / "crm.csv"
    path.write_text(delimited(rows, UCI.delivery_columns))
    kind, now = delivery_kinds(MAPPED)["contacts"], datetime(2010, 12, 1, tzinfo=UTC)
    file = describe(path, kind, name="crm.csv", arrival=1, now=now)
    folders = {table: tmp_path / table for table in TABLES}
    for folder in (*folders.values(), tmp_path / "scratch"):
        folder.mkdir()
    task = IntakeTask(Family(MAPPED, "contacts"), folders, tmp_path / "scratch", ["2010-11"])
    result = task.run([ByteRange(file, 0, path.stat().st_size)])

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
