"""Assets that follow their inputs: automation conditions, freshness policies, and the sensor that evaluates them.

`eager()` is not used: it requests once and never again after a failed run, and it waits for all upstream partitions.
Our condition requests a follower when an input changed in a run that did not make the follower itself, and again after
a failure. Jobs make followers in the same run, so the conditions matter only for what a person materializes in the UI.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

import dagster as dg

from bank_assets.jobs import TAG_LOOP
from bank_assets.settings import Settings

# Inputs by follower. `batch_scores` follows the state alone: the loop publishes the state after a promotion, so that
# following the champion too would score every campaign twice.
FOLLOWERS: Final[Mapping[str, tuple[str, ...]]] = {
    "drift_report": ("contact_profiles",),
    "performance_report": ("contact_scores",),
    "batch_scores": ("as_of_state",),
    "call_list": ("batch_scores",),
}

# Age that warns and age that fails: one missed night, two missed nights, an hour for the run itself.
FRESH: Final[Mapping[str, tuple[timedelta, timedelta]]] = {
    name: (timedelta(hours=25), timedelta(hours=49))
    for name in ("contacts", "performance_report", "as_of_state", "call_list")
}


# Delay before a failed downstream run is requested again. Without it, a full disk causes one run per sensor tick.
REPEAT: Final = "*/10 * * * *"


def follows(inputs: tuple[str, ...]) -> dg.AutomationCondition:
    """Condition of an asset that follows some of its inputs."""
    changed = dg.AutomationCondition.any_deps_updated().allow(dg.AssetSelection.assets(*inputs))
    requested_or_made = dg.AutomationCondition.newly_requested() | dg.AutomationCondition.newly_updated()
    failed = dg.AutomationCondition.execution_failed() & dg.AutomationCondition.cron_tick_passed(REPEAT)
    return (
        (changed.since(requested_or_made) | failed)
        & ~dg.AutomationCondition.in_progress()
        & ~dg.AutomationCondition.any_deps_in_progress()
    )


def with_policies(assets: list[dg.AssetsDefinition]) -> list[dg.AssetsDefinition]:
    """The same assets with their automation conditions and freshness policies."""
    return [asset.map_asset_specs(_with_policies) for asset in assets]


def _with_policies(spec: dg.AssetSpec) -> dg.AssetSpec:
    name = spec.key.to_user_string()
    changes: dict[str, Any] = {}
    if name in FOLLOWERS:
        changes["automation_condition"] = follows(FOLLOWERS[name])
    if name in FRESH:
        warn, fail = FRESH[name]
        changes["freshness_policy"] = dg.FreshnessPolicy.time_window(fail_window=fail, warn_window=warn)
    return spec.replace_attributes(**changes) if changes else spec


def follow_up_sensor(settings: Settings, status: dg.DefaultSensorStatus) -> dg.SensorDefinition:
    """The sensor that evaluates the conditions.

    Dagster's default sensor starts stopped, and its runs would not wait for the other jobs.
    """
    return dg.AutomationConditionSensorDefinition(
        "follow_up_sensor",
        target=dg.AssetSelection.assets(*FOLLOWERS),
        minimum_interval_seconds=settings.sensor_seconds,
        default_status=status,
        description="Updates reports and lists when their inputs were made without them.",
        tags={"bank/workflow": "follow-up"},
        run_tags={TAG_LOOP: "follow-up"},
    )
