"""Every gate can turn red: each check is shown what it exists to refuse."""

import json
from types import SimpleNamespace

import dagster as dg
import numpy as np
import pyarrow as pa
import pytest

from bank_assets.checks import (
    drift,
    evaluation,
    features,
    performance,
    promotion,
    raw,
    scoring,
    tables,
    training,
    validation,
)
from bank_assets.contract.uci import UCI
from bank_assets.core.features.contacts import PREFIX
from bank_assets.core.features.feature_set import FeatureSet
from bank_assets.landing.register import object_path, raw_root
from bank_assets.resources.store import WarehouseResource
from bank_assets.settings import Settings
from bank_assets.store.warehouse import StagedEntry

FEATURE_SET = FeatureSet.of(UCI)


@pytest.fixture
def home(tmp_path):
    return Settings(home=tmp_path)


@pytest.fixture
def warehouse(home):
    return WarehouseResource(root=str(home.warehouse))


def red(result, severity=dg.AssetCheckSeverity.ERROR):
    assert result.passed is False
    assert result.severity is severity


def green(result):
    assert result.passed is True


def counts(rows_in, rejected=0, superseded=0, codes=None):
    return {
        "contacts": {"rows_in": rows_in, "rejected": rejected, "superseded": superseded, "codes": codes or {}},
        "outcomes": {"rows_in": 0, "rejected": 0, "superseded": 0, "codes": {}},
    }


def put(warehouse, table, key, columns, metadata):
    return warehouse.open().write(table, key, pa.table(columns), "mark", metadata)


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
    put(warehouse, "outcomes", "2008-05", {"contact_id": ["zz"]}, counts(1))
    red(tables.outcomes_belong_to_contacts(warehouse), dg.AssetCheckSeverity.WARN)


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


def snapshot(warehouse, *, extra=None, known_after=1):
    n = 400
    days = np.datetime64("2008-01-01") + np.arange(n)
    columns = {
        "contact_id": [str(k) for k in range(n)],
        "contact_date": days,
        "known_on": days + np.timedelta64(known_after, "D"),
        "is_subscribed": np.arange(n) % 3 == 0,
    }
    for name in FEATURE_SET.names:
        columns[PREFIX + name] = (
            [FEATURE_SET.categories_of(name)[0]] * n if name in FEATURE_SET.category else np.ones(n)
        )
    put(
        warehouse,
        "training_set",
        "all",
        columns | (extra or {}),
        {"as_of": str(days[-1] + np.timedelta64(2, "D")), "rare": []},
    )


def test_a_leaking_column_is_refused(warehouse):
    snapshot(warehouse)
    green(features.training_set_has_no_leakage_column(warehouse, Settings()))
    snapshot(warehouse, extra={PREFIX + "duration": np.ones(400)})
    red(features.training_set_has_no_leakage_column(warehouse, Settings()))


def test_rows_from_the_future_are_refused(warehouse):
    snapshot(warehouse)
    green(features.folds_do_not_overlap_in_time(warehouse, Settings()))
    snapshot(warehouse, known_after=30)
    red(features.folds_do_not_overlap_in_time(warehouse, Settings()))


def candidates(warehouse, *, auc=0.78, run="r", seed=True, seconds=1.0):
    recipe = {"algorithm": "lightgbm", "sampler": "none", **({"seed": 1} if seed else {})}
    put(
        warehouse,
        "candidates",
        "lightgbm",
        {"raw.none": [0.1]},
        {
            "snapshot": "s",
            "results": {
                "lightgbm/none": {
                    "recipe": recipe,
                    "metrics": {"roc_auc": auc, "fit_seconds": seconds},
                    "mlflow_run_id": run,
                }
            },
        },
    )


def test_training_gates(warehouse):
    reproducible, no_leak, fast = training.checks_of("lightgbm")
    candidates(warehouse)
    for check in (reproducible, no_leak, fast):
        green(check(warehouse))
    candidates(warehouse, auc=0.93)
    red(no_leak(warehouse))
    candidates(warehouse, run="")
    red(reproducible(warehouse))
    candidates(warehouse, seed=False)
    red(reproducible(warehouse))
    candidates(warehouse, seconds=1_000.0)
    red(fast(warehouse), dg.AssetCheckSeverity.WARN)


def challenger(warehouse, *, parity=1e-7, auc=0.75, slope_is_broken=False, findings=()):
    rng = np.random.default_rng(0)
    proba = rng.uniform(0.1, 0.9, 3_000)
    observed = rng.uniform(size=3_000) < (0.5 if slope_is_broken else proba)
    put(
        warehouse,
        "challenger",
        "all",
        {"proba": proba, "is_subscribed": observed},
        {
            "parity": parity,
            "headline": {"roc_auc": auc, "version": "1"},
            "fairness": {"status": "within_limits", "findings": list(findings)},
        },
    )


def test_evaluation_gates(warehouse):
    challenger(warehouse)
    green(evaluation.onnx_graph_equals_estimator(warehouse))
    green(evaluation.challenger_shows_no_leak(warehouse))
    green(evaluation.challenger_is_calibrated(warehouse))
    challenger(warehouse, parity=2e-5, auc=0.9, slope_is_broken=True)
    red(evaluation.onnx_graph_equals_estimator(warehouse))
    red(evaluation.challenger_shows_no_leak(warehouse))
    red(evaluation.challenger_is_calibrated(warehouse), dg.AssetCheckSeverity.WARN)


def test_an_unfair_champion_is_hinted(warehouse):
    challenger(warehouse)
    green(promotion.champion_treats_groups_within_limits(warehouse))
    challenger(
        warehouse, findings=[{"column": "age", "group": "60+", "measure": "selection_rate", "is_exceeded": True}]
    )
    red(promotion.champion_treats_groups_within_limits(warehouse), dg.AssetCheckSeverity.WARN)


def test_an_alias_that_does_not_read_back_blocks(warehouse, home):
    from bank_assets.ledger import promotions
    from bank_assets.resources.ledger import LedgerResource

    ledger = LedgerResource(url=f"sqlite:///{home.home / 'ledger.db'}")
    promotions.record(
        ledger.engine,
        kind="first",
        decision="promoted",
        from_version=None,
        to_version="3",
        reasons=["r"],
        evidence={},
        actor="test",
        as_of="2009-01-01",
    )

    class Registry:
        def __init__(self, version):
            self.version = version

        def open(self):
            return SimpleNamespace(by_alias=lambda alias: SimpleNamespace(version=self.version))

    judge = promotion.champion_alias_reads_back.op.compute_fn.decorated_fn
    green(judge(warehouse, ledger, Registry("3")))
    red(judge(warehouse, ledger, Registry("2")))


def scored(warehouse, proba, *, delivered=2, versions=("1", "1"), low=None, name="a"):
    put(
        warehouse,
        "batch_scores",
        name,
        {
            "contact_id": ["a", "b"],
            "probability": proba,
            "probability_low": low or [0.0, 0.0],
            "probability_high": [1.0, 1.0],
            "model_version": pa.array(versions, pa.string()),
        },
        {"delivered": delivered, "n_rejected": 0},
    )


def test_scoring_gates(warehouse):
    scored(warehouse, [0.2, 0.3])
    for check in (
        scoring.probabilities_lie_between_zero_and_one,
        scoring.every_campaign_row_is_scored_or_refused,
        scoring.scores_name_their_model_version,
        scoring.scores_have_not_moved,
    ):
        green(check(warehouse))
    scored(warehouse, [0.2, 1.3], delivered=3, versions=("1", None))
    red(scoring.probabilities_lie_between_zero_and_one(warehouse))
    red(scoring.every_campaign_row_is_scored_or_refused(warehouse))
    red(scoring.scores_name_their_model_version(warehouse))
    scored(warehouse, [0.2, 0.3], low=[0.25, 0.0])
    red(scoring.probabilities_lie_between_zero_and_one(warehouse))
    scored(warehouse, [0.9, 0.9], name="b")
    red(scoring.scores_have_not_moved(warehouse), dg.AssetCheckSeverity.WARN)


def test_a_killed_commit_leaves_the_old_rows(warehouse):
    store = warehouse.open()
    put(warehouse, "contacts", "2008-05", {"contact_id": ["a"]}, counts(1))
    snapshot_id, folder = store.staging("contacts")
    (folder / "half.parquet").write_bytes(b"PAR1 half")
    with pytest.raises(Exception, match=r"half\.parquet"):
        store.commit("contacts", snapshot_id, {"2008-05": StagedEntry(("half.parquet",), "m")})
    assert store.read("contacts", ["2008-05"]).column("contact_id").to_pylist() == ["a"]
