"""The Dagster graph as people and the daemon see it."""

import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from bank_assets.contract.names import STAGES
from bank_assets.definitions import build_defs
from bank_assets.settings import Settings

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def graph():
    return build_defs(settings=Settings(home=Path("/nonexistent-home"))).resolve_asset_graph()


@pytest.mark.slow
def test_definitions_load_with_an_empty_environment_and_touch_nothing(tmp_path):
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}
    code = (
        "import bank_assets.definitions as d, sys, dagster as dg; dg.Definitions.validate_loadable(d.defs); "
        "print(','.join(m for m in ('pyspark.sql','mlflow','great_expectations','sklearn.ensemble') "
        "if m in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "mlflow" not in done.stdout.strip().split(",")
    assert "great_expectations" not in done.stdout.strip().split(",")
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".bank")] == []


def test_every_stage_is_a_group_with_assets(graph):
    groups = {graph.get(key).group_name for key in graph.materializable_asset_keys}
    assert groups == set(STAGES)


def test_every_asset_has_an_owner_and_a_description_of_its_guarantees(graph):
    for key in graph.materializable_asset_keys:
        node = graph.get(key)
        assert node.owners, f"{key}: no owner"
        assert node.kinds, f"{key}: no kind"
        assert (node.description or "").split("\n\n")[0].strip().endswith("."), f"{key}: no catalog line"
        assert "Reads:" in node.description, f"{key}: no Reads"
        assert "Writes:" in node.description, f"{key}: no Writes"
        assert node.tags["bank/layer"].endswith(node.group_name)


def test_the_ten_stages_follow_each_other(graph):
    order = {stage: number for number, stage in enumerate(STAGES)}
    backwards = [
        (parent, key)
        for key in graph.materializable_asset_keys
        for parent in graph.get(key).parent_keys
        if order[graph.get(parent).group_name] > order[graph.get(key).group_name]
    ]
    assert backwards == []


def test_checks_end_in_a_full_stop_and_gates_block(graph):
    blocking = set()
    for key in graph.asset_check_keys:
        spec = graph.get_check_spec(key)
        first = (spec.description or "").strip().split("\n\n")[0].strip()
        assert first.endswith("."), f"{key}: {first!r}"
        if spec.blocking:
            blocking.add(key.name)
    assert {
        "rows_in_equal_rows_out_plus_rejected",
        "a_month_passes_its_gate",
        "training_set_has_no_leakage_column",
        "folds_do_not_overlap_in_time",
        "onnx_graph_equals_estimator",
        "challenger_shows_no_leak",
        "probabilities_lie_between_zero_and_one",
        "every_campaign_row_is_scored_or_refused",
    } <= blocking


def test_jobs_are_named_and_described():
    defs = build_defs(settings=Settings(home=Path("/nonexistent-home")))
    names = {job.name for job in defs.resolve_all_job_defs() if not job.name.startswith("__")}
    assert {"main_job", "data_job", "performance_job", "refit_job", "search_job", "scoring_job"} <= names


def test_an_unloadable_graph_is_found():
    @dg.asset(required_resource_keys={"nobody_has_it"})
    def needy() -> None: ...

    with pytest.raises(dg.DagsterInvalidDefinitionError, match="nobody_has_it"):
        dg.Definitions.validate_loadable(dg.Definitions(assets=[needy]))
