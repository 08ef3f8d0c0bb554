"""What the serving tests run on: small real bundles, a registry in memory, an app in this process.

Two bundles of different models are fitted once per session on a few hundred made-up contacts; everything else is the
real thing: ONNX, SQLite, the whole app.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from litestar import Litestar
from litestar.testing import TestClient
from sqlalchemy import Engine

from bank_assets.contract import BY_SOURCE, PAYLOAD_COLUMNS, Kind
from bank_assets.core import bundle as bundles
from bank_assets.core.as_of import AsOfState, OutcomeHistory
from bank_assets.core.candidates import Recipe, encode, fit_recipe
from bank_assets.core.economics import Economics
from bank_assets.core.export import to_onnx
from bank_assets.core.features import FEATURES, historical_features
from bank_assets.core.scorer import digest_files
from bank_assets.demo_client import CUSTOMER
from bank_assets.ledger import states
from bank_assets.ledger.engine import open_ledger, writing
from bank_assets.settings import Settings
from bank_assets.store.registry import Registry, RegistryUnavailableError, UnknownVersionError, Version
from serving.app import create_app
from serving.settings import ServingSettings

AS_OF = "2010-11-17"
PAYLOAD = dict(CUSTOMER)


def made_up_contacts(n: int, seed: int) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Payload columns, dates and outcomes of `n` contacts with a signal in poutcome and balance."""
    random = np.random.default_rng(seed)
    frame: dict[str, np.ndarray] = {}
    for name in PAYLOAD_COLUMNS:
        column = BY_SOURCE[name]
        if column.kind is Kind.INTEGER:
            low, high = {"age": (18, 90), "balance": (-2_000, 9_000)}.get(name, (column.minimum, 20))
            frame[name] = random.integers(low, high, n)
        else:
            frame[name] = random.choice(np.asarray(column.categories, dtype=object), n)
    dates = np.sort(np.datetime64("2010-05-01") + random.integers(0, 190, n))
    odds = -1.5 + 2.0 * (frame["poutcome"] == "success") + frame["balance"] / 5_000
    return frame, dates, random.random(n) < 1 / (1 + np.exp(-odds))


def make_bundle(algorithm: str = "logistic_regression", seed: int = 1) -> tuple[dict[str, bytes], AsOfState]:
    """A bundle fitted on made-up contacts, and the as-of state after them."""
    frame, dates, y = made_up_contacts(400, seed)
    history = OutcomeHistory.from_contacts(frame, dates, y)
    features = historical_features(frame, dates, history)
    as_of = np.datetime64(AS_OF)
    recipe = Recipe(algorithm, seed=seed)
    estimator = fit_recipe(recipe, features, y, dates, as_of, n_jobs=1)
    background = {
        name: [value if isinstance(value, str) else float(value) for value in features[name][:8]] for name in FEATURES
    }
    parts = bundles.BundleParts(
        recipe=recipe,
        calibrator=[{"kind": "affine", "slope": 1.0, "intercept": 0.0}],
        ranges={"probability": [0.0, 0.5, 1.0], "low": [0.0, 0.4, 0.9], "high": [0.1, 0.6, 1.0]},
        economics=Economics(),
        f1_threshold=0.3,
        metrics={"roc_auc": 0.7},
        lineage=bundles.Lineage(AS_OF, "s" * 64, len(y), "made up", False, f"run-{seed}", "revision"),
        feature_ranges=bundles.observed_ranges(features),
        background=background,
        importance={"balance": 0.1},
    )
    assert encode(features).shape[0] == len(y)
    return bundles.bundle_files(to_onnx(estimator), parts, {}), history.state(as_of)


@dataclass
class MemoryRegistry(Registry):
    """A registry that tests can break."""

    versions: dict[str, dict[str, bytes]]
    alias: str | None = "1"
    is_down: bool = False
    tags: dict[str, str] = field(default_factory=dict)
    fetched: int = 0

    def _check(self) -> None:
        if self.is_down:
            raise RegistryUnavailableError("registry: expected an answer, found none; a test broke it.")

    def _version(self, version: str) -> Version:
        return Version(version, self.tags.get(version, digest_files(self.versions[version])), f"run-{version}")

    def champion(self) -> Version | None:
        self._check()
        return None if self.alias is None else self._version(self.alias)

    def get(self, version: str) -> Version:
        self._check()
        if version not in self.versions:
            raise UnknownVersionError(f"model version: expected one of the registry's, found {version}.")
        return self._version(version)

    def fetch(self, version: str) -> dict[str, bytes]:
        self._check()
        self.fetched += 1
        return self.versions[version]

    def move_champion(self, version: str) -> str | None:
        self.get(version)
        before, self.alias = self.alias, version
        return before


@pytest.fixture(scope="session")
def bundle_a() -> tuple[dict[str, bytes], AsOfState]:
    return make_bundle("logistic_regression", 1)


@pytest.fixture(scope="session")
def bundle_b() -> tuple[dict[str, bytes], AsOfState]:
    return make_bundle("lightgbm", 2)


@pytest.fixture
def registry(bundle_a, bundle_b) -> MemoryRegistry:
    return MemoryRegistry({"1": bundle_a[0], "2": bundle_b[0]})


@pytest.fixture
def serving_settings(tmp_path: Path) -> ServingSettings:
    home = tmp_path / "bank"
    home.mkdir()
    platform = Settings(home=home, ledger_url=f"sqlite:///{home / 'ledger.db'}", mlflow_uri=f"sqlite:///{home}/m.db")
    return ServingSettings(platform=platform, secret="s" * 64, poll_seconds=0.05, code_version="test")


@pytest.fixture
def published(serving_settings, bundle_a) -> AsOfState:
    engine = open_ledger(serving_settings.platform.ledger_url)
    states.publish(engine, AS_OF, replace(bundle_a[1], log_odds_shift=0.1).to_dict())
    engine.dispose()
    return bundle_a[1]


def wait_until(condition: Callable[[], Any], seconds: float = 10.0) -> None:
    """Wait for another thread without sleeping blindly."""
    tick = threading.Event()
    for _ in range(int(seconds / 0.02)):
        if condition():
            return
        tick.wait(0.02)
    raise AssertionError(f"still not true after {seconds} s")


@pytest.fixture
def app(serving_settings, registry, published) -> Litestar:
    return create_app(serving_settings, registry=registry)


@pytest.fixture
def client(app) -> Iterator[TestClient]:
    with TestClient(app, base_url="http://127.0.0.1") as client:
        wait_until(lambda: app.state.services.store.champion is not None)
        yield client


@pytest.fixture(scope="module")
def running(tmp_path_factory, bundle_a, bundle_b) -> Iterator[TestClient]:
    """One app for a module, for tests that leave no state behind that others could stumble over."""
    home = tmp_path_factory.mktemp("bank")
    platform = Settings(home=home, ledger_url=f"sqlite:///{home / 'ledger.db'}")
    engine = open_ledger(platform.ledger_url)
    states.publish(engine, AS_OF, bundle_a[1].to_dict())
    engine.dispose()
    registry = MemoryRegistry({"1": bundle_a[0], "2": bundle_b[0]})
    app = create_app(ServingSettings(platform=platform, secret="s" * 64, poll_seconds=0.05), registry=registry)
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        wait_until(lambda: app.state.services.store.champion is not None)
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
