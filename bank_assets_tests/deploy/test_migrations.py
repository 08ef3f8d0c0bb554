"""Migrations run once, before the new version, and the version before keeps working on their result."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from bank_assets.ledger import chain, decisions, event_verification, migrations
from bank_assets.ledger.engine import (
    LedgerError,
    SchemaChange,
    open_ledger,
    opened_ledger,
    require_current,
    schema_revision,
    upgrade,
    writing,
)
from bank_assets_tests.deploy.releases import ADDS, NEXT, ROOT, next_release, revision_file
from bank_assets_tests.deploy.schema_promise import Schema, breaks
from bank_assets_tests.world.events import events_of
from bank_assets_tests.world.waiting import wait_until

REVISIONS = sorted(path.stem[1:5] for path in (ROOT / "bank_assets/ledger/migrations/versions").glob("v*.py"))


def run_migrate(release: Path, url: str, home: Path, check: bool = True) -> subprocess.CompletedProcess:
    env = {k: v for k, v in os.environ.items() if not k.startswith("BANK_")}
    env |= {"PYTHONPATH": str(release), "BANK_LEDGER_URL": url, "BANK_HOME": str(home)}
    command = [sys.executable, "-m", "serving", "migrate"]
    return subprocess.run(command, env=env, cwd=release, capture_output=True, text=True, timeout=60, check=check)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def url(request, tmp_path) -> str:
    return f"sqlite:///{tmp_path}/ledger.db" if request.param == "sqlite" else request.getfixturevalue("new_database")()


def upgraded(url: str) -> SchemaChange:
    with opened_ledger(url, migrate=False) as engine:
        return upgrade(engine)


def schema_at(url: str, revision: str) -> Schema:
    with opened_ledger(url, migrate=False) as engine:
        with engine.begin() as connection:
            migrations.run(connection, revision)
        return Schema.of(engine)


def test_every_revision_only_adds_to_the_one_before(url):
    schemas = [schema_at(url, revision) for revision in REVISIONS]
    assert REVISIONS[-1] == migrations.HEAD
    assert schemas[0].columns.keys() >= {"decisions", "ledger_head"}
    for before, after, name in zip(schemas, schemas[1:], REVISIONS[1:], strict=False):
        assert breaks(before, after) == [], name


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ('op.drop_table("suppressions")', "suppressions: dropped"),
        ('op.rename_table("users", "people")', "users: dropped or renamed"),
        ('op.drop_column("users", "disabled_at")', "users.disabled_at: dropped"),
        ('op.alter_column("users", "disabled_at", nullable=False)', "users.disabled_at: refuses NULL"),
        ('op.alter_column("users", "role", type_=sa.String(4))', "users.role: was VARCHAR"),
        ('op.add_column("users", sa.Column("mail", sa.Text, nullable=False))', "users.mail: new, needs a value"),
        ('op.create_index("one_role", "users", ["role"], unique=True)', "users: new UNIQUE"),
        ('op.create_check_constraint("short", "users", "length(name) < 9")', "users: new CHECK"),
    ],
)
@pytest.mark.postgres
def test_a_revision_that_breaks_the_version_before_is_named(new_database, body, what):
    url = new_database()
    upgraded(url)
    engine = open_ledger(url, migrate=False)
    before = Schema.of(engine)
    scope: dict = {}
    exec(revision_file(int(NEXT), f"\ndef upgrade() -> None:\n    {body}\n"), scope)
    with engine.begin() as connection:
        run_operations(connection, scope["upgrade"])
    found = breaks(before, Schema.of(engine))
    engine.dispose()
    assert len(found) == 1
    assert what in found[0]


def run_operations(connection, upgrade_function) -> None:
    from alembic.migration import MigrationContext
    from alembic.operations import Operations

    with Operations.context(MigrationContext.configure(connection)):
        upgrade_function()


def test_the_next_release_of_the_other_tests_only_adds(tmp_path):
    url = f"sqlite:///{tmp_path}/ledger.db"
    upgraded(url)
    engine = open_ledger(url, migrate=False)
    before = Schema.of(engine)
    scope: dict = {}
    exec(revision_file(int(NEXT), ADDS), scope)
    with engine.begin() as connection:
        run_operations(connection, scope["upgrade"])
    assert breaks(before, Schema.of(engine)) == []
    assert "channel" in Schema.of(engine).columns["decisions"]


@pytest.mark.slow
def test_this_code_starts_and_records_on_the_next_release_s_tables(tmp_path, url, draft):
    upgraded(url)
    engine = open_ledger(url)
    decisions.append(engine, [draft()])
    done = run_migrate(next_release(tmp_path / "next"), url, tmp_path / "home")
    assert f"tables of revision {NEXT} (was {migrations.HEAD})" in done.stdout
    assert upgraded(url).after == NEXT
    require_current(engine)
    decisions.append(engine, [draft(), draft()])
    engine.dispose()
    again = open_ledger(url)
    assert chain.verify(again).n == 3
    assert chain.verify(again).ok
    again.dispose()


@pytest.mark.slow
def test_tables_two_revisions_ahead_are_refused_with_what_to_do(tmp_path, url):
    run_migrate(next_release(tmp_path / "after next", steps=2), url, tmp_path / "home")
    with pytest.raises(LedgerError, match=rf"expected tables of revision {migrations.HEAD} or one newer, found \d+"):
        open_ledger(url)
    engine = open_ledger(url, migrate=False)
    with pytest.raises(LedgerError, match="Start a newer version"):
        require_current(engine)
    engine.dispose()


def test_without_migrate_at_start_old_tables_are_refused(url):
    engine = open_ledger(url, migrate=False)
    with pytest.raises(LedgerError, match="python -m serving migrate"):
        require_current(engine)
    upgrade(engine)
    require_current(engine)
    engine.dispose()


@pytest.mark.slow
@pytest.mark.postgres
def test_starters_that_migrate_at_once_do_it_once(tmp_path, new_database):
    url = new_database()
    upgraded(url)
    release = next_release(tmp_path / "next")
    found: list[subprocess.CompletedProcess] = []
    starters = [
        threading.Thread(target=lambda n=n: found.append(run_migrate(release, url, tmp_path / f"home{n}", False)))
        for n in range(3)
    ]
    for starter in starters:
        starter.start()
    for starter in starters:
        starter.join(60)
    assert [done.returncode for done in found] == [0, 0, 0], [done.stderr for done in found]
    assert sum(f"(was {migrations.HEAD})" in done.stdout for done in found) == 1
    assert sum("(nothing to do)" in done.stdout for done in found) == 2


def is_waiting_for_a_lock(engine) -> bool:
    with engine.connect() as connection:
        return bool(connection.execute(text("SELECT count(*) FROM pg_locks WHERE NOT granted")).scalar())


@pytest.mark.slow
@pytest.mark.postgres
def test_a_migration_that_waits_for_a_table_lets_the_others_pass(tmp_path, new_database, draft):
    url = new_database()
    upgraded(url)
    release = next_release(tmp_path / "next")
    engine = open_ledger(url)
    slow = create_engine(engine.url)
    results: list[subprocess.CompletedProcess] = []
    migrating = threading.Thread(target=lambda: results.append(run_migrate(release, url, tmp_path / "home", False)))
    with slow.begin() as reading:
        reading.execute(text("SELECT count(*) FROM decisions"))  # holds its table until the end of the transaction
        migrating.start()
        wait_until(lambda: is_waiting_for_a_lock(engine), 60, "the migration at the table")
        # Without the lock's time limit a decision would wait until the slow reader ends.
        deciding = threading.Thread(target=lambda: [decisions.append(engine, [draft()]) for _ in range(3)])
        deciding.start()
        deciding.join(30)
        assert not deciding.is_alive()
        assert migrating.is_alive()
    migrating.join(60)
    assert results[0].returncode == 0, results[0].stderr
    with engine.connect() as connection:
        assert schema_revision(connection) == NEXT
    slow.dispose()
    engine.dispose()


def test_rows_older_than_the_chain_of_events_are_covered_by_its_first_event(url):
    with opened_ledger(url, migrate=False) as engine:
        with writing(engine) as connection:
            migrations.run(connection, "0003")
            connection.execute(text("INSERT INTO suppressions VALUES ('c-1', 'objection', '2026-01-01', 'ana')"))
        upgrade(engine)
        (first,) = events_of(engine, "")
        assert (first.seq, first.content["without_event"]["suppressions"]["n"]) == (1, 1)
        with engine.connect() as connection:
            assert event_verification.verify(connection).ok
        with writing(engine) as connection:
            connection.execute(text("UPDATE suppressions SET reason = 'mistake'"))
        with engine.connect() as connection:
            assert "rows were changed" in event_verification.verify(connection).why
