"""Every gate can turn red: each check is shown what it exists to refuse."""

import json

import dagster as dg
import pyarrow as pa
import pytest

from bank_assets.checks import (
    drift,
    performance,
    raw,
    tables,
    validation,
)
from bank_assets.landing.register import object_path, raw_root
from bank_assets.settings import Settings
from bank_assets.store.warehouse import StagedEntry, Warehouse
from bank_assets_tests.checks.checked import counts, green, put, red


def delivery(home, name, content, *, rows, months, arrival=1):
    import hashlib

    sha = hashlib.sha256(content).hexdigest()
    path = object_path(home.warehouse, sha)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    record = {
        "schema_version": 1,
        "arrival": arrival,
        "arrived_at": "2010-01-01T00:00:00+00:00",
        "kind": "contacts",
        "name": name,
        "sha256": sha,
        "size_bytes": len(content),
        "rows": rows,
        "encoding": "utf-8",
        "delimiter": ";",
        "columns": ["a"],
        "months": months,
        "home_month": next(iter(months)),
        "stray_rows": 0,
        "first_day": "2008-05-05",
        "last_day": "2008-05-06",
    }
    with (raw_root(home.warehouse) / "manifest.jsonl").open("a") as stream:
        stream.write(json.dumps(record) + "\n")
    return path


def test_raw_bytes_that_changed_are_found(home):
    path = delivery(home, "a.csv", b"12345", rows=1, months={"2008-05": 1})
    green(raw.raw_bytes_match_their_digest(home))
    path.write_bytes(b"1234")
    red(raw.raw_bytes_match_their_digest(home))


def test_a_refused_delivery_is_reported(home):
    green(raw.no_delivery_is_refused(home))
    folder = home.landing / "refused"
    folder.mkdir(parents=True)
    (folder / "x.csv.reason.json").write_text(json.dumps({"problem": "expected a header, found none"}))
    result = raw.no_delivery_is_refused(home)
    red(result)
    assert "expected a header" in str(result.metadata["refused"])


def test_an_unusual_delivery_size_is_hinted(home):
    delivery(home, "a.csv", b"1", rows=1_000, months={"2008-05": 1_000}, arrival=1)
    green(raw.delivery_size_is_usual(home))
    delivery(home, "b.csv", b"2", rows=10, months={"2008-06": 10}, arrival=2)
    red(raw.delivery_size_is_usual(home), dg.AssetCheckSeverity.WARN)


def test_a_lost_row_is_found(home, warehouse):
    put(warehouse, "rejected_contacts", "2008-05", {"kind": pa.array([], pa.string())}, counts(3))
    put(warehouse, "contacts", "2008-05", {"contact_id": ["a", "b", "c"]}, counts(3))
    green(tables.rows_in_equal_rows_out_plus_rejected(warehouse, home))
    put(warehouse, "contacts", "2008-05", {"contact_id": ["a", "b"]}, counts(3))
    red(tables.rows_in_equal_rows_out_plus_rejected(warehouse, home))


def test_a_repeated_contact_is_found(warehouse):
    put(warehouse, "contacts", "2008-05", {"contact_id": ["a", "b"]}, counts(2))
    green(tables.contact_ids_are_unique_in_a_month(warehouse))
    put(warehouse, "contacts", "2008-05", {"contact_id": ["a", "a"]}, counts(2))
    red(tables.contact_ids_are_unique_in_a_month(warehouse))


def test_a_contact_delivered_again_into_another_month_is_hinted(warehouse):
    green(tables.contacts_are_delivered_in_one_month(warehouse))
    put(warehouse, "contacts", "2008-05", {"contact_id": ["a", "b"]}, counts(2))
    put(warehouse, "contacts", "2008-06", {"contact_id": ["c"]}, counts(1))
    green(tables.contacts_are_delivered_in_one_month(warehouse))
    put(warehouse, "contacts", "2008-06", {"contact_id": ["c", "a"]}, counts(2))
    result = tables.contacts_are_delivered_in_one_month(warehouse)
    red(result, dg.AssetCheckSeverity.WARN)
    assert result.metadata["contacts_in_several_months"].value == 1


def test_identifiers_that_lost_their_zeros_or_carry_blanks_are_hinted(warehouse):
    put(warehouse, "contacts", "2008-05", {"contact_id": ["0071", "B-2"]}, counts(2))
    green(tables.contact_ids_differ_in_more_than_spelling(warehouse))
    put(warehouse, "contacts", "2008-06", {"contact_id": ["71", "b-2\u00a0", "3"]}, counts(3))
    result = tables.contact_ids_differ_in_more_than_spelling(warehouse)
    red(result, dg.AssetCheckSeverity.WARN)
    assert result.metadata["spelled_alike"].value == 2


def test_a_wrong_type_and_a_post_contact_column_are_found(warehouse):
    put(warehouse, "contacts", "2008-05", {"contact_id": ["a"], "duration_seconds": [5], "age_years": ["x"]}, counts(1))
    result = tables.contact_columns_have_contract_types(warehouse, Settings())
    red(result)


def test_rejected_rows_are_hinted(warehouse):
    put(warehouse, "rejected_contacts", "2008-05", {"kind": pa.array([], pa.string())}, counts(0))
    green(tables.no_row_is_rejected(warehouse))
    put(warehouse, "rejected_contacts", "2008-05", {"kind": ["contacts"]}, counts(1, 1, codes={"age": 1}))
    red(tables.no_row_is_rejected(warehouse), dg.AssetCheckSeverity.WARN)


def test_an_outcome_without_contact_is_hinted(warehouse):
    put(warehouse, "contacts", "2008-05", {"contact_id": ["a"]}, counts(1))
    put(warehouse, "outcomes", "2008-05", {"contact_id": ["a"]}, counts(1))
    green(tables.outcomes_belong_to_contacts(warehouse))
    put(warehouse, "outcomes", "2008-05", {"contact_id": ["zz", "00A"]}, counts(2))
    result = tables.outcomes_belong_to_contacts(warehouse)
    red(result, dg.AssetCheckSeverity.WARN)
    assert (result.metadata["unknown"].value, result.metadata["spelled_alike"].value) == (2, 1)


def test_identifiers_are_read_month_by_month(warehouse, monkeypatch):
    for month in ("2008-05", "2008-06"):
        put(warehouse, "contacts", month, {"contact_id": [month]}, counts(1))
        put(warehouse, "outcomes", month, {"contact_id": [month]}, counts(1))
    read, asked = Warehouse.read, []
    monkeypatch.setattr(
        Warehouse, "read", lambda self, table, months, *a: asked.append(months) or read(self, table, months, *a)
    )
    for check in (
        tables.contact_ids_are_unique_in_a_month,
        tables.contact_ids_differ_in_more_than_spelling,
        tables.contacts_are_delivered_in_one_month,
        tables.outcomes_belong_to_contacts,
    ):
        green(check(warehouse))
    assert {len(months) for months in asked} == {1}


def gate(warehouse, *, passed, errors=(), warnings=()):
    entry = put(warehouse, "contacts", "2008-05", {"contact_id": ["a"]}, counts(1))
    put(
        warehouse,
        "contacts_validation",
        "2008-05",
        {"month": pa.array([], pa.string())},
        {"passed": passed, "errors": list(errors), "warnings": list(warnings), "contacts_digest": entry.digest},
    )


def test_a_held_month_blocks_when_none_passed(warehouse):
    gate(warehouse, passed=True)
    green(validation.a_month_passes_its_gate(warehouse))
    green(validation.no_month_is_held(warehouse))
    gate(warehouse, passed=False, errors=["age: expected, found"])
    red(validation.a_month_passes_its_gate(warehouse))
    red(validation.no_month_is_held(warehouse))


def test_a_verdict_about_older_contacts_does_not_count(warehouse):
    gate(warehouse, passed=True)
    put(warehouse, "contacts", "2008-05", {"contact_id": ["changed"]}, counts(1))
    red(validation.a_month_passes_its_gate(warehouse))


def test_a_hint_is_shown(warehouse):
    gate(warehouse, passed=True, warnings=["few rows"])
    red(validation.validation_gives_no_hint(warehouse), dg.AssetCheckSeverity.WARN)


def drift_entry(warehouse, **changes):
    metadata = {"message": "m", "status": "ok", "level": "none", "label_level": "none", "drifted": []} | changes
    put(warehouse, "drift_report", "2008-06", {"column": ["age"]}, metadata)


def test_drift_is_hinted_and_never_blocks(warehouse):
    drift_entry(warehouse)
    for check in (drift.columns_have_not_drifted, drift.subscription_rate_has_not_moved, drift.drift_reference_exists):
        green(check(warehouse))
    drift_entry(warehouse, drifted=["pdays"], label_level="heavy", status="reference_missing")
    for check in (drift.columns_have_not_drifted, drift.subscription_rate_has_not_moved, drift.drift_reference_exists):
        red(check(warehouse), dg.AssetCheckSeverity.WARN)


def test_decay_is_hinted(warehouse):
    green(performance.champion_has_not_decayed(warehouse))
    put(warehouse, "performance_report", "all", {"name": ["x"]}, {"headline": {"level": "heavy", "message": "m"}})
    red(performance.champion_has_not_decayed(warehouse), dg.AssetCheckSeverity.WARN)


@pytest.mark.parametrize(
    ("feedback", "is_well"),
    [
        ({"outcomes": {"called_in_full": 100}}, True),
        ({"outcomes": {"called_by_list": 100, "on_no_list": 10}, "calls_made": 100, "explored": 5}, True),
        ({"outcomes": {"called_by_list": 100, "on_no_list": 20}, "calls_made": 100, "explored": 5}, False),
        ({"outcomes": {"called_by_list": 100}, "calls_made": 100}, False),
    ],
)
def test_outcomes_that_teach_nothing_are_a_hint(warehouse, feedback, is_well):
    green(performance.outcomes_teach(warehouse))
    put(warehouse, "performance_report", "all", {"x": [1]}, {"report": {"feedback": feedback}})
    found = performance.outcomes_teach(warehouse)
    assert (found.passed, found.severity) == (is_well, dg.AssetCheckSeverity.WARN)


def test_a_killed_commit_leaves_the_old_rows(warehouse):
    put(warehouse, "contacts", "2008-05", {"contact_id": ["a"]}, counts(1))
    snapshot_id, folder = warehouse.staging("contacts")
    (folder / "half.parquet").write_bytes(b"PAR1 half")
    with pytest.raises(Exception, match=r"half\.parquet"):
        warehouse.commit("contacts", snapshot_id, {"2008-05": StagedEntry(("half.parquet",), "m")})
    assert warehouse.read("contacts", ["2008-05"]).column("contact_id").to_pylist() == ["a"]
