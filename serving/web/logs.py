"""Logs as JSON lines on standard error, without customer data.

Bodies, query strings, contact ids and header values other than the request id are never logged. An access line names
the decision that the request made and its model version, so an operator can go from a line to the record and back.
docs/aws.md has queries over these fields.
"""

from __future__ import annotations

import logging
import sys
import time
import traceback
from datetime import UTC, datetime
from functools import lru_cache
from typing import IO, Any, Final

import msgspec

from serving.web.access import Admission

_STANDARD: Final = frozenset(logging.LogRecord("", 0, "", 0, "", (), None).__dict__) | {
    "message",
    "asctime",
    "color_message",
}
_FLUSH_LINES: Final = 256
_encode = msgspec.json.Encoder(enc_hook=str).encode


class JsonLines(logging.Formatter):
    """One JSON object per record; what `extra=` gives becomes fields."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        line |= {name: value for name, value in record.__dict__.items() if name not in _STANDARD}
        if record.exc_info and record.exc_info[0] is not None:
            # Frames and type only: an exception's text may quote the value that caused it.
            line["exception"] = record.exc_info[0].__name__
            line["frames"] = [
                f"{frame.filename}:{frame.lineno} {frame.name}"
                for frame in traceback.extract_tb(record.exc_info[2])[-8:]
            ]
        return _encode(line).decode()


def configure() -> None:
    """Send every logger of this process to standard error as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "litestar"):
        logging.getLogger(name).handlers[:] = []
        logging.getLogger(name).propagate = True
    for name in ("alembic", "mlflow", "urllib3", "sqlalchemy.engine"):
        logging.getLogger(name).setLevel(logging.WARNING)


@lru_cache(maxsize=2)
def _second(unix: int) -> str:
    return datetime.fromtimestamp(unix, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _now() -> str:
    """The time, UTC, in ISO form; the second is formatted once, since that takes 2 us."""
    seconds, milliseconds = divmod(time.time_ns() // 1_000_000, 1_000)
    return f"{_second(seconds)}.{milliseconds:03d}+00:00"


class AccessLog:
    """Access lines, gathered and written together: one `write` call each costs as much as scoring a row."""

    def __init__(self, stream: IO[bytes] | None = None) -> None:
        self._stream = stream
        self._lines: list[bytes] = []

    def add(self, method: str, route: str, status: int, seconds: float, admission: Admission) -> None:
        """Note one answered request."""
        if self._stream is None:
            return
        line = {
            "at": _now(),
            "level": "info",
            "logger": "access",
            "event": "request",
            "method": method,
            "route": route,
            "status": status,
            "ms": round(seconds * 1e3, 2),
            "request_id": admission.request_id,
            "actor": admission.identity.name if admission.identity is not None else "",
        }
        if admission.decision_id:
            line["decision_id"], line["model_version"] = admission.decision_id, admission.model_version
        self._lines.append(_encode(line))
        if len(self._lines) >= _FLUSH_LINES:
            self.flush()

    def flush(self) -> None:
        """Write what was gathered."""
        if self._lines and self._stream is not None:
            self._stream.write(b"\n".join(self._lines) + b"\n")
            self._stream.flush()
            self._lines.clear()
