"""The Dagster graph: every asset, check, job, schedule and sensor, and how they depend on each other."""

from pathlib import Path

import pytest

from bank_assets.contract.names import STAGES
from bank_assets.definitions import build_defs
from bank_assets.settings import Settings


@pytest.fixture(scope="module")
def definitions():
    return build_defs(settings=Settings(home=Path("/nonexistent-home")))


@pytest.fixture(scope="module")
def graph(definitions):
    return definitions.resolve_asset_graph()


@pytest.fixture(scope="module")
def repository(definitions):
    return definitions.get_repository_def()


def keys(some):
    return sorted(key.to_user_string() for key in some)


def stated(**facts):
    """What there is to say: an absent or empty fact is left out."""
    return {name.replace("_", " "): value for name, value in facts.items() if value not in (None, [], {})}


def partitions(definition):
    return str(definition) if definition else None


def condition(node):
    """A condition by its labels; one without children by its name."""
    if node.get_label() or not node.children:
        return node.get_label() or node.name
    return {node.name: [condition(child) for child in node.children]}


def hours(policy):
    warn, fail = policy.warn_window.to_timedelta(), policy.fail_window.to_timedelta()
    return {"warn": warn.total_seconds() / 3600, "fail": fail.total_seconds() / 3600}


def asset(graph, key, spec):
    node = graph.get(key)
    return stated(
        after=keys(node.parent_keys),
        kinds=sorted(node.kinds),
        owners=list(node.owners),
        tags={name: value for name, value in node.tags.items() if not name.startswith("dagster/kind/")},
        partitions=partitions(node.partitions_def),
        backfill=node.backfill_policy and node.backfill_policy.policy_type.name,
        pools=sorted(node.pools or ()),
        code_version=spec.code_version,
        follows=spec.automation_condition and condition(spec.automation_condition),
        stale_after_hours=spec.freshness_policy and hours(spec.freshness_policy),
        checks={key.name: check(graph, key) for key in node.check_keys},
    )


def check(graph, key):
    spec = graph.get_check_spec(key)
    return stated(
        blocks=spec.blocking,
        partitions=partitions(graph.get(key).partitions_def),
        also_after=keys(dependency.asset_key for dependency in spec.additional_deps),
    )


def test_assets_and_their_checks(graph, repository, snapshot):
    specs = {spec.key: spec for one in repository.assets_defs_by_key.values() for spec in one.specs}
    groups = {stage: {} for stage in STAGES}
    for key in graph.materializable_asset_keys:
        groups[graph.get(key).group_name][key.to_user_string()] = asset(graph, key, specs[key])
    assert groups == snapshot


def test_jobs(definitions, snapshot):
    jobs = {
        job.name: stated(
            assets=keys(job.asset_layer.executable_asset_keys),
            partitions=partitions(job.partitions_def),
            tags=dict(job.tags),
            config=job.run_config,
        )
        for job in definitions.resolve_all_job_defs()
        if not job.name.startswith("__")
    }
    assert jobs == snapshot


def test_schedules(repository, snapshot):
    schedules = {
        one.name: stated(
            cron=one.cron_schedule,
            time_zone=one.execution_timezone,
            status=one.default_status.name,
            job=one.job_name,
            tags=dict(one.tags),
        )
        for one in repository.schedule_defs
    }
    assert schedules == snapshot


def test_sensors(graph, repository, snapshot):
    sensors = {
        one.name: stated(
            type=one.sensor_type.name,
            status=one.default_status.name,
            seconds_between_looks=one.minimum_interval_seconds,
            jobs=sorted(target.job_name for target in one.targets),
            assets=keys(one.asset_selection.resolve(graph)) if one.asset_selection else [],
            tags=dict(one.tags),
        )
        for one in repository.sensor_defs
    }
    assert sensors == snapshot
