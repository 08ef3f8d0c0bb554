"""Stage promotion: the alias moves, or a refusal with reasons; either way an append-only row.

The gates are in `core.promotion`.
"""

from collections.abc import Mapping
from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa

from bank_assets.assets.materialization import ML_OWNERS, Stopwatch, result, unchanged
from bank_assets.assets.report_pages import page_metadata
from bank_assets.assets.retraining_report import write_retraining_page
from bank_assets.core.economics import Economics
from bank_assets.core.promotion import FIRST, RECIPE, REFIT, Verdict, first_model_gate, recipe_gate, refit_gate
from bank_assets.core.refit_comparison import AgainstChampion
from bank_assets.core.scorer import apply_calibrator
from bank_assets.ledger import promotions
from bank_assets.resources.ledger import LedgerResource
from bank_assets.resources.store import RegistryResource, WarehouseResource
from bank_assets.settings import Settings
from bank_assets.store.champion_history import Reign
from bank_assets.store.registry import Registry
from bank_assets.store.warehouse import Warehouse, fingerprint

CODE_VERSION = "1"
TABLE, CHALLENGER = "champion_model", "challenger"


@dg.asset(
    name=TABLE,
    deps=[CHALLENGER, "champion_scores"],
    code_version=CODE_VERSION,
    kinds={"mlflow"},
    owners=ML_OWNERS,
)
def champion_model(
    context: dg.AssetExecutionContext,
    warehouse: WarehouseResource,
    ledger: LedgerResource,
    registry: RegistryResource,
    settings: dg.ResourceParam[Settings],
) -> dg.MaterializeResult:
    """The model in charge: moves the alias if the challenger passes its gate, else says why not.

    Reads: challenger with its out-of-time evidence, champion_scores. Writes: aliases, one promotions row and a page.
    Guarantees: no promotion without evidence; the version that steps down stays as `previous_champion`.
    Fails when: an alias does not read back. A refusal is an honest answer, not a failure.
    """
    watch, store = Stopwatch(), warehouse.open()
    basis = store.entry(CHALLENGER, "all")
    if basis is None:
        raise dg.Failure(
            "champion_model: expected a challenger, found none; materialize challenger first.", allow_retries=False
        )
    evidence = basis.metadata
    version = str(evidence["headline"]["version"])
    mark = fingerprint(inputs=[basis.digest, version], code_version=CODE_VERSION, settings={})
    entry = store.entry(TABLE, "all")
    if entry is not None and store.is_unchanged(TABLE, "all", mark):
        return unchanged(entry, watch, dict(entry.metadata))
    economics = Economics(settings.cost_eur, settings.value_eur)
    current = Reign.of(ledger.engine).current
    models = registry.open()
    verdict = judge(store, models, evidence, current, economics, settings)
    report = write_retraining_page(store, models, ledger.engine, settings, evidence, current, verdict, context.run.tags)
    if verdict.is_promoted:
        models.move_champion(version)
    # The row is written after the alias reads back: a row without a move would be a lie, and a move without a row is
    # found and completed by the next run, whose mark is not stored yet.
    if promotions.latest(ledger.engine) is None or not _is_recorded(ledger, version):
        promotions.record(
            ledger.engine,
            kind=verdict.kind,
            decision="promoted" if verdict.is_promoted else "refused",
            from_version=current,
            to_version=version,
            reasons=verdict.reasons,
            evidence={
                **plain(verdict.evidence),
                "fairness": evidence["fairness"],
                "digest": evidence["digest"],
                "run_id": evidence["run_id"],
                **report,
            },
            actor="pipeline",
            as_of=str(evidence["as_of"]),
        )
    champion = version if verdict.is_promoted else (current or "none")
    metadata = {
        "decision": "promoted" if verdict.is_promoted else "refused",
        "kind": verdict.kind,
        "champion": champion,
        "challenger": version,
        "reasons": list(verdict.reasons),
        "as_of": str(evidence["as_of"]),
        "alias_verified": champion,
        "effect": report["effect"],
    }
    context.log.info("%s %s: %s", metadata["decision"], version, "; ".join(verdict.reasons))
    table = pa.table({"champion": [champion], "challenger": [version], "decision": [metadata["decision"]]})
    entry = store.write(TABLE, "all", table, mark, metadata)
    return result(entry, watch, {**metadata, **page_metadata(settings, report["report"])})


def _is_recorded(ledger: LedgerResource, version: str) -> bool:
    return any(row.to_version == version and row.kind != "rollback" for row in promotions.history(ledger.engine))


def judge(
    store: Warehouse,
    models: Registry,
    evidence: Mapping[str, Any],
    current: str | None,
    economics: Economics,
    settings: Settings,
) -> Verdict:
    """Apply the gate that fits the challenger's kind."""
    kind = evidence["headline"]["kind"]
    version = str(evidence["headline"]["version"])
    rows = store.read(CHALLENGER, ["all"])
    columns = {name: rows.column(name).to_numpy(zero_copy_only=False) for name in rows.column_names}
    observed = columns["is_subscribed"].astype(bool)
    days = columns["contact_date"].astype("datetime64[D]")
    # A challenger of an earlier release carries no thresholds; changing the objective makes a new one that does.
    before, now = evidence.get("f1_thresholds") or (0.5, 0.5)
    if kind == FIRST or current is None:
        return first_model_gate(
            columns["proba"],
            columns["base_rate"],
            observed,
            days,
            economics,
            seed=settings.seed,
            objective=settings.objective,
            f1_threshold=now,
        )
    if kind == RECIPE:
        return recipe_gate(
            columns["proba"],
            columns["incumbent_proba"],
            observed,
            days,
            economics,
            seed=settings.seed,
            fairness=evidence["fairness"],
            objective=settings.objective,
            f1_thresholds=(before, now),
        )
    assert kind == REFIT, kind
    guard = evidence["guard"]
    calibrated = apply_calibrator(np.asarray(guard["raw"]), models.scorer(version).decision["calibrator"])
    against = evidence.get("against_champion")
    return refit_gate(
        calibrated,
        np.asarray(guard["observed"], bool),
        float(evidence["parity"]),
        against=AgainstChampion.from_dict(against) if against else None,
    )


def plain(value: Any) -> Any:
    """The same structure with Python numbers only."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value.item() if isinstance(value, np.generic) else value
