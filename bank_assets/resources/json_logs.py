"""Dagster's logs of a run as JSON lines, for a log service that indexes fields (CloudWatch Logs Insights).

What lives here: one logging handler, named in an instance's `python_logs` (deploy/aws/dagster/dagster.yaml), and the
choice of fields. What must not: what is logged (assets do), set-up of anything outside a Dagster run.

A line has `at, level, logger, event` like the web app's, then `run_id`, `job`, and what applies of `step`,
`event_type`, `asset`, `partition`, `check`, `passed`, `severity`, `model_version`, `as_of`, `rows`, `unchanged`,
`seconds`, `exception`, `frames`. An exception is named by type and place: its text may quote the value that caused it.
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

EVENTS: Final = {
    dg.DagsterEventType.RUN_START: "RUN_START",
    dg.DagsterEventType.RUN_SUCCESS: "RUN_SUCCESS",
    dg.DagsterEventType.RUN_FAILURE: "RUN_FAILURE",
    dg.DagsterEventType.RUN_CANCELED: "RUN_CANCELED",
    dg.DagsterEventType.STEP_SUCCESS: "STEP_SUCCESS",
    dg.DagsterEventType.STEP_FAILURE: "STEP_FAILURE",
    dg.DagsterEventType.STEP_UP_FOR_RETRY: "STEP_UP_FOR_RETRY",
    dg.DagsterEventType.ASSET_MATERIALIZATION: "ASSET_MATERIALIZATION",
    dg.DagsterEventType.ASSET_CHECK_EVALUATION: "ASSET_CHECK_EVALUATION",
}
"""Events worth a line; the rest (resource start, capture of logs, ...) says nothing that an operator asks for."""

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
"""Metadata of a materialization that becomes a field; the rest stays in Dagster."""

_FRAMES: Final = 8


class JsonLinesHandler(logging.Handler):
    """Writes records of Dagster runs to a stream, one JSON object a line, and keeps them off the coloured console."""

    def __init__(self, stream: IO[str] | None = None) -> None:
        """Write to a stream.

        Args:
            stream: where to; default standard output at the time of writing.
        """
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
            # A run that configures no loggers of its own always gets the coloured console beside the instance's
            # handlers, and Dagster offers no switch. It re-logs the record at this level after the handlers ran;
            # NOTSET is enabled nowhere, so the same text, exception values included, does not leave a second time.
            record.levelno = logging.NOTSET


def line_of(record: logging.LogRecord) -> dict[str, Any] | None:
    """The fields of a record, or None if it is not worth a line.

    Args:
        record: as Dagster's log manager hands it to handlers.
    """
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
        "event": about.get("orig_message", record.getMessage()) if event is None else EVENTS[event.event_type],
        "run_id": about.get("run_id"),
        "job": about.get("job_name"),
        "step": about.get("step_key"),
    }
    if event is not None:
        line |= {"event_type": EVENTS[event.event_type], **_event_fields(event)}
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
    while error is not None and error.cause is not None:
        error = error.cause  # the wrapper only says that a step failed
    if error is None:
        return {}
    return {"exception": error.cls_name, "frames": [frame.strip().split("\n")[0] for frame in error.stack[-_FRAMES:]]}


def _plain(value: Any) -> Any:
    found = getattr(value, "value", value)
    return found if isinstance(found, str | int | float | bool) else None
