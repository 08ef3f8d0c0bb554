"""Report pages on disk, their addresses in the web app and their metadata in a run.

The drift page compares a month with the reference, the retraining page the old and the new model on the same contacts.
The promotion asset writes the latter before the alias moves, so that a full disk stops a promotion that has no page.
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import dagster as dg
import numpy as np
from sqlalchemy import Engine

from bank_assets.core.arrays import Rows, rows_at
from bank_assets.core.drift.profile import Profile
from bank_assets.core.drift.report import DriftReport
from bank_assets.core.features.contacts import WEIGHT
from bank_assets.core.promotion.gates import RECIPE, GateVerdict
from bank_assets.core.quality.comparison import ModelComparison, compare_models
from bank_assets.core.quality.objective import Cohort
from bank_assets.core.quality.off_policy import PolicyValue
from bank_assets.core.quality.performance import comparable, everyone_between
from bank_assets.ledger import responses
from bank_assets.reports.drift_page import SHOWN_PERIODS, drift_page
from bank_assets.reports.retraining_page import Retraining, retraining_page, why_sentences
from bank_assets.settings import Settings
from bank_assets.sources.source import landed_source
from bank_assets.store.atomic_files import write_atomic
from bank_assets.store.contact_store import ContactStore, stored_scores
from bank_assets.store.home_json import UNREADABLE
from bank_assets.store.lineage import passed_months
from bank_assets.store.registry import Registry
from bank_assets.store.warehouse import Warehouse, arrays_of

DRIFT_FOLDER: Final = "drift"
CHALLENGER = "challenger"
TAG_REASON = "bank/reason"
FIT_ACTIONS = ("retrain", "search")
NO_MODEL = (
    "There was no model. It is represented by the subscription rate of the 30 days before each contact, the same for "
    "everybody."
)
BOTH_FITTED = "Both recipes were fitted on what was known before each of these contacts: neither had seen them."
AS_ANSWERED = (
    "The old model's figures are what it answered on the day of each contact, recalibrated as on that day. The new "
    "one's come from fits of the same recipe before each contact. Neither had seen these contacts."
)

_log = logging.getLogger(__name__)


def page_path(settings: Settings, address: str) -> Path:
    """The file of a page, given its address in the web app."""
    return settings.reports / address.removeprefix("/reports/")


def page_metadata(settings: Settings, address: str) -> dict[str, Any]:
    """Metadata of a run that links a page of the web app and its file."""
    return {
        "page": address,
        "report": dg.MetadataValue.url(f"{settings.public_url.rstrip('/')}{address}"),
        "report_file": dg.MetadataValue.path(str(page_path(settings, address))),
    }


def source_words(settings: Settings) -> str:
    """The source of the data, in words for people."""
    source = landed_source(settings.landing)
    return source.label if source else "deliveries"


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


def remove_drift_files(settings: Settings, month: str) -> None:
    """Remove the drift report of a month that has none any more."""
    for path in (settings.reports / DRIFT_FOLDER).glob(f"{month}.*"):
        path.unlink(missing_ok=True)


def earlier_reports(folder: Path, month: str) -> dict[str, DriftReport]:
    """Reports of the preceding months, oldest first, as many as a page shows; an unreadable one is left out."""
    names = sorted(path.stem for path in folder.glob("????-??.json") if path.stem < month)[-(SHOWN_PERIODS - 1) :]
    found = {}
    for name in names:
        try:
            found[name] = DriftReport.from_dict(json.loads((folder / f"{name}.json").read_bytes()))
        except (OSError, *UNREADABLE) as error:
            _log.warning("drift report of %s left out of the page of %s: %s", name, month, error)
    return found


def write_retraining_page(
    store: Warehouse,
    models: Registry,
    engine: Engine,
    settings: Settings,
    evidence: Mapping[str, Any],
    current: str | None,
    verdict: GateVerdict,
    tags: Mapping[str, str],
) -> dict[str, Any]:
    """Compare both models, write the page and return `comparison`, `effect` and `report` for the promotions row."""
    economics = settings.economics
    version, as_of = str(evidence["headline"]["version"]), str(evidence["as_of"])
    # If a run died after its verdict, the new version is already the champion when the verdict is repeated.
    current = evidence["from_version"] if current == version else current
    comparison, basis = comparison_of(store, verdict.kind, current, settings)
    comparison = replace(comparison, everyone=everyone_of(store, comparison, as_of, settings))
    recipe = json.loads(models.bundle(current)["decision.json"])["recipe"] if current else {}
    retraining = Retraining(
        kind=verdict.kind,
        is_promoted=verdict.is_promoted,
        as_of=as_of,
        old_name=f"version {current}" if current else "no model",
        old_recipe="/".join(str(recipe[part]) for part in ("algorithm", "sampler") if part in recipe),
        new_name=f"version {version}",
        new_recipe=str(evidence["headline"]["recipe"]),
        requested_because=reasons_for(engine, as_of, tags),
        basis=basis,
        gate_reasons=why_sentences(verdict.reasons),
        source=source_words(settings),
        drift_page=drift_page_name(settings, as_of),
        objective=settings.objective,
    )
    address = f"/reports/retraining/v{version}.html"
    write_atomic(page_path(settings, address), retraining_page(retraining, comparison, economics).encode())
    return {
        "comparison": comparison.to_dict(),
        "effect": comparison.effect(retraining.compared_with),
        "report": address,
    }


def comparison_of(store: Warehouse, kind: str, current: str | None, settings: Settings) -> tuple[ModelComparison, str]:
    """Compare the old and the new model on contacts that neither learned from; the text says how this was ensured."""
    column = arrays_of(store.read(CHALLENGER, ["all"]))
    if current is None:
        before, basis = column["base_rate"], NO_MODEL
    elif kind == RECIPE:
        before, basis = column["incumbent_proba"], BOTH_FITTED
    else:
        before, basis = stored_scores(store, column["contact_id"], version=current), AS_ANSWERED
    known = ~np.isnan(before) & ~np.isnan(column["proba"])
    before, column = before[known], rows_at(column, known)
    found = compare_models(cohort_on_record(column, settings), before, column["proba"])
    if not found.is_enough:
        basis = (
            f"Only {found.rows} contacts with a known outcome have been decided by version {current} and are outside "
            "of what the new fit was tested on before: too few to compare."
            if current
            else f"Only {found.rows} contacts have a known outcome: too few to compare."
        )
    return found, basis


def everyone_of(store: Warehouse, compared: ModelComparison, as_of: str, settings: Settings) -> PolicyValue | None:
    """What calling everyone on the lists of the compared days would have earned; None where every outcome is known."""
    if compared.effective_rows is None or not compared.rows:
        return None
    stored, economics = ContactStore(store, settings.contract, settings.feedback), settings.economics
    day, (first, last) = np.datetime64(as_of, "D"), np.array([compared.first_day, compared.last_day], "datetime64[D]")
    scored = stored.evidence(passed_months(store), "proba", day, columns=economics.columns).scored
    return everyone_between(comparable(scored, day), first, last, day, economics)


def cohort_on_record(columns: Rows, settings: Settings) -> Cohort:
    """The challenger's out-of-time cohort with its own economics, from the columns of the table `challenger`."""
    dates = columns["contact_date"].astype("datetime64[D]")
    economics = settings.economics.on_record(columns)
    observed = columns["is_subscribed"].astype(bool)
    return Cohort(observed, dates, economics, columns, settings.seed, columns.get(WEIGHT))


def reasons_for(engine: Engine, as_of: str, tags: Mapping[str, str]) -> tuple[str, ...]:
    """Why the fit was requested: the response recorded for that day, otherwise the reason in the run's tags."""
    for row in responses.history(engine, limit=50):
        if row.as_of == as_of and row.action in FIT_ACTIONS:
            return why_sentences(row.reasons)
    return why_sentences([tags[TAG_REASON]]) if tags.get(TAG_REASON) else ()


def drift_page_name(settings: Settings, as_of: str) -> str:
    """File name of the newest drift page up to a day, or ""."""
    pages = [path.name for path in (settings.reports / DRIFT_FOLDER).glob("????-??.html") if path.stem <= as_of[:7]]
    return max(pages, default="")
