"""Checks of stage promotion."""

import dagster as dg

from bank_assets.checks import hint, result
from bank_assets.contract.names import ALIAS_CHAMPION
from bank_assets.resources.ledger import LedgerResource
from bank_assets.store.champion_history import ChampionHistory
from bank_assets.store.registry import Registry
from bank_assets.store.warehouse import Warehouse

TABLE = "champion_model"


@dg.asset_check(asset=TABLE, blocking=True)
def champion_alias_reads_back(
    warehouse: dg.ResourceParam[Warehouse], ledger: LedgerResource, registry: dg.ResourceParam[Registry]
) -> dg.AssetCheckResult:
    """The registry's alias is the champion of the record.

    It asks the registry only after a run that decided something, because the client takes seconds to import.
    """
    recorded = ChampionHistory.of(ledger.engine).current
    entry = warehouse.entry(TABLE, "all")
    if entry is not None and entry.metadata.get("alias_verified") == recorded:
        return result(True, champion=recorded or "none", reads_registry=False)
    found = registry.by_alias(ALIAS_CHAMPION)
    alias = found.version if found else None
    return result(alias == recorded, recorded=recorded or "none", alias=alias or "none", reads_registry=True)


@dg.asset_check(asset=TABLE)
def champion_treats_groups_within_limits(warehouse: dg.ResourceParam[Warehouse]) -> dg.AssetCheckResult:
    """Selection, hit rate, calibration and profit by protected group stay within the fairness policy."""
    entry = warehouse.entry("challenger", "all")
    fairness = entry.metadata["fairness"] if entry else {}
    rows = [row for row in fairness.get("findings", []) if row["is_exceeded"]]
    exceeded = [f"{row['column']} {row['group']}: {row['measure']}" for row in rows]
    status = str(fairness.get("status", "not measured"))
    return hint(not exceeded, exceeded=exceeded, count=len(exceeded), status=status)
