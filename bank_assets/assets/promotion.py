"""Stage promotion: the challenger becomes the champion or is refused with reasons; the ledger records both cases."""

from collections.abc import Mapping
from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa
from sqlalchemy import Engine

from bank_assets.assets.evaluation import CHALLENGER, CHAMPION_SCORES, challenger_in
from bank_assets.assets.materialization import ML_OWNERS, derive, identity
from bank_assets.assets.report_pages import page_metadata
from bank_assets.assets.retraining_report import cohort_on_record, write_retraining_page
from bank_assets.core.model.scorer import apply_calibrator
from bank_assets.core.promotion.gates import RECIPE, GateVerdict, judged, recipe_gate, refit_gate
from bank_assets.core.promotion.refit_guard import AgainstChampion
from bank_assets.ledger import promotions
from bank_assets.resources.ledger import LedgerResource
from bank_assets.resources.store import RegistryResource, WarehouseResource
from bank_assets.settings import Settings
from bank_assets.store.champion_history import ChampionHistory
from bank_assets.store.derivations import ALL, DerivedTable, Made
from bank_assets.store.registry import Registry
from bank_assets.store.warehouse import Warehouse, arrays_of

CHAMPION = DerivedTable("champion_model", "2")


@dg.asset(**identity(CHAMPION), deps=[CHALLENGER.name, CHAMPION_SCORES.name], kinds={"mlflow"}, owners=ML_OWNERS)
def champion_model(
    context: dg.AssetExecutionContext,
    warehouse: WarehouseResource,
    ledger: LedgerResource,
    registry: RegistryResource,
    settings: dg.ResourceParam[Settings],
) -> dg.MaterializeResult:
    """The model in force: the alias moves if the challenger passes its gate, otherwise the reasons are recorded.

    Reads: challenger with its out-of-time evidence, champion_scores. Writes: aliases, one promotions row and a page.
    Guarantees: no promotion without evidence; the replaced version stays as `previous_champion`.
    Fails when: an alias does not read back. A refusal is a result, not a failure.
    """
    store = warehouse.open()
    basis = challenger_in(store)
    evidence, version = basis.metadata, str(basis.metadata["headline"]["version"])

    def work() -> Made:
        current = ChampionHistory.of(ledger.engine).current
        models = registry.open()
        verdict = judge(store, models, evidence, settings)
        page = write_retraining_page(
            store, models, ledger.engine, settings, evidence, current, verdict, context.run.tags
        )
        if verdict.is_promoted:
            models.move_champion(version)
        record(ledger.engine, verdict, evidence, current, page)
        in_force = version if verdict.is_promoted else (current or "none")
        row = {"champion": in_force, "challenger": version, "decision": _decision(verdict)}
        facts = {
            **row,
            "kind": verdict.kind,
            "reasons": list(verdict.reasons),
            "as_of": str(evidence["as_of"]),
            "alias_verified": in_force,
            "effect": page["effect"],
        }
        context.log.info("%s %s: %s", row["decision"], version, "; ".join(verdict.reasons))
        return Made(pa.Table.from_pylist([row]), facts, page_metadata(settings, page["report"]))

    return derive(CHAMPION.of(store, inputs=[basis.digest, version]), work, dict)


def record(
    engine: Engine, verdict: GateVerdict, evidence: Mapping[str, Any], current: str | None, page: Mapping[str, Any]
) -> None:
    """Record a verdict once.

    We move the alias before writing the row. If the process dies in between, the next run detects the move and writes
    the
    missing row.
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
            **plain(verdict.evidence),
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
        against=AgainstChampion(**against) if against else None,
    )
    return judged(kind, gate, guards)


def plain(value: Any) -> Any:
    """The same structure with Python numbers only."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value.item() if isinstance(value, np.generic) else value
