"""A database as the source: what is new arrives once, and nothing is lost when the database misbehaves."""

from dataclasses import replace
from decimal import Decimal

import pyarrow.parquet as pq
import pytest
from sqlalchemy import NullPool, create_engine, text

from bank_assets.commands import pull as command
from bank_assets.contract.columns import ColumnKind
from bank_assets.contract.senders import Sender
from bank_assets.contract.sent_text import SentText
from bank_assets.contract.uci import UCI
from bank_assets.landing.deliveries import register_deliveries
from bank_assets.landing.formats import content_of
from bank_assets.settings import Settings
from bank_assets.sources import database
from bank_assets.sources.database import _spelled, pull
from bank_assets.sources.source import Source, claim_landing, resolve_history, resolve_source
from bank_assets.sources.uci import SourceError
from bank_assets_tests.world.customers import DELIVERED, delimited, delivered
from bank_assets_tests.world.postgres import create_database, kill, restart, running_postgres

AGE, RATE = UCI.by_source["age"], replace(UCI.by_source["age"], kind=ColumnKind.DECIMAL)
TYPES = {"contact_date": "DATE", "age": "NUMERIC(5, 1)", "balance": "DOUBLE PRECISION"}
OTHER_TYPES = {  # SQLite has no BOOLEAN, and a NUMERIC of DuckDB no NaN
    "sqlite": {},
    "duckdb": {"y": "BOOLEAN", "age": "DOUBLE"},
    "postgresql": {"y": "BOOLEAN"},
}


class Bank:
    """A table of contacts with the time of each row's last change, and an empty home that reads it."""

    def __init__(self, url, home):
        # Without a pool, since DuckDB opens a file for writing or for reading, not for both
        self.engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"), poolclass=NullPool)
        types = TYPES | OTHER_TYPES[self.engine.dialect.name]
        columns = [f'"{name}" {types.get(name, "TEXT")}' for name in DELIVERED]
        self.execute(f"CREATE TABLE contacts ({', '.join(columns)}, changed_at TIMESTAMP, note TEXT)")
        self.settings = Settings(home=home, source=url, source_query="contacts", source_watermark="changed_at")

    def execute(self, statement, rows=None):
        with self.engine.begin() as connection:
            connection.execute(text(statement), rows or {})

    def insert(self, number, changed_at, **changes):
        row = {name: str(value) for name, value in delivered(contact_id=f"c-{number}", **changes).items()}
        row |= {"y": "yes" if number % 2 == 0 else "no", "changed_at": changed_at, "note": "two\nlines"}
        names = ", ".join(f'"{name}"' for name in row)
        self.execute(f"INSERT INTO contacts ({names}) VALUES ({', '.join(f':{name}' for name in row)})", row)

    def pulled(self):
        """Contact ids of the next pull."""
        path = pull(self.settings).path
        return pq.read_table(path, columns=["contact_id"]).to_pydict()["contact_id"] if path else []


@pytest.fixture(params=["sqlite", "duckdb", pytest.param("postgresql", marks=pytest.mark.slow)])
def bank(request, tmp_path):
    url = f"{request.param}:///{tmp_path / 'bank.db'}"
    if request.param == "postgresql":
        url = create_database(request.getfixturevalue("postgres_server"))
    made = Bank(url, tmp_path / "home")
    yield made
    made.engine.dispose()


def test_what_is_new_arrives_once_even_if_watermarks_repeat(bank):
    assert bank.pulled() == []
    bank.insert(1, "2010-12-01 10:00:00")
    bank.insert(2, "2010-12-01 11:00:00", pdays=90, previous=1)
    assert bank.pulled() == ["c-1", "c-2"]
    assert bank.pulled() == []
    bank.insert(3, "2010-12-01 11:00:00")
    assert bank.pulled() == ["c-3"]
    bank.insert(4, "2010-12-02 09:00:00")
    bank.execute("UPDATE contacts SET age = 59, changed_at = '2010-12-02 10:00:00' WHERE contact_id = 'c-1'")
    assert bank.pulled() == ["c-4", "c-1"]
    assert bank.pulled() == []


@pytest.mark.parametrize("signs", [{}, {"decimal_sign": ",", "thousands_sign": "."}])
def test_the_delivery_is_that_of_a_csv_file_of_the_same_rows(bank, signs):
    bank.insert(1, "2010-12-01 10:00:00")
    bank.insert(2, "2010-12-01 10:00:00", balance="1234.567")
    number = "1234,567" if signs else "1234.567"
    rows = [delivered(contact_id="c-1", y="no"), delivered(contact_id="c-2", y="yes", balance=number)]
    contract = replace(UCI, senders=(Sender("bank", "pulled*", **signs),)) if signs else UCI
    path = pull(replace(bank.settings, contract=contract)).path
    text = b"".join(content_of(path, path.name)).decode().replace('"', "")
    assert sorted(text.splitlines()) == sorted(delimited(rows).splitlines())


def test_a_watermark_to_come_hides_no_later_row(bank):
    bank.insert(1, "2010-12-01 10:00:00")
    bank.insert(2, "2999-01-01 00:00:00")
    assert bank.pulled() == ["c-1", "c-2"]
    bank.insert(3, "2010-12-01 11:00:00")
    assert bank.pulled() == ["c-3"]
    bank.execute("UPDATE contacts SET age = 59, changed_at = '2010-12-02 10:00:00' WHERE contact_id = 'c-2'")
    assert bank.pulled() == ["c-2"]
    assert bank.pulled() == []


@pytest.mark.parametrize(
    ("value", "column", "spelled"),
    [
        (float("nan"), AGE, "nan"),
        (Decimal("Infinity"), AGE, "Infinity"),
        (58.0, AGE, "58"),
        (Decimal("58.50"), AGE, "58.50"),
        (1e-07, RATE, "0.0000001"),
        (1e20, RATE, "100000000000000000000"),
        (4.857, RATE, "4.857"),
        (10**20, AGE, "100000000000000000000"),
    ],
)
def test_a_value_is_written_as_a_sender_would_and_none_ends_the_pull(value, column, spelled):
    assert _spelled(value, column, SentText(UCI, None)) == spelled


@pytest.mark.parametrize(
    "query",
    ["SELECT * FROM contacts WHERE note <> '10:x'", "SELECT\n*\nFROM\ncontacts", "SELECT * FROM contacts -- all"],
)
def test_many_rows_may_share_a_watermark_and_a_query_may_hold_any_text(bank, query):
    bank.settings = replace(bank.settings, source_query=query)
    for number in range(3):
        bank.insert(number, "2010-12-01 10:00:00", age="NaN" if number == 2 else 30)
    assert sorted(bank.pulled()) == ["c-0", "c-1", "c-2"]
    bank.insert(3, "2010-12-01 10:00:00")
    assert bank.pulled() == ["c-3"]
    assert bank.pulled() == []


def test_a_pull_that_was_killed_before_it_kept_the_watermark_is_repeated(bank, tmp_path):
    bank.insert(1, "2010-12-01 10:00:00")
    first = pull(bank.settings).path
    for marks in (tmp_path / "home" / "pulls").glob("*.json"):
        marks.unlink()
    assert pull(bank.settings).path is None, "the same file is there"
    assert [path.name for path in first.parent.iterdir()] == [first.name]


@pytest.fixture(scope="module")
def own_postgres():
    """A server for tests that kill it."""
    with running_postgres() as server:
        yield server


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.parametrize(
    ("during", "code"),
    [
        pytest.param("_statement", 1, marks=pytest.mark.soak, id="before the query"),
        pytest.param("_columns", 1, marks=pytest.mark.soak, id="before the first row"),
        pytest.param("_spelled", 1, id="in the middle of the result"),
        pytest.param("publish_if_changed", 0, marks=pytest.mark.soak, id="before the file"),
        pytest.param("write_atomic", 0, marks=pytest.mark.soak, id="before the watermark"),
    ],
)
def test_a_server_that_is_killed_during_a_pull_costs_and_repeats_nothing(
    own_postgres, tmp_path, monkeypatch, capsys, caplog, during, code
):
    caplog.set_level("DEBUG")
    bank = Bank(create_database(own_postgres), tmp_path / "home")
    bank.settings = replace(bank.settings, source_password="s3cret")
    for number in range(6):
        bank.insert(number, f"2010-12-0{number + 1} 10:00:00")
    bank.engine.dispose()
    real = getattr(database, during)

    def killed(*arguments):
        monkeypatch.setattr(database, during, real)
        kill(own_postgres)
        return real(*arguments)

    monkeypatch.setattr(database, "_BATCH_ROWS", 2)
    monkeypatch.setattr(database, during, killed)
    assert [command.run(None, bank.settings) for _ in range(2)] == [code, 1], "the second one finds no server"
    told = capsys.readouterr().err
    for said in ("expected the rows of 'contacts' from postgresql+psycopg://", "nothing was delivered", "pull again"):
        assert told.count(said) == 1 + code
    assert "s3cret" not in told + caplog.text
    restart(own_postgres)
    bank.insert(6, "2010-12-06 10:00:00")
    pulled = bank.pulled()
    assert pulled == [f"c-{number}" for number in range(0 if code else 6, 7)]
    assert bank.pulled() == []
    files = [pq.read_table(path) for path in bank.settings.landing.rglob("*.parquet")]
    assert sorted(one for file in files for one in file["contact_id"].to_pylist()) == [
        f"c-{number}" for number in range(7)
    ]
    assert not list(bank.settings.landing.rglob(".*"))
    bank.engine.dispose()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("ALTER TABLE contacts RENAME COLUMN job TO occupation", "found none of the name job"),
        ("ALTER TABLE contacts RENAME COLUMN changed_at TO changed", "changed_at"),
        ("DROP TABLE contacts", "nothing was delivered"),
        ("UPDATE contacts SET changed_at = NULL", "expected a watermark in every row"),
    ],
)
def test_a_changed_schema_delivers_nothing_and_loses_nothing(bank, change, message):
    bank.insert(1, "2010-12-01 10:00:00")
    bank.execute(change)
    with pytest.raises(SourceError, match=message):
        pull(bank.settings)
    assert not list(bank.settings.landing.rglob("*.*"))
    assert not list((bank.settings.home / "pulls").glob("*.json"))


def test_a_database_that_is_down_is_told_without_its_password(tmp_path, capsys):
    settings = Settings(
        home=tmp_path / "home",
        source="postgresql://bank@127.0.0.1:1/bank",
        source_query="SELECT * FROM contacts",
        source_password="s3cret",
    )
    assert command.run(None, settings) == 1
    told = capsys.readouterr().err
    assert "postgresql+psycopg://bank:***@127.0.0.1:1/bank" in told
    assert "s3cret" not in told + repr(settings) + repr(
        replace(settings, source="postgresql://bank:s3cret@127.0.0.1:1/bank")
    )


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("postgresql://127.0.0.1:1/bank?user=bank&password=s3cret&sslpassword=s3cret", "password=hidden"),
        ("postgresql://bank:half@s3cret@127.0.0.1:1/bank", "write an @ of the password as %40"),
        ("postgresql://bank:a@b/s3cret@127.0.0.1:1/bank", "write an @ of the password as %40"),
        ("postgresql://bank:s3cret@127.0.0.1:port/bank", "expected postgresql://user@host/database"),
        ("jdbc:postgresql://127.0.0.1/bank?password=s3cret", "expected postgresql://user@host/database"),
    ],
)
def test_no_part_of_a_password_is_told_wherever_it_stands_in_the_address(tmp_path, capsys, caplog, source, said):
    caplog.set_level("DEBUG")
    assert command.run(None, Settings(home=tmp_path / "home", source=source, source_query="contacts")) == 1
    told = capsys.readouterr().err
    assert said in told
    kept = "".join(path.read_text() for path in (tmp_path / "home").rglob("*.json"))
    assert "s3cret" not in told + caplog.text + kept


@pytest.mark.parametrize(
    ("source", "query"),
    [("mysql://host/bank", "contacts"), ("sqlite:///x.db", ""), ("duckdb:///no/such.db", "contacts"), ("a://b", "c")],
)
def test_an_address_that_cannot_be_read_is_refused(tmp_path, source, query):
    with pytest.raises(SourceError, match=r"expected postgresql://user@host/database, sqlite|expected a database file"):
        pull(Settings(home=tmp_path, source=source, source_query=query))


def test_a_home_of_another_source_is_refused(tmp_path, capsys):
    bank = Bank(f"sqlite:///{tmp_path / 'bank.db'}", tmp_path / "home")
    bank.insert(1, "2010-12-01 10:00:00")
    claim_landing(Source("simulated", "simulated"), bank.settings.landing)
    assert command.run(None, bank.settings) == 1
    assert "expected deliveries from one source, found simulated" in capsys.readouterr().err
    assert not list(bank.settings.landing.rglob("*.parquet"))
    bank.engine.dispose()


def test_run_lands_a_database_as_it_lands_a_file(tmp_path):
    from datetime import UTC, datetime

    from bank_assets.sources.landing import land_source

    bank = Bank(f"sqlite:///{tmp_path / 'bank.db'}", tmp_path / "home")
    bank.insert(1, "2010-12-01 10:00:00")
    source = resolve_source(bank.settings)
    assert (source.kind, source.is_real, source.label) == (
        "database",
        True,
        f"database sqlite:///{tmp_path / 'bank.db'}",
    )
    landed = land_source(source, bank.settings)
    assert (sum(landed.rows.values()), len(landed.written)) == (1, 1)
    registered = register_deliveries(
        bank.settings.landing, bank.settings.warehouse, bank.settings.contract, now=datetime.now(UTC), settle_seconds=0
    )
    assert [one.rows for one in registered.new] == [1]
    assert land_source(source, bank.settings).written == ()
    with pytest.raises(SourceError, match="for a whole history, found a database"):
        resolve_history(bank.settings)
    bank.engine.dispose()
