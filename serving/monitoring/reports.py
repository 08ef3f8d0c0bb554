"""The pipeline's reports under `$BANK_HOME/reports`, as the pages read them.

These files are the only link between the app and the pipeline. A missing report is normal (None), an unreadable one is
logged.
"""

from __future__ import annotations

import json
import logging
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

logger = logging.getLogger(__name__)

DRIFT_VERSION: Final = 1
PERFORMANCE_VERSION: Final = 1
ALERT_VERSION: Final = 1
OWN_PAGES: Final = ("drift", "retraining", "validation", "replay", "demo")
"""Folders of pages in our own style, which is a block in each of them."""
OPEN_FOLDERS: Final = ("data_docs", *OWN_PAGES)
OPEN_FILES: Final = ("performance.json", "run_summary.json")
"""What people may open: reports hold counts and statistics only. `call_lists` holds customers and stays closed."""
OPEN_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".csv": "text/csv; charset=utf-8",
    ".md": "text/plain; charset=utf-8",
}


STYLE_BLOCK: Final = re.compile(rb"<style>(.*?)</style>", re.DOTALL)
ALERTS_READ: Final = 256 * 1024
"""Bytes read from the end of the log of alerts: some 300 alerts."""
LISTED_PAGES: Final = 6


@dataclass(slots=True)
class Reports:
    """Reports of one home."""

    folder: Path
    _known: dict[Path, tuple[int, Any]] = field(default_factory=dict)

    def run_summary(self) -> dict[str, Any] | None:
        """What the last pipeline run said at its end."""
        return self._json(self.folder / "run_summary.json")

    def performance(self) -> dict[str, Any] | None:
        """Realised performance, `core.quality.performance.PerformanceReport` as JSON."""
        found = self._json(self.folder / "performance.json")
        return found if found and found.get("schema_version") == PERFORMANCE_VERSION else None

    def drift(self) -> dict[str, dict[str, Any]]:
        """Drift reports by month, oldest first, `core.drift.report.DriftReport` as JSON."""
        found = {path.stem: self._json(path) for path in sorted((self.folder / "drift").glob("????-??.json"))}
        return {month: one for month, one in found.items() if one and one.get("schema_version") == DRIFT_VERSION}

    def alerts(self, limit: int) -> list[dict[str, Any]]:
        """The newest alerts first, `core.alerts.alert.Alert` as JSON."""
        path = self.folder / "alerts.jsonl"
        try:
            with path.open("rb") as stream:
                size = stream.seek(0, os.SEEK_END)
                stream.seek(max(size - ALERTS_READ, 0))
                lines = stream.read().split(b"\n")
        except FileNotFoundError:
            return []
        except OSError as error:
            logger.warning("alerts not read", extra={"report": path.name, "error": str(error)})
            return []
        found = (_alert(line) for line in reversed(lines))
        # By time: a process that looked at a long run tells it after a shorter one that ended later.
        newest = sorted((one for one in found if one), key=lambda one: str(one["at"]), reverse=True)
        return newest[:limit]

    def page_of(self, folder: str, name: str) -> str:
        """Address of a page of ours, or "" if it is not there."""
        return f"/reports/{folder}/{name}.html" if (self.folder / folder / f"{name}.html").is_file() else ""

    def style_of(self, path: str) -> bytes | None:
        """The style block of a page of ours."""
        found = self.file(path.removesuffix(".css") + ".html") if path.endswith(".css") else None
        block = STYLE_BLOCK.search(found[0].read_bytes()) if found else None
        return block.group(1) if block else None

    def openable(self) -> list[tuple[str, str]]:
        """(path, name) of the reports that exist and people may open."""
        validations = sorted((self.folder / "data_docs" / "validations").rglob("*.html"))
        newest = [validations[-1].relative_to(self.folder).as_posix()] if validations else []
        drift = sorted((self.folder / "drift").glob("????-??.html"), reverse=True)[:LISTED_PAGES]
        retraining = sorted(
            (self.folder / "retraining").glob("v*.html"), key=lambda page: page.stat().st_mtime_ns, reverse=True
        )[:LISTED_PAGES]
        named = (
            *((f"retraining/{page.name}", f"Retraining: version {page.stem[1:]}") for page in retraining),
            *((f"drift/{page.name}", f"Drift in {page.stem}") for page in drift),
            ("validation/contacts.html", "Validation of contacts"),
            *((path, "Validation report") for path in newest),
            ("replay/index.html", "Replay of the past"),
            ("replay/replay.json", "Replay of the past, figures"),
            ("performance.json", "Realised performance, figures"),
            ("run_summary.json", "Last run, figures"),
        )
        return [(path, name) for path, name in named if (self.folder / path).is_file()]

    def file(self, path: str) -> tuple[Path, str] | None:
        """A report that people may open."""
        parts = Path(path.lstrip("/")).parts
        if not parts or (parts[0] not in OPEN_FOLDERS and "/".join(parts) not in OPEN_FILES):
            return None
        root = self.folder.resolve()
        target = root.joinpath(*parts).resolve()
        # A link or `..` that leads elsewhere is no report.
        if not target.is_relative_to(root / parts[0]) or not target.is_file() or target.suffix not in OPEN_TYPES:
            return None
        return target, OPEN_TYPES[target.suffix]

    def _json(self, path: Path) -> dict[str, Any] | None:
        try:
            stamp = path.stat().st_mtime_ns
            known = self._known.get(path)
            if known is None or known[0] != stamp:
                content = json.loads(path.read_text(encoding="utf-8"))
                known = (stamp, content if isinstance(content, dict) else None)
                self._known[path] = known
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            logger.warning("report not read", extra={"report": path.name, "error": str(error)})
            return None
        found: dict[str, Any] | None = known[1]
        return found


def _alert(line: bytes) -> dict[str, Any] | None:
    """One line of the log of alerts; a torn one, or one of another release, is left out."""
    try:
        found = json.loads(line) if line.strip() else None
    except ValueError:
        return None
    if not isinstance(found, dict) or found.get("schema_version") != ALERT_VERSION:
        return None
    return {"details": [], **found}  # earlier releases wrote no details
