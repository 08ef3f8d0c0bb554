"""Followers are requested once, and again after a failure; assets that need one have a freshness policy."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from bank_assets.automation import FOLLOWERS, FRESH, follows
from bank_assets.definitions import build_defs
from bank_assets.settings import Settings


@pytest.fixture(scope="module")
def graph():
    return build_defs(settings=Settings(home=Path("/nonexistent-home"))).resolve_asset_graph()


def test_followers_are_assets_that_depend_on_what_they_follow(graph):
    for follower, inputs in FOLLOWERS.items():
        node = graph.get(dg.AssetKey(follower))
        assert {dg.AssetKey(name) for name in inputs} <= set(node.parent_keys)


def test_only_followers_have_conditions(graph):
    conditioned = {
        key.to_user_string() for key in graph.materializable_asset_keys if graph.get(key).automation_condition
    }
    assert conditioned == set(FOLLOWERS)


def test_assets_that_need_one_have_a_freshness_policy(graph):
    assert set(FRESH) == {"contacts", "performance_report", "as_of_state", "call_list"}
    for key in graph.materializable_asset_keys:
        policy = graph.get(key).freshness_policy_or_from_metadata
        assert (policy is not None) == (key.to_user_string() in FRESH), key
        if policy is not None:
            assert policy.warn_window.to_timedelta() < policy.fail_window.to_timedelta()


@pytest.fixture
def follower():
    """A scored table and its report, as in the real graph, and a daemon's look at the condition."""
    fails = {"report": False}

    @dg.asset
    def scores(): ...

    @dg.asset
    def other(): ...

    @dg.asset(deps=[scores, other], automation_condition=follows(("scores",)))
    def report():
        if fails["report"]:
            raise RuntimeError("as asked")

    defs = dg.Definitions(assets=[scores, other, report])
    instance = dg.DagsterInstance.ephemeral()
    cursors = [None]

    def look(minutes=0):
        at = datetime(2026, 3, 1, 12, 1, tzinfo=UTC) + timedelta(minutes=minutes)
        found = dg.evaluate_automation_conditions(defs, instance=instance, cursor=cursors[-1], evaluation_time=at)
        cursors.append(found.cursor)
        return found.total_requested

    def make(*names):
        job = defs.resolve_implicit_global_asset_job_def()
        keys = [dg.AssetKey(name) for name in names]
        return job.execute_in_process(instance=instance, asset_selection=keys, raise_on_error=False)

    return look, make, fails


def test_a_follower_is_requested_when_its_input_was_made_alone(follower):
    look, make, _ = follower
    assert look() == 0
    make("scores")
    assert look() == 1
    make("report")
    assert look() == 0


def test_a_run_that_makes_both_requests_nothing(follower):
    look, make, _ = follower
    look()
    make("scores", "other", "report")
    assert look() == 0


def test_an_input_that_it_does_not_follow_requests_nothing(follower):
    look, make, _ = follower
    look()
    make("scores", "other", "report")
    look()
    make("other")
    assert look() == 0


def test_a_follower_whose_run_failed_is_requested_again_but_not_at_once(follower):
    look, make, fails = follower
    look()
    make("scores")
    assert look(1) == 1
    fails["report"] = True
    make("report")
    assert look(2) == 0
    assert look(3) == 0
    assert look(11) == 1
    fails["report"] = False
    make("report")
    assert look(12) == 0
    assert look(31) == 0
