"""The content of the tables after a small delivery with faults and corrections, made by the real assets.

Content is compared, not files, so that another engine or layout gives the same snapshot.
"""

import hashlib
import json
from datetime import date

import dagster as dg
import pytest

from bank_assets.contract.uci import UCI
from bank_assets.definitions import build_defs
from bank_assets.settings import Settings
from bank_assets.simulator.simulator import simulate
from bank_assets.store.warehouse import Warehouse

pytestmark = pytest.mark.spark

TABLES = ("contacts", "outcomes", "contact_profiles", "training_set")
REJECTED = "rejected_contacts"
BEFORE = ("raw_contacts", REJECTED, "contacts_validation", "ledger_outcomes")
FAMILIES = ("contacts", "outcomes")
FIRST, LAST = "2008-05-01", "2008-07-01"
ORDER = ("contact_id", "contact_date", "column", "category", "number")
FAULTS = {"age": 7, "job": "astronaut", "pdays": -2, "contact_date": "2008-13-40", "balance": "", "contact_id": ""}


def deliver(folder):
    """Three months; then a file that corrects ten contacts and has a fault in each of its other rows."""
    folder.mkdir(parents=True)
    history = simulate(date(2008, 5, 1), date(2008, 7, 31), scale=0.02, seed=1).astype(str)[list(UCI.delivery_columns)]
    history.iloc[40:60, history.columns.get_loc("y")] = ""  # called, and not known yet
    history.to_csv(folder / "2008-07.csv", sep=";", index=False)
    second = history.iloc[: 10 + len(FAULTS)].assign(balance="77")
    for row, (name, value) in enumerate(FAULTS.items(), start=10):
        second.iloc[row, second.columns.get_loc("contact_id")] = f"bad-{row}"
        second.iloc[row, second.columns.get_loc(name)] = value
    second.to_csv(folder / "2008-07.correction.csv", sep=";", index=False)


@pytest.fixture(scope="module")
def warehouse(spark, tmp_path_factory):
    home = tmp_path_factory.mktemp("bank")
    settings = Settings(home=home, ledger_url=f"sqlite:///{home / 'ledger.db'}", reject_rate_limit=0.5)
    deliver(settings.landing / "contacts")
    with dg.instance_for_test() as instance:
        build_defs(settings=settings).resolve_job_def("main_job").execute_in_process(
            asset_selection=[dg.AssetKey(name) for name in (*TABLES, *BEFORE)],
            tags={"dagster/asset_partition_range_start": FIRST, "dagster/asset_partition_range_end": LAST},
            instance=instance,
        )
    return Warehouse(settings.warehouse)


def rounded(value):
    return round(value, 9) if isinstance(value, float) else value


def facts(entry):
    """What is stored about a key, without counts of nothing."""
    said = {name: one for name, one in entry.metadata.items() if name not in FAMILIES}
    counts = {
        family: {name: one for name, one in entry.metadata[family].items() if one}
        for family in FAMILIES
        if any(entry.metadata.get(family, {}).values())
    }
    return {"rows": entry.rows} | counts | {name: rounded(one) for name, one in said.items()}


def digest(column):
    values = [rounded(value) for value in column.to_pylist()]
    return f"{column.type} {hashlib.sha256(json.dumps(values, default=str).encode()).hexdigest()[:16]}"


@pytest.mark.parametrize("table", TABLES)
def test_contents_of_a_table(warehouse, snapshot, table):
    rows = warehouse.read(table)
    rows = rows.sort_by([(name, "ascending") for name in ORDER if name in rows.column_names])
    found = {
        "columns": {name: digest(rows.column(name)) for name in rows.column_names},
        "keys": {key: facts(entry) for key, entry in warehouse.manifest(table).items()},
    }
    assert found == snapshot


def test_rejected_rows_and_their_reasons(warehouse, snapshot):
    rows = [{name: one for name, one in row.items() if one is not None} for row in warehouse.read(REJECTED).to_pylist()]
    assert sorted(rows, key=lambda row: row["codes"]) == snapshot
