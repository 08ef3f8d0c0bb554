"""JSON lines of Dagster runs, written by an instance with the handler in its `python_logs`."""

import json
import logging
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from bank_assets.resources.json_logs import JsonLinesHandler, line_of

SECRET = "SECRET-CONTACT-7654321"


@dg.asset
def fine(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    context.log.info("made %d rows", 3)
    logging.getLogger("bank_assets.tests").warning("from a library of ours")
    return dg.MaterializeResult(metadata={"model_version": "7", "dagster/row_count": 3, "free text": SECRET})


@dg.asset
def broken() -> None:
    raise ValueError(SECRET)


@dg.asset_check(asset=fine)
def hint() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=False, severity=dg.AssetCheckSeverity.WARN, metadata={"value": SECRET})


@dg.asset_check(asset=fine, blocking=True)
def gate() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=False, severity=dg.AssetCheckSeverity.ERROR)


def lines_of_run(home: Path, capfd: pytest.CaptureFixture[str], *assets: Any) -> list[dict[str, Any]]:
    home.mkdir(exist_ok=True)
    handler = f"{JsonLinesHandler.__module__}.{JsonLinesHandler.__name__}"
    instance_yaml = {
        "telemetry": {"enabled": False},
        "python_logs": {
            "managed_python_loggers": ["bank_assets"],
            "dagster_handler_config": {"handlers": {"json": {"class": handler}}},
        },
    }
    (home / "dagster.yaml").write_text(json.dumps(instance_yaml))
    capfd.readouterr()
    with dg.DagsterInstance.from_config(str(home)) as instance:
        made = [each for each in assets if isinstance(each, dg.AssetsDefinition)]
        definitions = dg.Definitions(assets=made, asset_checks=[hint, gate] if fine in assets else [])
        job = definitions.resolve_implicit_global_asset_job_def()
        result = job.execute_in_process(instance=instance, raise_on_error=False)
    out, err = capfd.readouterr()
    assert "STEP_" not in err, "the coloured console wrote too"
    assert SECRET not in out + err
    lines = [json.loads(line) for line in out.splitlines()]
    assert {(line["run_id"], line["job_name"]) for line in lines} == {(result.run_id, job.name)}
    return lines


def test_each_line_is_json_with_the_run_and_chosen_fields(tmp_path, capfd):
    lines = lines_of_run(tmp_path / "home", capfd, fine)
    by_event = {line["event"]: line for line in lines}
    assert by_event["made 3 rows"]["step"] == "fine"
    assert by_event["from a library of ours"]["level"] == "warning"
    made = by_event["ASSET_MATERIALIZATION"]
    assert (made["asset"], made["model_version"], made["rows"]) == ("fine", "7", 3)
    checks = {line["check"]: line["level"] for line in lines if line["event"] == "ASSET_CHECK_EVALUATION"}
    assert checks == {"hint": "warning", "gate": "error"}
    assert next(line["event"] for line in lines if line["event"].startswith("RUN_")) == "RUN_START"


def test_a_failure_is_named_by_type_and_place_without_its_text(tmp_path, capfd):
    lines = lines_of_run(tmp_path / "home", capfd, broken)
    failed = next(line for line in lines if line.get("event_type") == "STEP_FAILURE")
    assert (failed["exception"], failed["level"], failed["step"]) == ("ValueError", "error", "broken")
    assert any("test_json_logs.py" in frame for frame in failed["frames"])
    assert lines[-1]["event_type"] == "RUN_FAILURE"


def test_a_record_without_a_run_and_a_debug_record():
    record = logging.LogRecord("bank_assets.x", logging.INFO, __file__, 1, "plain %s", ("text",), None)
    line = line_of(record)
    assert line["event"] == "plain text"
    assert "run_id" not in line
    assert line_of(logging.LogRecord("x", logging.DEBUG, __file__, 1, "noise", (), None)) is None
