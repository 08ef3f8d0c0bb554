"""Landing a source as monthly deliveries: complete, byte for byte, idempotent, by date range."""

import csv
import os
import zipfile
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from bank_assets.contract.uci import UCI
from bank_assets.landing.deliveries import register_deliveries
from bank_assets.landing.header import DeliveryRefused
from bank_assets.settings import Settings
from bank_assets.sources.landing import land_source
from bank_assets.sources.source import Source, resolve_source
from bank_assets.sources.uci import is_pinned

REST = "58;management;married;tertiary;no;2143;yes;no;unknown;5;may;261;1;-1;0;unknown;no"


def line(number, day):
    return f"c-{number};{day};{REST}"


@pytest.fixture
def settings(tmp_path):
    return Settings(home=tmp_path / "home", simulated_rows=2_000)


@pytest.fixture
def mine(tmp_path):
    """A user's file: two months, a stray, a short row, a blank line, CRLF."""
    path = tmp_path / "mine.csv"
    rows = [line(1, "2008-05-05"), line(2, "2008-06-02"), line(3, "2008-06-20"), line(4, "soon"), "c-5;2008-06-30", ""]
    path.write_bytes("\r\n".join([";".join(UCI.delivery_columns), *rows]).encode())
    return Source("file", "file mine.csv", path=path)


def rows_of(path, delimiter=";"):
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream, delimiter=delimiter))


def contacts(settings):
    return sorted((settings.landing / "contacts").glob("*.csv"))


def test_a_users_file_is_split_by_month_and_no_row_is_lost(settings, mine):
    landed = land_source(mine, settings)
    assert landed.written == ("campaigns/example.csv", "contacts/contacts-2008-05.csv", "contacts/contacts-2008-06.csv")
    assert landed.rows == {"2008-05": 1, "2008-06": 4}
    assert (landed.first_day, landed.last_day) == ("2008-05-05", "2008-06-30")
    may, june = contacts(settings)
    assert may.read_text().splitlines()[1:] == [line(1, "2008-05-05")]
    assert june.read_text().splitlines()[1:] == [line(2, "2008-06-02"), line(3, "2008-06-20"), line(4, "soon"),
                                                 "c-5;2008-06-30"]  # fmt: skip
    now = datetime.now(UTC)
    registered = register_deliveries(settings.landing, settings.warehouse, UCI, now=now, settle_seconds=0)
    assert sum(d.rows for d in registered.new if d.kind == "contacts") == 5
    assert registered.refused == []


def test_the_example_campaign_has_30_days_and_nothing_known_after_the_call(settings, mine):
    land_source(mine, settings)
    customers = rows_of(settings.landing / "campaigns" / "example.csv")
    assert set(customers[0]) == set(UCI.campaign_columns)
    assert [c["contact_id"] for c in customers] == ["c-2", "c-3"]
    assert (customers[0]["age"], customers[0]["poutcome"]) == ("58", "unknown")


def test_landing_again_writes_nothing(settings, mine):
    first = land_source(mine, settings)
    stamps = {path: path.stat().st_mtime_ns for path in contacts(settings)}
    again = land_source(mine, settings)
    assert (again.written, again.unchanged) == ((), first.written)
    assert {path: path.stat().st_mtime_ns for path in contacts(settings)} == stamps


def test_a_file_that_somebody_else_changed_is_kept_and_named(settings, mine):
    land_source(mine, settings)
    listed = settings.landing / "campaigns" / "example.csv"
    listed.write_text(listed.read_text().replace("c-3", "c-9"))
    edited = listed.read_bytes()
    landed = land_source(mine, settings)
    assert (landed.kept, landed.written, listed.read_bytes()) == (("campaigns/example.csv",), (), edited)
    listed.unlink()
    assert land_source(mine, settings).written == ("campaigns/example.csv",)


def test_a_file_that_lay_there_before_the_first_landing_is_kept(settings, mine):
    listed = settings.landing / "campaigns" / "example.csv"
    listed.parent.mkdir(parents=True)
    listed.write_text("a list of the bank's own")
    assert land_source(mine, settings).kept == ("campaigns/example.csv",)
    assert listed.read_text() == "a list of the bank's own"


def test_a_packed_file_is_a_source_too(settings, tmp_path, mine):
    archive = tmp_path / "mine.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        opened.write(mine.path, "mine.csv")
    source = resolve_source(replace(settings, source=str(archive)))
    assert source.label.startswith("file mine.zip (")
    assert land_source(source, settings).rows == {"2008-05": 1, "2008-06": 4}


def test_months_can_be_played_one_by_one(settings, mine):
    landed = land_source(mine, settings, last=date(2008, 5, 31))
    assert landed.rows == {"2008-05": 1, "2008-06": 1}  # the stray comes with the span that has no first day
    landed = land_source(mine, settings, first=date(2008, 6, 1), last=date(2008, 6, 10))
    assert (landed.rows, landed.last_day) == ({"2008-06": 1}, "2008-06-02")
    assert [c["contact_id"] for c in rows_of(settings.landing / "campaigns" / "example.csv")] == ["c-1", "c-2"]
    assert land_source(mine, settings, first=date(2020, 1, 1)).rows == {}


def test_a_file_without_usable_dates_is_refused_and_nothing_appears(settings, tmp_path):
    path = tmp_path / "bad.csv"
    path.write_text("\n".join([";".join(UCI.delivery_columns), line(1, "soon")]))
    with pytest.raises(DeliveryRefused, match=r"bad\.csv: expected a contact_date"):
        land_source(Source("file", "file bad.csv", path=path), settings)
    assert contacts(settings) == []


def test_a_failed_landing_leaves_no_half_file(settings, mine, monkeypatch):
    monkeypatch.setattr(
        "bank_assets.sources.landing._recent_days", lambda _: (_ for _ in ()).throw(OSError("disk full"))
    )
    with pytest.raises(OSError, match="disk full"):
        land_source(mine, settings)
    assert [path for path in settings.landing.rglob("*") if path.is_file()] == [settings.landing / "source.json"]


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_any_line_end_ends_a_row(settings, tmp_path, line_end):
    path = tmp_path / "mine.csv"
    path.write_bytes(
        line_end.join([";".join(UCI.delivery_columns), *(line(n, "2008-05-05") for n in range(50))]).encode()
    )
    land_source(Source("file", "file mine.csv", path=path), settings)
    assert [row["contact_id"] for row in rows_of(contacts(settings)[0])] == [f"c-{n}" for n in range(50)]


def test_a_simulated_history_lands_by_month_and_again_unchanged(settings):
    source = resolve_source(replace(settings, source="simulated"))
    landed = land_source(source, settings)
    assert (sum(landed.rows.values()), len(landed.rows)) == (2_000, 30)
    rows = rows_of(contacts(settings)[0])
    assert tuple(rows[0]) == UCI.delivery_columns
    assert {row["contact_date"][:7] for row in rows} == {"2008-05"}
    assert land_source(source, settings).written == ()
    customers = rows_of(settings.landing / "campaigns" / "example.csv")
    assert tuple(customers[0]) == UCI.campaign_columns
    assert customers
    assert (date.fromisoformat(landed.last_day) - date.fromisoformat(customers[0]["contact_date"])).days < 30


def test_a_simulated_span_is_a_part_of_the_history(settings):
    source = resolve_source(replace(settings, source="simulated"))
    land_source(source, settings)
    june = contacts(settings)[1].read_bytes()
    contacts(settings)[1].unlink()
    land_source(source, settings, first=date(2008, 6, 1), last=date(2008, 6, 30))
    assert contacts(settings)[1].read_bytes() == june


@pytest.fixture
def real_source():
    path = Path(os.environ.get("BANK_SOURCE", ""))
    if not path.is_file() or not is_pinned(path):
        pytest.skip("BANK_SOURCE is not the path of the UCI file")
    return Source("file", "UCI bank-full.csv", path=path)


@pytest.mark.slow
def test_the_real_file_lands_as_31_months_less_september_2008(settings, real_source):
    landed = land_source(real_source, settings)
    assert sum(landed.rows.values()) == 45_211
    assert len(landed.rows) == 30
    assert "2008-09" not in landed.rows
    assert (landed.rows["2008-05"], landed.rows["2008-12"], landed.rows["2010-11"]) == (7957, 13, 75)
    assert (landed.first_day, landed.last_day) == ("2008-05-05", "2010-11-17")
    lines = [line for path in contacts(settings) for line in path.read_bytes().splitlines()[1:]]
    assert lines[0].startswith(b'"uci-000001";2008-05-05;58;"management"')
    assert lines[-1].startswith(b'"uci-045211";2010-11-17;')
    assert [line.split(b";", 2)[2] for line in lines] == real_source.path.read_bytes().splitlines()[1:]
    customers = rows_of(settings.landing / "campaigns" / "example.csv")
    assert min(c["contact_date"] for c in customers) >= "2010-10-19"
