"""Deliveries as spreadsheets and programs write them: every row is used, or rejected with its reason."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from bank_assets.contract.uci import UCI
from bank_assets.landing.delivery_file import describe
from bank_assets.landing.header import delivery_kinds
from bank_assets.landing.register import Delivery
from bank_assets.spark.intake import ByteRange, IntakeTask
from bank_assets.spark.repeats import settle_month
from bank_assets.spark.tables import TABLES, Family
from bank_assets_tests.world.customers import delimited, delivered

N = 20
ROWS = [{name: str(value) for name, value in delivered(contact_id=f"h-{n:02}").items()} for n in range(N)]


def changed(*rows: int, **changes: str) -> str:
    """The delivery with other values in some rows, or in all."""
    return delimited([row | changes if n in (rows or range(N)) else row for n, row in enumerate(ROWS)])


def floats() -> str:
    """As pandas writes columns of numbers with gaps."""
    return delimited([{name: f"{text}.0" if text.isdigit() else text for name, text in row.items()} for row in ROWS])


GOOD = delimited(ROWS)
ODD_DELIVERIES = {
    "as it should be": (GOOD, N, ""),
    "whole numbers with decimals": (floats(), 0, 'age: expected a whole number from 16 to 120 years, found "58.0"'),
    "outcome as 0": (changed(y="0"), 0, 'y: expected one of no, yes, or nothing, found "0" (did you mean "no"?)'),
    "empty for unknown": (changed(0, 1, 2, education=""), N - 3, "found nothing (empty: write unknown, or map it)"),
    "a word for empty": (changed(4, duration="NULL"), N - 1, 'found "NULL" (leave it empty, or map it)'),
    "capitals": (changed(month="May"), 0, 'found "May" (did you mean "may"?)'),
    "blanks": (changed(0, 1, job=" management "), N, ""),
    "non-breaking blanks": (changed(0, job="management\u00a0"), N - 1, r'found "management\xa0" (did you'),
    "currency": (changed(0, balance="300 EUR"), N - 1, 'found "300 EUR" (did you mean 300?)'),
    "thousands": (changed(0, balance="2.000"), N - 1, 'found "2.000" (did you mean 2000?)'),
    "half the days otherwise": (changed(*range(0, N, 2), contact_date="05/05/2008"), N // 2, 'found "05/05/2008"'),
    "one wrong year": (changed(7, contact_date="2018-05-05"), N - 1, 'near most of its days (usable here: 2008-05-05'),
    "CR alone": (GOOD.replace("\n", "\r"), N, ""),
    "CRLF, mark and sep": ("\ufeffsep=;\r\n" + GOOD.replace("\n", "\r\n"), N, ""),
    "two files in one": (GOOD + GOOD.replace("h-", "i-"), 2 * N, 'age: expected a whole number from'),
    "an open quote": (changed(3, job='"management'), N - 1, "expected quotes around whole values, found one that does"),
    "a field too many": (changed(3, job="management;x"), N - 1, "row: expected 19 fields, found 20"),
    "NUL": (changed(3, contact_id="a\x00b"), N - 1, r'found "a\x00b"'),
    "a long identifier": (changed(3, contact_id="x" * 65), N - 1, "at most 64 visible characters"),
    "a lost letter": (changed(3, contact_id="Jo\ufffdo"), N - 1, 'found "Jo\ufffdo"'),
    "formulas": (changed(3, contact_id="=1+1"), N, ""),
    "totals below": (GOOD + ";".join(["total", *[""] * 18]) + "\n", N, 'contact_date: expected a day'),
}  # fmt: skip


def taken(content: bytes, tmp_path: Path) -> tuple[int, list[str], Delivery]:
    """Rows of the table, reasons of rejected rows, and the delivery."""
    import pyarrow.parquet as pq

    path = tmp_path / "x.csv"
    path.write_bytes(content)
    file = describe(
        path, delivery_kinds(UCI)["contacts"], name=path.name, arrival=1, now=datetime(2020, 1, 1, tzinfo=UTC)
    )
    folders = {table: tmp_path / table for table in (*TABLES, "scratch")}
    for folder in folders.values():
        folder.mkdir()
    task = IntakeTask(Family(UCI, "contacts"), folders, folders["scratch"], [*file.months])
    result = task.run([ByteRange(file, 0, path.stat().st_size)])
    for part in result.parts.values():
        settle_month(Family(UCI, "contacts"), [part], folders)
    files = [part.files["contacts"] for part in result.parts.values() if "contacts" in part.files]
    rejected = [pq.read_table(folders["rejected_contacts"] / one.name).to_pylist() for one in result.rejected]
    return sum(one.rows for one in files), [row["reasons"] for rows in rejected for row in rows], file


@pytest.mark.parametrize("name", list(ODD_DELIVERIES))
def test_every_row_is_used_or_rejected_with_its_reason(tmp_path, name):
    text, usable, said = ODD_DELIVERIES[name]
    rows, reasons, file = taken(text.encode(), tmp_path)
    assert (rows, rows + len(reasons)) == (usable, file.rows)
    assert all(any(said in reason for reason in of_row) for of_row in reasons), reasons[:1]


def test_a_line_of_another_encoding_costs_its_own_row_alone(tmp_path):
    lines = changed(0, 1, contact_id="Jo\u00e3o").replace("Jo\u00e3o", "Zo\u00eb", 1).encode().splitlines()
    lines[9] = lines[9].replace(b"h-08", b"Jo\xe3o")
    rows, reasons, file = taken(b"\n".join(lines), tmp_path)
    assert (rows, file.encoding) == (N - 1, "utf-8")
    assert 'found "Jo\ufffdo"' in reasons[0][0]
