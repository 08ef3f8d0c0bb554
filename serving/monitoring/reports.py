"""The pipeline's reports under `$BANK_HOME/reports`, as the pages read them.

These files are the only link between the app and the pipeline. A missing report is normal (None), an unreadable one is
logged and named by `faults`.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from bank_assets.core.alerts.alert import ALERT_SCHEMA_VERSION, DefaultChannel
from bank_assets.core.drift.report import DriftReport
from bank_assets.core.quality.objective import PROFIT
from bank_assets.core.quality.performance_report import PerformanceReport
from bank_assets.store.alert_log import FILE_NAME, AlertLog, LoggedAlert
from bank_assets.store.atomic_files import changed_at
from bank_assets.store.home_json import UNREADABLE, shown_json
from serving.web.templating import static_url

T = TypeVar("T")
logger = logging.getLogger(__name__)

# Folders of pages in our own style, which is a block in each of them.
OWN_PAGES: Final = ("drift", "retraining", "validation", "replay", "demo")
OPEN_FOLDERS: Final = ("data_docs", *OWN_PAGES)
# What people may open: reports hold counts and statistics only. `call_lists` holds customers and stays closed.
SUMMARY: Final = "run_summary.json"
OPEN_FILES: Final = ("performance.json", SUMMARY)
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
ALERTS_READ: Final = 256 * 1024  # bytes read from the end of the log of alerts: some 300 alerts
LISTED_PAGES: Final = 6


class RunSummary(msgspec.Struct, frozen=True):
    """What pages show of the summary that `python -m bank_assets run` writes at its end."""

    validation_passed: bool
    rows_contacts: int
    rows_rejected: int
    candidates: list[dict[str, str | float | None]] = []
    objective: str = PROFIT


@dataclass(slots=True)
class Reports:
    """Reports of one home."""

    folder: Path
    _known: dict[Path, tuple[int, Any]] = field(default_factory=dict)
    _faults: dict[str, tuple[int, str]] = field(default_factory=dict)

    @property
    def faults(self) -> dict[str, str]:
        """Why a report that was wanted could not be read, by its path below the folder; until it changes."""
        return {name: why for name, (at, why) in sorted(self._faults.items()) if at == changed_at(self.folder / name)}

    def run_summary(self) -> RunSummary | None:
        """What the last pipeline run said at its end."""
        return self._read(self.folder / SUMMARY, lambda found: msgspec.convert(found, RunSummary))

    def performance(self) -> PerformanceReport | None:
        """Realised performance."""
        return self._read(self.folder / "performance.json", PerformanceReport.from_dict)

    def drift(self) -> dict[str, DriftReport]:
        """Drift reports by month, oldest first."""
        pages = sorted((self.folder / "drift").glob("????-??.json"))
        found = {path.stem: self._read(path, DriftReport.from_dict) for path in pages}
        return {month: one for month, one in found.items() if one}

    def alerts(self, limit: int, is_wanted: Callable[[LoggedAlert], bool] = lambda _: True) -> list[LoggedAlert]:
        """The newest alerts for people that are wanted, newest first; those about lists and objections are no task."""
        log, found = AlertLog(self.folder / FILE_NAME, "", ""), []
        try:
            for _, one in log.read(max(log.size - ALERTS_READ, 0)):
                if one.get("schema_version") == ALERT_SCHEMA_VERSION:
                    try:
                        found.append(LoggedAlert.of(one))
                    except msgspec.ValidationError as error:
                        self._fault(FILE_NAME, f"Alert {str(one.get('key'))[:40]}: {error}. The others are shown.")
        except OSError as error:
            self._fault(FILE_NAME, str(error))
        # By time: a process that looked at a long run reports it after a shorter one that ended later.
        shown = [one for one in reversed(found) if one.channel != DefaultChannel.SIGNED and is_wanted(one)]
        return sorted(shown, key=lambda one: one.at, reverse=True)[:limit]

    def page_of(self, folder: str, name: str) -> str:
        """Address of a page of ours, or "" if it is not there."""
        return f"/reports/{folder}/{name}.html" if (self.folder / folder / f"{name}.html").is_file() else ""

    def openable(self) -> list[tuple[str, str]]:
        """(path, name) of the reports that exist and people may open."""
        walked = os.walk(self.folder / "data_docs" / "validations")  # unlike rglob, it bears that a run replaces them
        pages = [Path(base, name) for base, _, names in walked for name in names if name.endswith(".html")]
        newest = [max(pages).relative_to(self.folder).as_posix()] if pages else []
        drift = sorted((self.folder / "drift").glob("????-??.html"), reverse=True)[:LISTED_PAGES]
        retraining = sorted((self.folder / "retraining").glob("v*.html"), key=changed_at, reverse=True)[:LISTED_PAGES]
        named = (
            *((f"retraining/{page.name}", f"Retraining: version {page.stem[1:]}") for page in retraining),
            *((f"drift/{page.name}", f"Drift in {page.stem}") for page in drift),
            ("validation/contacts.html", "Validation of contacts"),
            *((path, "Validation report") for path in newest),
            ("replay/index.html", "Replay of the past"),
            ("replay/replay.json", "Replay of the past, figures"),
            ("performance.json", "Realised performance, figures"),
            (SUMMARY, "Last run, figures"),
        )
        return [(path, name) for path, name in named if (self.folder / path).is_file()]

    def content(self, path: str) -> tuple[bytes, str] | None:
        """A report that people may open, and its media type.

        The app's policy allows no inline style. So the style of our own pages has an address of its own, ending in
        `.css`, and pages of others, whose styles are inline or on other sites, get the app's.
        """
        try:
            return self._content(path)
        except FileNotFoundError:  # replaced since it was found
            return None

    def _content(self, path: str) -> tuple[bytes, str] | None:
        page = self._file(path.removesuffix(".css") + ".html") if path.endswith(".css") else None
        if page and (block := STYLE_BLOCK.search(page.read_bytes())):
            return block.group(1), OPEN_TYPES[".css"]
        found = self._file(path)
        if found is None:
            return None
        content = found.read_bytes()
        if found.suffix == ".html" and path.startswith(OWN_PAGES) and STYLE_BLOCK.search(content):
            link = f'<link rel="stylesheet" href="/reports/{path.removesuffix(".html")}.css">'.encode()
            content = STYLE_BLOCK.sub(link, content, count=1)
            content = content.replace(b"<main>", b'<nav><a href="/monitoring">Back to Monitoring</a></nav><main>', 1)
        elif found.suffix == ".html":
            link = f'<link rel="stylesheet" href="{static_url("app.css")}"></head>'.encode()
            content = content.replace(b"</head>", link, 1)
        return content, OPEN_TYPES[found.suffix]

    def _file(self, path: str) -> Path | None:
        parts = Path(path.lstrip("/")).parts
        if not parts or (parts[0] not in OPEN_FOLDERS and "/".join(parts) not in OPEN_FILES):
            return None
        root = self.folder.resolve()
        target = root.joinpath(*parts).resolve()
        # A link or `..` that leads elsewhere is no report.
        is_open = target.is_relative_to(root / parts[0]) and target.is_file() and target.suffix in OPEN_TYPES
        return target if is_open else None

    def _fault(self, name: str, why: str) -> None:
        found = (changed_at(self.folder / name), why)
        if self._faults.get(name) != found:
            logger.warning("report not read", extra={"report": name, "error": why})
        self._faults[name] = found

    def _read(self, path: Path, parse: Callable[[dict[str, Any]], T]) -> T | None:
        try:
            stamp = path.stat().st_mtime_ns
            known = self._known.get(path)
            if known is None or known[0] != stamp:
                known = self._known[path] = (stamp, parse(shown_json(path.read_bytes())))
        except FileNotFoundError:
            return None
        except (OSError, *UNREADABLE) as error:
            self._fault(path.relative_to(self.folder).as_posix(), f"{error}. The next run writes the report again.")
            return None
        found: T = known[1]
        return found
