"""Dagster's run logs as JSON lines, for a log service that indexes fields (CloudWatch Logs Insights).

An instance's `python_logs` names the handler (deploy/aws/dagster/dagster.yaml). A line has `at, level, logger, event`
like the web app's, then `run_id`, `job`, and whatever applies of `step`, `event_type`, `asset`, `partition`, `check`,
`passed`, `severity`, `model_version`, `as_of`, `rows`, `unchanged`, `seconds`, `exception`, `frames`. Exceptions are
logged by type and location only, because their text may quote a customer's values.
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

EVENTS: Final = frozenset(
    {
        dg.DagsterEventType.RUN_START,
        dg.DagsterEventType.RUN_SUCCESS,
        dg.DagsterEventType.RUN_FAILURE,
        dg.DagsterEventType.RUN_CANCELED,
        dg.DagsterEventType.STEP_SUCCESS,
        dg.DagsterEventType.STEP_FAILURE,
        dg.DagsterEventType.STEP_UP_FOR_RETRY,
        dg.DagsterEventType.ASSET_MATERIALIZATION,
        dg.DagsterEventType.ASSET_CHECK_EVALUATION,
    }
)
"""Events worth a line; operators do not need the others (resource start, capture of logs, ...)."""

FIELDS: Final = {
    "model_version": "model_version",
    "version": "model_version",
    "champion": "model_version",
    "as_of": "as_of",
    "dagster/row_count": "rows",
    "unchanged": "unchanged",
    "seconds": "seconds",
    "decision": "decision",
}
"""Field by metadata of a materialization; other metadata stays in Dagster."""

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
    if event is not None and event.event_type not in EVENTS:
        return None
    about: Mapping[str, Any] = get_log_record_metadata(record) if has_log_record_metadata(record) else {}
    level = record.levelname.lower() if event is None else _level(event)
    line: dict[str, Any] = {
        "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": level,
        "logger": record.name,
        "event": about.get("orig_message", record.getMessage()) if event is None else event.event_type.name,
        "run_id": about.get("run_id"),
        "job": about.get("job_name"),
        "step": about.get("step_key"),
    }
    if event is not None:
        line |= {"event_type": event.event_type.name, **_event_fields(event)}
    elif record.exc_info and record.exc_info[0] is not None:
        line["exception"] = record.exc_info[0].__name__
    return {name: value for name, value in line.items() if value is not None}


def _level(event: dg.DagsterEvent) -> str:
    if event.event_type in {dg.DagsterEventType.RUN_FAILURE, dg.DagsterEventType.STEP_FAILURE}:
        return "error"
    if event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION and not event.asset_check_evaluation_data.passed:
        return "error" if event.asset_check_evaluation_data.severity is dg.AssetCheckSeverity.ERROR else "warning"
    return "info"


def _event_fields(event: dg.DagsterEvent) -> dict[str, Any]:
    if event.event_type is dg.DagsterEventType.ASSET_MATERIALIZATION:
        made = event.step_materialization_data.materialization
        fields = {FIELDS[name]: _plain(value) for name, value in made.metadata.items() if name in FIELDS}
        return {"asset": made.asset_key.to_user_string(), "partition": made.partition, **fields}
    if event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION:
        found = event.asset_check_evaluation_data
        return {
            "asset": found.asset_key.to_user_string(),
            "check": found.check_name,
            "passed": found.passed,
            "severity": found.severity.value,
        }
    error = getattr(event.event_specific_data, "error", None)
    if error is None:
        return {}
    error = innermost(error)  # the wrapper only says that a step failed
    return {"exception": error.cls_name, "frames": [frame.strip().split("\n")[0] for frame in error.stack[-_FRAMES:]]}


def _plain(value: Any) -> Any:
    found = getattr(value, "value", value)
    return found if isinstance(found, str | int | float | bool) else None
