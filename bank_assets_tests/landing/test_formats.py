"""Packed files, Parquet and other encodings: each is the delivery of the text inside, or is set aside."""

import gzip
import io
import zipfile
from dataclasses import replace
from datetime import date

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bank_assets.contract.senders import Sender
from bank_assets.contract.uci import UCI
from bank_assets.landing.deliveries import register_deliveries
from bank_assets.landing.formats import content_of
from bank_assets.landing.register import read_manifest
from bank_assets_tests.landing.landing_home import CONTENT, NOW
from bank_assets_tests.world.customers import DELIVERED, delimited


def packed(ending):
    if ending == ".csv.gz":
        return gzip.compress(CONTENT, mtime=0)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("inside.csv", CONTENT)
        for leftover in ("__MACOSX/._inside.csv", ".DS_Store", "folder/Thumbs.db", "~$inside.csv"):
            archive.writestr(leftover, b"")
    return stream.getvalue()


@pytest.mark.parametrize("ending", [".csv.gz", ".zip"])
def test_a_packed_file_is_the_delivery_inside_it(home, ending):
    home.put("plain.csv")
    (plain,) = home.register().new
    home.put(f"x{ending}", packed(ending))
    result = home.register()
    assert (result.new, result.unchanged) == ([], ["contacts/plain.csv", f"contacts/x{ending}"])
    assert {one.sha256 for one in read_manifest(home.warehouse)} == {plain.sha256}


def damaged_zip():
    content = bytearray(packed(".zip"))
    content[60] ^= 0xFF
    return bytes(content)


def zip_of_two():
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in ("a.csv", "b.csv"):
            archive.writestr(name, CONTENT)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("x.csv.gz", gzip.compress(CONTENT)[:-9], "a damaged one"),
        ("x.csv.gz", CONTENT, "a damaged one"),
        ("x.zip", b"PK", "a damaged one"),
        ("x.zip", damaged_zip(), "a damaged one"),
        ("x.zip", zip_of_two(), "2 files in it: 'a.csv', 'b.csv'; unzip it"),
        ("x.parquet", CONTENT, "a damaged one"),
        ("x.csv.gz", gzip.compress(b""), "an empty file"),
    ],
    ids=["short", "no gzip", "no zip", "wrong bytes", "two files", "no Parquet", "empty"],
)
def test_a_damaged_or_unclear_packed_file_is_set_aside(home, name, content, found):
    home.put(name, content)
    home.put("good.csv")
    assert found in home.register().refused[0].problem
    assert home.names() == ["good.csv"]
    assert (home.landing / "refused" / name).exists()


def test_a_bomb_is_refused_before_it_fills_the_disk(home, monkeypatch):
    monkeypatch.setattr("bank_assets.landing.formats._MOST_BYTES", 1_000)
    monkeypatch.setattr("bank_assets.landing.formats._MOST_TIMES", 2)
    home.put("x.csv.gz", gzip.compress(CONTENT + b"x" * 100_000))
    assert "inside" in home.register().refused[0].problem


def test_parquet_is_read_as_the_same_rows(home, tmp_path):
    home.put("plain.csv")
    home.register()
    row = DELIVERED | {"contact_id": "c-1", "contact_date": "2008-05-05"}
    typed = {name: pa.array([value]) for name, value in row.items()}
    typed |= {
        "contact_date": pa.array([date(2008, 5, 5)]),
        "age": pa.array([float(row["age"])]),
        "housing": pa.array([row["housing"] == "yes"]),
        "job": pa.array([row["job"]]).dictionary_encode(),
    }
    pq.write_table(pa.table(typed), home.contacts / "x.parquet")
    (_, delivery) = (home.register(), read_manifest(home.warehouse)[-1])
    header, line = delivery.path.read_text().splitlines()
    assert [text.strip('"') for text in header.split(";")] == list(row)
    assert [text.strip('"') for text in line.split(";")] == [str(value) for value in row.values()]


def damaged_parquet(tmp_path):
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"contact_id": [f"c-{number}" for number in range(1_000)]}), path, compression="gzip")
    content = bytearray(path.read_bytes())
    content[60:90] = bytes(30)
    return bytes(content)


def test_a_damaged_page_of_a_parquet_file_is_no_lack_of_rights(home, tmp_path):
    home.put("x.parquet", damaged_parquet(tmp_path))
    assert "a damaged one" in home.register().refused[0].problem
    assert (home.landing / "refused" / "x.parquet").exists()


def test_decimals_of_parquet_columns_have_no_exponents(home, tmp_path):
    pq.write_table(pa.table({"rate": [1e-07, 4.857, None, 12.0]}), tmp_path / "x.parquet")
    text = b"".join(content_of(tmp_path / "x.parquet", "x.parquet")).decode()
    assert text.replace('"', "").splitlines() == ["rate", "0.0000001", "4.857", "", "12"]


def test_times_and_gaps_of_parquet_columns_are_text(home):
    rows = pa.table(
        {
            "contact_id": ["c-1", "a\nb"],
            "y": ["yes", None],
            "duration": pa.array([90.0, float("nan")]),
            "arrived_at": pa.array(["2008-05-09", "2008-05-09T10:00:01"]).cast(pa.timestamp("us")),
        }
    )
    (home.landing / "outcomes").mkdir(parents=True)
    pq.write_table(rows, home.landing / "outcomes" / "x.parquet")
    home.register()
    (delivery,) = read_manifest(home.warehouse, "outcomes")
    assert delivery.path.read_text().replace('"', "").splitlines()[1:] == [
        "c-1;yes;90;2008-05-09", r"a\nb;;;2008-05-09 10:00:01"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("contract", "text"),
    [
        (UCI, "4.857"),
        (replace(UCI, decimal_sign=",", thousands_sign="."), "4,857"),
        (replace(UCI, senders=(Sender("crm", "x.*", decimal_sign=",", thousands_sign="."),)), "4,857"),
    ],
)
@pytest.mark.parametrize("kind", [pa.float64(), pa.decimal128(10, 4)])
def test_typed_numbers_are_spelled_as_their_sender_writes_numbers(home, contract, text, kind):
    row = DELIVERED | {"contact_id": "c-1", "contact_date": "2008-05-05", "balance": "4.857", "age": "58"}
    typed = {name: pa.array([value]) for name, value in row.items()}
    typed |= {name: pa.array([row[name]]).cast(kind) for name in ("balance", "age")}
    home.contacts.mkdir(exist_ok=True)
    pq.write_table(pa.table(typed), home.contacts / "x.parquet")
    (new,) = register_deliveries(home.landing, home.warehouse, contract, now=NOW, settle_seconds=0).new
    fields = dict(zip(*(line.replace('"', "").split(";") for line in new.path.read_text().splitlines()), strict=True))
    assert (fields["balance"], fields["age"]) == (text, "58")


def test_header_and_rows_are_read_in_the_declared_encoding(home):
    columns = [replace(column, source="beruf_größe") if column.source == "job" else column for column in UCI.columns]
    german = replace(UCI, columns=tuple(columns), list_statistics=(), encoding="cp1252")
    row = DELIVERED | {"contact_id": "c-1", "contact_date": "2008-05-05", "beruf_größe": "management"}
    home.put("a.csv", delimited([row], german.delivery_columns).encode("cp1252"))
    found = register_deliveries(home.landing, home.warehouse, german, now=NOW, settle_seconds=0)
    assert found.refused == []
    assert (found.new[0].encoding, found.new[0].columns) == ("cp1252", german.delivery_columns)
