"""Stage promotion: the challenger becomes the champion or is refused with reasons; the ledger records both cases."""

import json
from collections.abc import Mapping
from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa
from sqlalchemy import Engine

from bank_assets.assets.evaluation import CHALLENGER, CHAMPION_SCORES, challenger_in
from bank_assets.assets.materialization import ML_OWNERS, derive, identity
from bank_assets.assets.report_pages import cohort_on_record, page_metadata, write_retraining_page
from bank_assets.core.model.scorer import apply_calibrator
from bank_assets.core.promotion.gates import RECIPE, GateVerdict, judged, recipe_gate, refit_gate
from bank_assets.core.promotion.refit_guard import AgainstChampion
from bank_assets.ledger import promotions
from bank_assets.resources.ledger import LedgerResource
from bank_assets.settings import Settings
from bank_assets.store.champion_history import ChampionHistory
from bank_assets.store.derivations import ALL, DerivedTable, Made
from bank_assets.store.registry import Registry
from bank_assets.store.warehouse import Warehouse, arrays_of

CHAMPION = DerivedTable("champion_model", "2")


@dg.asset(**identity(CHAMPION), deps=[CHALLENGER.name, CHAMPION_SCORES.name], kinds={"mlflow"}, owners=ML_OWNERS)
def champion_model(
    context: dg.AssetExecutionContext,
    warehouse: dg.ResourceParam[Warehouse],
    ledger: LedgerResource,
    registry: dg.ResourceParam[Registry],
    settings: dg.ResourceParam[Settings],
) -> dg.MaterializeResult:
    """The model that decides: the alias moves if the challenger passes its gate, otherwise the reasons are recorded.

    Reads: challenger with its out-of-time evidence, champion_scores. Writes: aliases, one promotions row and a page.
    Guarantees: no promotion without evidence; the replaced version stays as `previous_champion`.
    Fails when: an alias does not read back. A refusal is a result, not a failure.
    """
    basis = challenger_in(warehouse)
    evidence, version = basis.metadata, str(basis.metadata["headline"]["version"])

    def work() -> Made:
        current = ChampionHistory.of(ledger.engine).current
        verdict = judge(warehouse, registry, evidence, settings)
        page = write_retraining_page(
            warehouse, registry, ledger.engine, settings, evidence, current, verdict, context.run.tags
        )
        if verdict.is_promoted:
            registry.move_champion(version)
        record(ledger.engine, verdict, evidence, current, page)
        context.log.info("%s %s: %s", _decision(verdict), version, "; ".join(verdict.reasons))
        return _made(verdict, evidence, version if verdict.is_promoted else (current or "none"), page, settings)

    return derive(CHAMPION.of(warehouse, inputs=[basis.digest, version]), work, dict)


def _made(
    verdict: GateVerdict, evidence: Mapping[str, Any], champion: str, page: Mapping[str, Any], settings: Settings
) -> Made:
    challenger = str(evidence["headline"]["version"])
    row = {"champion": champion, "challenger": challenger, "decision": _decision(verdict)}
    facts = {
        **row,
        "kind": verdict.kind,
        "reasons": list(verdict.reasons),
        "as_of": str(evidence["as_of"]),
        "alias_verified": champion,
        "effect": page["effect"],
    }
    return Made(pa.Table.from_pylist([row]), facts, page_metadata(settings, page["report"]))


def record(
    engine: Engine, verdict: GateVerdict, evidence: Mapping[str, Any], current: str | None, page: Mapping[str, Any]
) -> None:
    """Record a verdict once.

    We move the alias before writing the row. If the process dies in between, the next run detects the move and writes
    the missing row.
    """
    version = str(evidence["headline"]["version"])
    if any(row.kind != "rollback" for row in promotions.of_version(engine, version)):
        return
    promotions.record(
        engine,
        kind=verdict.kind,
        decision=_decision(verdict),
        from_version=current,
        to_version=version,
        reasons=verdict.reasons,
        evidence={
            **json.loads(json.dumps(verdict.evidence, default=np.generic.item)),
            "fairness": evidence["fairness"],
            "digest": evidence["digest"],
            "run_id": evidence["run_id"],
            **page,
        },
        actor="pipeline",
        as_of=str(evidence["as_of"]),
    )


def _decision(verdict: GateVerdict) -> str:
    return "promoted" if verdict.is_promoted else "refused"


def judge(store: Warehouse, models: Registry, evidence: Mapping[str, Any], settings: Settings) -> GateVerdict:
    """The verdict of the gate for the challenger's kind and of the guards that every fit has to pass."""
    kind, version = evidence["headline"]["kind"], str(evidence["headline"]["version"])
    first, gate = evidence.get("first_gate"), None
    if first is not None:
        gate = GateVerdict(first["kind"], first["is_promoted"], tuple(first["reasons"]), first["evidence"])
    if kind == RECIPE:
        columns = arrays_of(store.read(CHALLENGER.name, [ALL]))
        gate = recipe_gate(
            cohort_on_record(columns, settings),
            columns["proba"],
            columns["incumbent_proba"],
            fairness=evidence["fairness"],
            objective=settings.objective,
            # Challengers of earlier releases have none; a changed objective makes a new challenger, which has them.
            f1_thresholds=tuple(evidence.get("f1_thresholds") or (0.5, 0.5)),
        )
    guard, against = evidence["guard"], evidence.get("against_champion")
    guards = refit_gate(
        apply_calibrator(np.asarray(guard["raw"]), models.scorer(version).decision["calibrator"]),
        np.asarray(guard["observed"], bool),
        float(evidence["parity"]),
        weights=np.asarray(guard["weights"], np.float64) if "weights" in guard else None,
        against=AgainstChampion(**against) if against else None,
    )
    return judged(kind, gate, guards)
