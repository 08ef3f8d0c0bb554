"""The app of the serving tests: small real bundles, a registry in memory, SQLite, in this process.

Two bundles of different models are fitted once per session on a few hundred synthetic contacts.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from sqlalchemy import Engine

from bank_assets.core.features.as_of import AsOfState
from bank_assets.ledger import states
from bank_assets.ledger.engine import opened_ledger, writing
from bank_assets.settings import Settings
from bank_assets_tests.world.built_apps import built_app
from bank_assets_tests.world.bundles import AS_OF, fitted_bundle
from bank_assets_tests.world.registry import MemoryRegistry
from bank_assets_tests.world.waiting import wait_until
from serving.settings import ServingSettings

PAYLOAD = {
    "age": 41, "job": "management", "marital": "married", "education": "tertiary", "default": "no", "balance": 1200,
    "housing": "no", "loan": "no", "contact": "cellular", "campaign": 1, "pdays": -1, "previous": 0,
    "poutcome": "unknown",
}  # fmt: skip
"""A made-up customer without contact_id and contact_date."""


@pytest.fixture(scope="session")
def bundle_a() -> tuple[dict[str, bytes], AsOfState]:
    return fitted_bundle("logistic_regression", 1)


@pytest.fixture(scope="session")
def bundle_b() -> tuple[dict[str, bytes], AsOfState]:
    return fitted_bundle("lightgbm", 2)


@pytest.fixture
def registry(bundle_a, bundle_b) -> MemoryRegistry:
    return MemoryRegistry({"1": bundle_a[0], "2": bundle_b[0]})


@pytest.fixture
def serving_settings(tmp_path: Path, request: pytest.FixtureRequest) -> ServingSettings:
    """Settings of an app on a new home; a test may parametrize settings of the platform."""
    home = tmp_path / "bank"
    home.mkdir()
    uris = {"ledger_url": f"sqlite:///{home / 'ledger.db'}", "mlflow_uri": f"sqlite:///{home}/m.db"}
    platform = Settings(home=home, **uris, **getattr(request, "param", {}))
    return ServingSettings(platform=platform, secret="s" * 64, poll_seconds=0.05, code_version="test")


@pytest.fixture
def published(serving_settings, bundle_a) -> AsOfState:
    with opened_ledger(serving_settings.platform.ledger_url) as ledger:
        states.publish(ledger, AS_OF, replace(bundle_a[1], log_odds_shift=0.1).to_dict())
    return bundle_a[1]


@pytest.fixture
def app(serving_settings, registry, published) -> Iterator[Litestar]:
    with built_app(serving_settings, registry) as app:
        yield app


@pytest.fixture
def client(app) -> Iterator[TestClient]:
    with TestClient(app, base_url="http://127.0.0.1") as client:
        wait_until(lambda: app.state.services.store.champion is not None)
        yield client


@contextmanager
def open_app(
    home: Path,
    bundles: Sequence[tuple[dict[str, bytes], AsOfState]],
    prepare: Callable[[Engine], None] = lambda ledger: None,
    **serving: Any,
) -> Iterator[TestClient]:
    """An app on a new home with bundles as versions 1, 2, …; `prepare` may write to its ledger before it starts."""
    platform = Settings(home=home, ledger_url=f"sqlite:///{home / 'ledger.db'}")
    with opened_ledger(platform.ledger_url) as ledger:
        states.publish(ledger, AS_OF, bundles[0][1].to_dict())
        prepare(ledger)
    registry = MemoryRegistry({str(number): files for number, (files, _) in enumerate(bundles, start=1)})
    settings = ServingSettings(platform=platform, secret="s" * 64, poll_seconds=0.05, **serving)
    with (
        built_app(settings, registry) as app,
        TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as client,
    ):
        wait_until(lambda: app.state.services.store.champion is not None)
        yield client


@pytest.fixture(scope="module")
def running(tmp_path_factory, bundle_a, bundle_b) -> Iterator[TestClient]:
    """One app for a module, for tests that leave no state behind that could affect others."""
    with open_app(tmp_path_factory.mktemp("bank"), (bundle_a, bundle_b)) as client:
        yield client


@pytest.fixture
def payload() -> dict[str, Any]:
    return {**PAYLOAD, "contact_date": AS_OF}


@contextmanager
def refusing_decisions(ledger: Engine, after_seq: int = 0) -> Iterator[None]:
    """The database refuses every decision after some, as a full disk would."""
    with writing(ledger) as connection:
        connection.exec_driver_sql(
            f"CREATE TRIGGER refusing BEFORE INSERT ON decisions WHEN NEW.seq > {after_seq} "
            "BEGIN SELECT RAISE(ABORT, 'refused'); END"
        )
    try:
        yield
    finally:
        with writing(ledger) as connection:
            connection.exec_driver_sql("DROP TRIGGER refusing")


def csv_of(rows: list[dict[str, Any]], delimiter: str = ",") -> str:
    """Rows as a CSV upload."""
    header = list(rows[0])
    lines = [delimiter.join(header)] + [delimiter.join(str(row[name]) for name in header) for row in rows]
    return "\n".join(lines) + "\n"
