"""Report pages on disk: where they lie, under which address the web app shows them, and what goes into them.

What lives here: writing pages whole or not at all, their place in the metadata of a run.
What must not: words and charts (`bank_assets.reports`), statistics (`core`). Called by the drift and promotion assets.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import dagster as dg

from bank_assets.core.drift.profile import Profile
from bank_assets.core.drift.report import DriftReport
from bank_assets.reports.drift_page import SHOWN_PERIODS, drift_page
from bank_assets.settings import Settings
from bank_assets.sources.source import landed_source
from bank_assets.store.atomic_files import write_atomic

DRIFT_FOLDER: Final = "drift"
RETRAINING_FOLDER: Final = "retraining"


def drift_address(month: str) -> str:
    """Path of a month's drift page in the web app."""
    return f"/reports/{DRIFT_FOLDER}/{month}.html"


def retraining_address(version: str) -> str:
    """Path of a version's retraining page in the web app."""
    return f"/reports/{RETRAINING_FOLDER}/v{version}.html"


def page_metadata(settings: Settings, address: str) -> dict[str, Any]:
    """A page in the metadata of a run: its address in the web app, and its file.

    Args:
        settings: deployment.
        address: path in the web app.
    """
    path = settings.reports / address.removeprefix("/reports/")
    return {
        "page": address,
        "report": dg.MetadataValue.url(f"{settings.public_url.rstrip('/')}{address}"),
        "report_file": dg.MetadataValue.path(str(path)),
    }


def source_words(settings: Settings) -> str:
    """Where the data comes from, for people."""
    source = landed_source(settings.landing)
    if source is None:
        return "deliveries"
    return source.label if source.is_real else f"{source.label} (not the real file)"


def write_drift_files(
    settings: Settings,
    month: str,
    report: DriftReport,
    reference: Profile | None,
    current: Profile,
    importance: Mapping[str, float],
) -> None:
    """Write a month's drift report, for programs as JSON and for people as a page.

    Args:
        settings: deployment.
        month: `YYYY-MM`.
        report: the comparison.
        reference: the profile compared with.
        current: the profile of the month.
        importance: mean absolute contribution to the champion's probability by column; empty without a champion.
    """
    folder = settings.reports / DRIFT_FOLDER
    write_atomic(folder / f"{month}.json", json.dumps(report.to_dict(), indent=1).encode())
    past = earlier_reports(folder, month)
    page = drift_page(
        report,
        reference,
        current,
        history=[*past.values(), report],
        history_names=[*past, month],
        importance=importance,
        source=source_words(settings),
    )
    write_atomic(folder / f"{month}.html", page.encode())


def earlier_reports(folder: Path, month: str) -> dict[str, DriftReport]:
    """Reports of the months before one, oldest first, as many as a page shows."""
    names = sorted(path.stem for path in folder.glob("????-??.json") if path.stem < month)[-(SHOWN_PERIODS - 1) :]
    return {name: DriftReport.from_dict(json.loads((folder / f"{name}.json").read_bytes())) for name in names}
