"""Dagster's run logs as JSON lines, for a log service that indexes fields (CloudWatch Logs Insights).

An instance's `python_logs` names the handler (deploy/aws/dagster/dagster.yaml). A line has `at, level, logger, event`
like the web app's, then `run_id`, `job_name`, and whatever applies of `step`, `event_type`, `asset`, `partition`,
`check`, `passed`, `severity`, `model_version`, `as_of`, `rows`, `unchanged`, `seconds`, `exception`, `frames`.
Exceptions are logged by type and location only, because their text may quote a customer's values.
"""

import json
import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import IO, Any, Final

import dagster as dg
from dagster._core.log_manager import (  # no public way to a record's event exists (dagster 1.13)
    get_log_record_event,
    get_log_record_metadata,
    has_log_record_event,
    has_log_record_metadata,
)

from bank_assets.resources.run_story import innermost

# Events worth a line; operators do not need the others (resource start, capture of logs, ...).
EVENTS: Final = frozenset(
    {"RUN_START", "RUN_SUCCESS", "RUN_FAILURE", "RUN_CANCELED", "STEP_SUCCESS", "STEP_FAILURE", "STEP_UP_FOR_RETRY",
     "ASSET_MATERIALIZATION", "ASSET_CHECK_EVALUATION"}
)  # fmt: skip

# Field by metadata of a materialization; other metadata stays in Dagster.
FIELDS: Final = {name: name for name in ("model_version", "as_of", "unchanged", "seconds", "decision")} | {
    "version": "model_version",
    "champion": "model_version",
    "dagster/row_count": "rows",
}

_FRAMES: Final = 8


class JsonLinesHandler(logging.Handler):
    """Writes records of Dagster runs to a stream (default: standard output), one JSON object a line."""

    def __init__(self, stream: IO[str] | None = None) -> None:
        super().__init__(logging.NOTSET)
        self._stream = stream

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record if it is worth a line."""
        try:
            line = line_of(record)
            if line is not None:
                stream = self._stream or sys.stdout
                stream.write(json.dumps(line, default=str) + "\n")
                stream.flush()
        except Exception:  # a logging handler must not stop the run it reports on
            self.handleError(record)
        finally:
            # Dagster adds its coloured console to the instance's handlers unless a run configures loggers, and has no
            # switch for it. The console logs the record again at this level; nothing logs NOTSET, so the text, which
            # may contain exception values, is not written a second time.
            record.levelno = logging.NOTSET


def line_of(record: logging.LogRecord) -> dict[str, Any] | None:
    """The fields of a log record, or None if it is not worth a line."""
    event = get_log_record_event(record) if has_log_record_event(record) else None
    if event is None and record.levelno < logging.INFO:
        return None
    if event is not None and event.event_type.name not in EVENTS:
        return None
    about: Mapping[str, Any] = get_log_record_metadata(record) if has_log_record_metadata(record) else {}
    level, fields = (record.levelname.lower(), {}) if event is None else _level_and_fields(event)
    line: dict[str, Any] = {
        "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": level,
        "logger": record.name,
        "event": about.get("orig_message", record.getMessage()) if event is None else event.event_type.name,
        "run_id": about.get("run_id"),
        "job_name": about.get("job_name"),
        "step": about.get("step_key"),
    }
    if event is not None:
        line |= {"event_type": event.event_type.name, **fields}
    elif record.exc_info and record.exc_info[0] is not None:
        line["exception"] = record.exc_info[0].__name__
    return {name: value for name, value in line.items() if value is not None}


def _level_and_fields(event: dg.DagsterEvent) -> tuple[str, dict[str, Any]]:
    if event.event_type is dg.DagsterEventType.ASSET_MATERIALIZATION:
        made = event.step_materialization_data.materialization
        fields = {FIELDS[name]: _plain(value) for name, value in made.metadata.items() if name in FIELDS}
        return "info", {"asset": made.asset_key.to_user_string(), "partition": made.partition, **fields}
    if event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION:
        check = event.asset_check_evaluation_data
        level = "error" if check.severity is dg.AssetCheckSeverity.ERROR else "warning"
        return "info" if check.passed else level, {
            "asset": check.asset_key.to_user_string(),
            "check": check.check_name,
            "passed": check.passed,
            "severity": check.severity.value,
        }
    level = "error" if event.event_type.name in {"RUN_FAILURE", "STEP_FAILURE"} else "info"
    error = getattr(event.event_specific_data, "error", None)
    if error is None:
        return level, {}
    error = innermost(error)  # the wrapper only says that a step failed
    frames = [frame.strip().split("\n")[0] for frame in error.stack[-_FRAMES:]]
    return level, {"exception": error.cls_name, "frames": frames}


def _plain(value: Any) -> Any:
    found = getattr(value, "value", value)
    return found if isinstance(found, str | int | float | bool) else None
