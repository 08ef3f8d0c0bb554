"""Old and new model on the same contacts, and the page about it: what the promotion asset leaves for people.

What lives here: choosing the contacts to compare on, the story of a retraining, writing its page.
What must not: the verdict (`core.promotion.gates`), moving aliases, words and charts (`reports.retraining_page`).
Called by the promotion asset, before the alias moves: a full disk then stops a promotion that nobody could read about.
"""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine

from bank_assets.assets.report_pages import DRIFT_FOLDER, retraining_address, source_words
from bank_assets.core.arrays import rows_at
from bank_assets.core.economics.economics import Economics
from bank_assets.core.promotion.gates import RECIPE, GateVerdict
from bank_assets.core.quality.comparison import ModelComparison, compare_models
from bank_assets.ledger import responses
from bank_assets.reports.retraining_page import Retraining, retraining_page, why_sentences
from bank_assets.settings import Settings
from bank_assets.store.atomic_files import write_atomic
from bank_assets.store.registry import Registry
from bank_assets.store.warehouse import Warehouse, arrays_of

CHALLENGER, SCORES = "challenger", "contact_scores"
TAG_REASON = "bank/reason"
FIT_ACTIONS = ("retrain", "search")


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
    """Compare, write the page, and say what belongs into the record.

    Args:
        store: tables.
        models: registry, for the recipe of the champion.
        engine: ledger, for why the fit was asked for.
        settings: deployment.
        evidence: metadata of the challenger.
        current: champion in force, or None.
        verdict: of the gate.
        tags: of the run.

    Returns:
        Evidence for the promotions row: `comparison`, `effect` and `report`.
    """
    economics = settings.economics
    version, as_of = str(evidence["headline"]["version"]), str(evidence["as_of"])
    # A run that died after its verdict is judged again with the new version in force already.
    current = evidence["from_version"] if current == version else current
    comparison, basis = comparison_of(store, verdict.kind, current, economics, settings.seed)
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
    address = retraining_address(version)
    path = settings.reports / address.removeprefix("/reports/")
    write_atomic(path, retraining_page(retraining, comparison, economics).encode())
    return {
        "comparison": comparison.to_dict(),
        "effect": comparison.effect(retraining.compared_with),
        "report": address,
    }


def comparison_of(
    store: Warehouse, kind: str, current: str | None, economics: Economics, seed: int
) -> tuple[ModelComparison, str]:
    """Old and new on contacts that neither had learned from, and how that was made sure, for people.

    Args:
        store: tables.
        kind: which gate judged.
        current: champion in force, or None.
        economics: cost and value.
        seed: of the bootstraps.
    """
    column = arrays_of(store.read(CHALLENGER, ["all"]))
    observed, days = column["is_subscribed"].astype(bool), column["contact_date"].astype("datetime64[D]")
    now = column["proba"]
    if current is None:
        before = column["base_rate"]
        basis = (
            "There was no model. In its place stands the subscription rate of the 30 days before each contact, the "
            "same for everybody."
        )
    elif kind == RECIPE:
        before = column["incumbent_proba"]
        basis = "Both recipes were fitted on what was known before each of these contacts: neither had seen them."
    else:
        before = answered(store, column["contact_id"], days, current)
        basis = (
            "The old model's figures are what it answered on the day of each contact, recalibrated as on that day. "
            "The new one's come from fits of the same recipe before each contact. Neither had seen these contacts."
        )
    known = ~np.isnan(before) & ~np.isnan(now)
    column, economics = rows_at(column, known), economics.on_record(column)
    found = compare_models(before[known], now[known], observed[known], days[known], economics, column, seed=seed)
    if not found.is_enough:
        basis = (
            f"Only {found.rows} contacts with a known outcome have been decided by version {current} and are outside "
            "of what the new fit was tested on before: too few to compare."
            if current
            else f"Only {found.rows} contacts have a known outcome: too few to compare."
        )
    return found, basis


def answered(
    store: Warehouse, contact_ids: NDArray[Any], contact_dates: NDArray[np.datetime64], version: str
) -> NDArray[np.float64]:
    """What a version answered for contacts that it decided on, (n,); NaN for the others.

    Args:
        store: tables; only the months of the contacts are read.
        contact_ids: the contacts, (n,).
        contact_dates: day of each, (n,).
        version: of the model.
    """
    requested = set(np.datetime_as_string(np.unique(contact_dates.astype("datetime64[M]"))).tolist())
    months = [month for month, entry in store.manifest(SCORES).items() if entry.rows and month in requested]
    if not months:
        return np.full(len(contact_ids), np.nan)
    table = store.read(SCORES, months, ["contact_id", "model_version", "proba"])
    names = table.column("contact_id").to_numpy(zero_copy_only=False)
    mine = table.column("model_version").to_numpy(zero_copy_only=False) == version
    known = dict(zip(names[mine], table.column("proba").to_numpy()[mine], strict=True))
    return np.array([known.get(name, np.nan) for name in contact_ids], dtype=np.float64)


def reasons_for(engine: Engine, as_of: str, tags: Mapping[str, str]) -> tuple[str, ...]:
    """Why the fit was asked for: the loop's own reasons of that day, else those of the run."""
    for row in responses.history(engine, limit=50):
        if row.as_of == as_of and row.action in FIT_ACTIONS:
            return why_sentences(row.reasons)
    return why_sentences([tags[TAG_REASON]]) if tags.get(TAG_REASON) else ()


def drift_page_name(settings: Settings, as_of: str) -> str:
    """File name of the newest drift page up to a day, or ""."""
    pages = [path.name for path in (settings.reports / DRIFT_FOLDER).glob("????-??.html") if path.stem <= as_of[:7]]
    return max(pages, default="")
