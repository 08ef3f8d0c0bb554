"""The Dagster definitions. Dagster loads `defs`; tests and commands call `build_defs` with their own settings."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from bank_assets.assets import load_stage_assets
from bank_assets.automation import with_policies
from bank_assets.checks import load_stage_checks
from bank_assets.executors import locked_in_process_executor
from bank_assets.jobs import all_jobs
from bank_assets.landing.contract_in_use import check_contract
from bank_assets.resources.deployment import deployment_resources
from bank_assets.schedules import all_schedules
from bank_assets.sensors import all_sensors
from bank_assets.settings import Settings, load_settings
from bank_assets.store.lake_of_home import check_lake


def build_defs(
    *, settings: Settings | None = None, resource_overrides: Mapping[str, Any] | None = None
) -> dg.Definitions:
    """Assemble the definitions of a deployment; `resource_overrides` replace resources by name.

    Raises:
        WarehouseError: the lake cannot be reached, or is not that of the home.
        ContractError: the contract contradicts what the home holds.
    """
    deployment = settings or load_settings()
    check_lake(deployment.warehouse, deployment.tables)
    check_contract(deployment.warehouse, deployment.contract)
    return dg.Definitions(
        assets=with_policies(load_stage_assets()),
        asset_checks=load_stage_checks(),
        jobs=list(all_jobs()),
        schedules=all_schedules(deployment),
        sensors=all_sensors(deployment),
        resources={**deployment_resources(deployment), **(resource_overrides or {})},
        executor=locked_in_process_executor,
    )


defs = build_defs()
