"""Fixtures that more than one stage uses: a home, the real file, contacts by keyword, one Spark session.

Fixtures of one stage belong into its own folder. Nothing here starts a JVM until a test asks for `spark`.
"""

import os
import sys
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from bank_assets.contract import MONTHS
from bank_assets.settings import Settings, load_settings

# A parallel test worker has a main module without a file; pyspark then believes that it runs doctests and ends the
# process (pyspark/sql/connect/utils.py), which Great Expectations triggers by importing it.
if not hasattr(sys.modules["__main__"], "__file__"):
    sys.modules["__main__"].__file__ = __file__

SAMPLE_CONTACT = {
    "contact_id": "c-1",
    "contact_date": "2008-05-05",
    "age": 58,
    "job": "management",
    "marital": "married",
    "education": "tertiary",
    "default": "no",
    "balance": 2143,
    "housing": "yes",
    "loan": "no",
    "contact": "unknown",
    "day": 5,
    "month": "may",
    "duration": 261,
    "campaign": 1,
    "pdays": -1,
    "previous": 0,
    "poutcome": "unknown",
    "y": "no",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with whole workflows first, then those with Spark: a worker must not be left alone with minutes of them."""
    longest = {marker: {item.path for item in items if item.get_closest_marker(marker)} for marker in ("e2e", "spark")}
    items.sort(key=lambda item: (item.path not in longest["e2e"], item.path not in longest["spark"]))


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
    """Factory of one delivered contact in source names; `day` and `month` follow an overridden `contact_date`."""

    def make(**overrides: Any) -> dict[str, Any]:
        row = {**SAMPLE_CONTACT, **overrides}
        if "contact_date" in overrides and isinstance(overrides["contact_date"], str):
            try:
                day = date.fromisoformat(overrides["contact_date"])
            except ValueError:
                return row
            row["day"] = overrides.get("day", day.day)
            row["month"] = overrides.get("month", MONTHS[day.month - 1])
        return row

    return make


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One local Spark session for all tests: two cores, two shuffle partitions, no UI."""
    from bank_assets.spark.session import start_session, stop_session

    home = tmp_path_factory.mktemp("spark")
    session = start_session(Settings(home=home, spark_master="local[2]", spark_memory="1g"), app_name="tests")
    session.conf.set("spark.sql.shuffle.partitions", "2")
    yield session
    stop_session(session)
