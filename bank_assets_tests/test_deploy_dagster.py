"""The production instance differs from the embedded one in storage, and only there."""

from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]


def read(path: str) -> dict:
    return yaml.safe_load((ROOT / path).read_text())


def test_production_differs_in_storage_only():
    production = read("deploy/dagster.yaml")
    storage = production.pop("storage")
    assert production == read("dagster.yaml")
    assert storage == {"postgres": {"postgres_url": {"env": "BANK_DAGSTER_URL"}}}


def test_production_needs_its_database(tmp_path, monkeypatch):
    import dagster as dg
    import pytest

    monkeypatch.delenv("BANK_DAGSTER_URL", raising=False)
    (tmp_path / "dagster.yaml").write_bytes((ROOT / "deploy" / "dagster.yaml").read_bytes())
    with pytest.raises(Exception, match="BANK_DAGSTER_URL"):
        dg.DagsterInstance.from_config(str(tmp_path)).get_runs(limit=1)
