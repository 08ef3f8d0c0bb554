"""Report pages on disk: their folders, their addresses in the web app and their metadata in a run."""

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
    """Metadata of a run that links a page of the web app and its file."""
    path = settings.reports / address.removeprefix("/reports/")
    return {
        "page": address,
        "report": dg.MetadataValue.url(f"{settings.public_url.rstrip('/')}{address}"),
        "report_file": dg.MetadataValue.path(str(path)),
    }


def source_words(settings: Settings) -> str:
    """The source of the data, in words for people."""
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
    """Write a month's drift report as JSON and as a page.

    `importance` is the mean absolute contribution to the champion's probability by column, empty without a champion.
    """
    folder = settings.reports / DRIFT_FOLDER
    write_atomic(folder / f"{month}.json", json.dumps(report.to_dict(), indent=1).encode())
    past = earlier_reports(folder, month)
    page = drift_page(
        report,
        reference,
        current,
        history={**past, month: report},
        importance=importance,
        source=source_words(settings),
    )
    write_atomic(folder / f"{month}.html", page.encode())


def earlier_reports(folder: Path, month: str) -> dict[str, DriftReport]:
    """Reports of the preceding months, oldest first, as many as a page shows."""
    names = sorted(path.stem for path in folder.glob("????-??.json") if path.stem < month)[-(SHOWN_PERIODS - 1) :]
    return {name: DriftReport.from_dict(json.loads((folder / f"{name}.json").read_bytes())) for name in names}
