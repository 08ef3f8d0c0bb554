"""The production instance differs from the embedded one only in storage."""

from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]


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


@pytest.mark.slow
def test_opening_a_home_keeps_an_instance_with_its_own_storage(settings):
    from bank_assets.resources.instance import open_instance

    config = settings.dagster_home / "dagster.yaml"
    config.parent.mkdir(parents=True)
    own = f"storage:\n  sqlite:\n    base_dir: {settings.home / 'elsewhere'}\n"
    config.write_text(own)
    with open_instance(settings):
        pass
    assert config.read_text() == own
    config.write_text("nux:\n  enabled: true\n")
    with open_instance(settings):
        pass
    assert config.read_text() == (ROOT / "dagster.yaml").read_text()
