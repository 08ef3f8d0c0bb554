"""Fixtures of the ledger tests: each test that takes `ledger` runs on SQLite and on a real PostgreSQL."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from bank_assets.ledger.engine import open_ledger, utc_now
from bank_assets.ledger.ids import new_id
from bank_assets.ledger.records import Draft
from bank_assets_tests.world.postgres import create_database


@pytest.fixture(scope="session")
def migrated(postgres_server) -> str:
    """The name of a database with the ledger's tables; a copy costs a quarter of the migrations."""
    open_ledger(create_database(postgres_server, "migrated")).dispose()
    return "migrated"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def ledger_url(request, tmp_path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'ledger.db'}"
        return
    server, template = (request.getfixturevalue(name) for name in ("postgres_server", "migrated"))
    yield create_database(server, template=template)


@pytest.fixture
def ledger(ledger_url) -> Iterator[Engine]:
    engine = open_ledger(ledger_url)
    yield engine
    engine.dispose()


@pytest.fixture
def draft():
    """Make a draft; keywords override."""

    def make(**values) -> Draft:
        made = {
            "id": new_id(),
            "decided_at": utc_now(),
            "actor": "local",
            "batch_id": None,
            "contact_id": None,
            "customer_id": None,
            "contact_date": "2010-11-17",
            "payload": '{"age":41,"job":"management"}',
            "probability": 0.1 + 0.2,
            "probability_low": 0.1,
            "probability_high": 0.7,
            "prediction": "no",
            "decision": "call",
            "threshold": 0.1,
            "expected_profit_eur": 10.000000000000002,
            "economics": '{"cost_eur":5.0,"value_eur":50.0}',
            "model_name": "bank-marketing",
            "model_version": "3",
            "model_digest": "d" * 64,
            "mlflow_run_id": "run",
            "training_snapshot": "s" * 64,
            "as_of": "2010-11-17",
            "as_of_features": '{"rates":{"subscription_rate_7d":0.4}}',
            "stale_features": False,
            "flags": "[]",
            "contract_version": "1",
            "code_version": "abc",
            "onnxruntime_version": "1",
            "cpu_architecture": "x86_64",
        }
        return Draft(**(made | values))

    return make
