"""What simply follows its inputs: automation conditions, freshness policies, and the sensor that evaluates them.

What lives here: which asset follows and how old it may be. What must not: drift and decay (the response policy decides
those), deliveries (a sensor sees them before Dagster does). Called by `bank_assets.definitions` and `sensors`.

`eager()` is not used: it asks once and never again after a failed run, and it waits for all upstream partitions. The
condition here asks when an input changed in a run that did not make the follower itself, and asks again after a
failure. Jobs make followers in the same run, so in daily work nothing is asked twice; the conditions are for what a
person materializes alone in the UI.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

import dagster as dg

from bank_assets.jobs import TAG_LOOP
from bank_assets.settings import Settings

FOLLOWERS: Final[Mapping[str, tuple[str, ...]]] = {
    "drift_report": ("contact_profiles",),
    "performance_report": ("contact_scores",),
    "batch_scores": ("as_of_state",),
    "call_list": ("batch_scores",),
}
"""Follower and the inputs that it follows. `batch_scores` follows the state alone: after a promotion the loop publishes
the state, and following the champion too would score every campaign twice."""

FRESH: Final[Mapping[str, tuple[timedelta, timedelta]]] = {
    "contacts": (timedelta(hours=25), timedelta(hours=49)),
    "performance_report": (timedelta(hours=25), timedelta(hours=49)),
    "as_of_state": (timedelta(hours=25), timedelta(hours=49)),
    "call_list": (timedelta(hours=25), timedelta(hours=49)),
}
"""Age that warns and age that fails: one missed night, two missed nights, an hour for the run itself."""


REPEAT: Final = "*/10 * * * *"
"""A follower whose run failed is asked for again this often: at once would be a run a tick while the disk is full."""


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

    Why a sensor of our own: the default one starts stopped, and its runs would not wait for the other jobs.
    """
    return dg.AutomationConditionSensorDefinition(
        "follow_up_sensor",
        target=dg.AssetSelection.assets(*FOLLOWERS),
        minimum_interval_seconds=settings.sensor_seconds,
        default_status=status,
        description="Makes reports and lists again when what they are made from was made without them.",
        tags={"bank/workflow": "follow-up"},
        run_tags={TAG_LOOP: "follow-up"},
    )
