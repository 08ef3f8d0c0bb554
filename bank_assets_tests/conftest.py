"""Fixtures for more than one stage: a home, the real file, contacts by keyword, one Spark session.

Fixtures of one stage belong in its own folder. No JVM starts until a test requests `spark`.
"""

import gc
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, inspect

from bank_assets.settings import Settings, load_settings
from bank_assets_tests.world.customers import delivered
from bank_assets_tests.world.postgres import postgres_server  # noqa: F401  a fixture of several folders
from bank_assets_tests.world.writers import forked_writers

# A parallel test worker has a main module without a file; pyspark then believes that it runs doctests and ends the
# process (pyspark/sql/connect/utils.py), which Great Expectations triggers by importing it.
if not hasattr(sys.modules["__main__"], "__file__"):
    sys.modules["__main__"].__file__ = __file__

# A test's JVM runs for seconds, too short for the optimizing compiler to pay off on two cores.
os.environ.setdefault("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with whole workflows first, then Spark, then slow ones, so that the workers end at about the same time."""
    longest = {mark: {one.path for one in items if one.get_closest_marker(mark)} for mark in ("e2e", "spark", "slow")}
    items.sort(key=lambda item: [item.path not in paths for paths in longest.values()])


# What is imported stays for good. A full garbage collection would look at its objects again and again, 0.5 s each time.
gc.disable()


def pytest_collection_finish() -> None:
    """From here on the garbage collector runs, seldom, and leaves alone what was imported."""
    gc.freeze()
    gc.set_threshold(20_000, 10, 10)
    gc.enable()


@pytest.fixture(autouse=True, scope="session")
def quick_passwords() -> Iterator[None]:
    """Passwords are hashed by the real function with the least work, because it is slow by design."""
    from argon2 import PasswordHasher

    from bank_assets.ledger import accounts

    hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(accounts, "_hasher", lambda: hasher)
        yield


@pytest.fixture(autouse=True, scope="session")
def quick_ledgers() -> Iterator[None]:
    """The migrations of a new SQLite ledger run once; later ledgers get their tables by the SQL of the first one."""
    from bank_assets.ledger import migrations

    migrate, statements = migrations.run, []

    def run(connection: Connection, revision: str = "head") -> None:
        if connection.dialect.name != "sqlite" or revision != "head" or inspect(connection).get_table_names():
            migrate(connection, revision)
        elif statements:
            for statement in statements:
                connection.exec_driver_sql(statement)
        else:
            migrate(connection)
            statements.extend(list(connection.connection.driver_connection.iterdump())[1:-1])  # without BEGIN, COMMIT

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(migrations, "run", run)
        yield


@pytest.fixture(autouse=True, scope="session")
def quick_instances() -> Iterator[None]:
    """Dagster's instances keep the engines of their SQLite files."""
    from bank_assets_tests.world.sqlite_engines import keep_engines

    with pytest.MonkeyPatch.context() as patch:
        keep_engines(patch.setattr)
        yield


@pytest.fixture(autouse=True, scope="session")
def quick_writers() -> Iterator[Callable[..., Any]]:
    """Ledger writers are forked; gives the function by which the app starts one without the tests."""
    from serving.decisions import recorder

    start = recorder._writer
    with forked_writers() as fork, pytest.MonkeyPatch.context() as patch:
        patch.setattr(recorder, "_writer", fork)
        yield start


@pytest.fixture
def bank_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty `BANK_HOME`, set in the environment; every other `BANK_` variable but the source is unset."""
    for name in list(os.environ):
        if name.startswith("BANK_") and name != "BANK_SOURCE":
            monkeypatch.delenv(name)
    home = tmp_path / "bank"
    home.mkdir()
    monkeypatch.setenv("BANK_HOME", str(home))
    return home


@pytest.fixture
def settings(bank_home: Path) -> Settings:
    """Settings of the empty home."""
    return load_settings()


@pytest.fixture(scope="session")
def real_csv() -> Path:
    """The whole UCI file; tests that need it are skipped where `BANK_SOURCE` does not name it."""
    source = os.environ.get("BANK_SOURCE", "")
    path = Path(source)
    if not source or not path.is_file():
        pytest.skip("BANK_SOURCE does not name a file: set it to the UCI bank-full.csv to test on the real data")
    return path


@pytest.fixture
def contact() -> Callable[..., dict[str, Any]]:
    """Factory of one delivered contact in source names."""
    return delivered


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One local Spark session for all tests: two cores, two shuffle partitions, no UI."""
    from bank_assets.spark.session import start_session, stop_session

    home = tmp_path_factory.mktemp("spark")
    session = start_session(Settings(home=home, spark_master="local[2]", spark_memory="1g"), app_name="tests")
    session.conf.set("spark.sql.shuffle.partitions", "2")
    yield session
    stop_session(session)
