"""The session lives from its first use to the end of its run; a run without Spark work starts none."""

import subprocess
import sys
import textwrap
from pathlib import Path

import dagster as dg
import pytest
from dagster_pyspark import PySparkResource

from bank_assets.resources.spark import SparkResource

REPOSITORY = Path(__file__).parents[2]


def _use_nothing(spark: SparkResource) -> None:
    assert not spark.is_started


def _run(asset: dg.AssetsDefinition, resource: SparkResource) -> dg.ExecuteInProcessResult:
    return dg.materialize([asset], resources={"spark": resource}, instance=dg.DagsterInstance.ephemeral())


def test_a_run_without_spark_work_starts_no_jvm(tmp_path, monkeypatch):
    def refuse(*_args, **_kwargs):
        raise AssertionError("a JVM was started")

    monkeypatch.setattr("bank_assets.resources.spark.start_session", refuse)
    resource = SparkResource(home=str(tmp_path))
    assert isinstance(resource, PySparkResource)
    assert _run(dg.asset(_use_nothing, name="unchanged"), resource).success


def test_the_session_is_started_with_the_fields_and_stopped_with_the_run(tmp_path, monkeypatch):
    seen: dict[str, object] = {}

    def start(settings, *, app_name, more):
        seen.update(settings=settings, app_name=app_name, more=more)
        return "session"

    monkeypatch.setattr("bank_assets.resources.spark.active_session", lambda: None)
    monkeypatch.setattr("bank_assets.resources.spark.start_session", start)
    monkeypatch.setattr("bank_assets.resources.spark.stop_session", lambda session: seen.update(stopped=session))

    @dg.asset
    def uses_spark(spark: SparkResource) -> None:
        assert spark.session == "session"
        assert spark.is_started
        assert "stopped" not in seen

    resource = SparkResource(home=str(tmp_path), master="local[3]", memory="3g", spark_config={"spark.x": 1})
    result = _run(uses_spark, resource)
    assert seen["settings"].spark_master == "local[3]"
    assert seen["settings"].spark_memory == "3g"
    assert seen["more"] == {"spark.x": "1"}
    assert result.run_id in seen["app_name"]
    assert seen["stopped"] == "session"


def test_the_session_is_stopped_when_the_run_fails(tmp_path, monkeypatch):
    stopped = []
    monkeypatch.setattr("bank_assets.resources.spark.active_session", lambda: None)
    monkeypatch.setattr("bank_assets.resources.spark.start_session", lambda *_a, **_k: "session")
    monkeypatch.setattr("bank_assets.resources.spark.stop_session", stopped.append)

    @dg.asset
    def fails(spark: SparkResource) -> None:
        raise ValueError(spark.session)

    with pytest.raises(ValueError, match="session"):
        _run(fails, SparkResource(home=str(tmp_path)))
    assert stopped == ["session"]


@pytest.mark.spark
def test_a_session_that_was_running_before_is_used_and_left_alone(spark, tmp_path):
    @dg.asset
    def counts(spark: SparkResource) -> int:
        return spark.spark_session.range(7).count()

    assert _run(counts, SparkResource(home=str(tmp_path))).output_for_node("counts") == 7
    assert spark.range(3).count() == 3


WHOLE_LIFE = """
    import os, sys
    import dagster as dg
    from bank_assets.resources.spark import SparkResource
    from bank_assets.spark.session import active_session

    processes = []

    @dg.asset
    def counts(spark: SparkResource) -> int:
        processes.append(spark.spark_context._gateway.proc)
        assert processes[0].poll() is None
        return spark.session.range(5).count()

    resources = {"spark": SparkResource(home=sys.argv[1], master="local[2]", memory="1g")}
    for _ in range(2):
        with dg.DagsterInstance.ephemeral() as instance:
            result = dg.materialize([counts], resources=resources, instance=instance)
        assert result.output_for_node("counts") == 5
        assert active_session() is None
        assert processes.pop().poll() is not None, "the JVM outlives the run"
    print("both JVMs ended")
"""


@pytest.mark.spark
@pytest.mark.slow
def test_the_jvm_ends_with_its_run_and_the_next_run_gets_a_fresh_one(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(WHOLE_LIFE), str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "both JVMs ended" in done.stdout
