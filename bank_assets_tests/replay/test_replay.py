"""The replay: no look ahead, every policy, interruption, and unusable histories."""

import numpy as np
import pytest

from bank_assets.core.economics.economics import Economics, EconomicsError
from bank_assets.core.economics.exploration import LearningBudget
from bank_assets.replay.figures import policy_result
from bank_assets.replay.replay import POLICIES, make_policy, walk
from bank_assets.replay.world import ReplayError, World, step_starts
from bank_assets_tests.replay.histories import DAY, figures, replayed, settings
from bank_assets_tests.world.contacts import FIRST, made_contacts

pytestmark = pytest.mark.slow

LEARN_OTHERWISE = ("all_outcomes", "no_exploration", "platform")


class TestPolicies:
    def test_the_bounds(self, contacts):
        everyone, no_one, oracle = (figures(contacts, name) for name in ("contact_all", "contact_none", "oracle"))
        decided = contacts.contact_dates >= FIRST + 30 * DAY
        yes = int(contacts.is_subscribed[decided].sum())
        assert everyone["contacts_called"] == 50 * 20
        assert everyone["profit_eur"] == 40.0 * yes - 5.0 * 1000
        assert no_one["profit_eur"] == no_one["contacts_called"] == 0
        assert oracle["profit_eur"] == 35.0 * yes
        assert oracle["share_of_oracle"] == 1.0
        assert everyone["roc_auc"] is None

    def test_all_names_are_made_and_another_is_refused(self):
        for name in POLICIES:
            assert make_policy(name, settings()).name == name
        with pytest.raises(ReplayError, match="contact_everybody"):
            make_policy("contact_everybody", settings())

    def test_the_platform_responds_to_a_jump_and_earns_more_than_a_model_never_retrained(self, contacts):
        platform, never = figures(contacts, "platform"), figures(contacts, "never")
        assert platform["profit_eur"] > never["profit_eur"]
        assert platform["trainings"] >= 2
        assert platform["recalibrations"] >= 2
        assert platform["alerts"] >= 1
        assert (never["trainings"], never["recalibrations"]) == (1, 0)

    def test_schedules(self, contacts):
        assert figures(contacts, "weekly")["trainings"] == 8
        assert figures(contacts, "monthly")["trainings"] == 3
        assert figures(contacts, "drift_only")["trainings"] >= 2

    def test_drift_only_is_quiet_without_drift(self):
        assert figures(made_contacts(80, 40), "drift_only")["trainings"] == 1

    def test_f1_calls_by_another_threshold_on_the_same_probabilities(self, contacts):
        _, _, by_profit = replayed(contacts, "platform")
        _, _, by_f1 = replayed(contacts, "f1_threshold")
        np.testing.assert_array_equal(by_profit.proba, by_f1.proba)
        assert (by_profit.called != by_f1.called).any()

    def test_monthly_figures_add_up(self, contacts):
        world, policy, trace = replayed(contacts, "platform")
        result = policy_result("platform", world, trace, policy.counts, 0.0)
        for name in ("profit_eur", "contacts_called", "subscriptions"):
            assert sum(month[name] for month in result["months"]) == pytest.approx(result[name])

    def test_every_probability_has_a_range_around_it(self, contacts):
        world, _, trace = replayed(contacts, "platform")
        decided = world.is_decided
        assert (trace.low[decided] <= trace.proba[decided]).all()
        assert (trace.proba[decided] <= trace.high[decided]).all()


class TestInterruption:
    @pytest.mark.parametrize("feedback", ["full", "called"])
    @pytest.mark.parametrize("name", ["platform", "drift_only", "contact_all"])
    def test_going_on_from_a_snapshot_is_the_same_as_never_stopping(self, contacts, name, feedback):
        _, whole_policy, whole = replayed(contacts, name, feedback=feedback)
        stop = FIRST + 55 * DAY
        _, half, trace = replayed(contacts, name, until=stop, feedback=feedback)
        world = World(contacts, settings(feedback=feedback))
        policy = make_policy(name, world.settings)
        policy.restore(half.snapshot(), world)
        world.resume(trace.weight, stop)
        for _ in walk(policy, world, trace, after=stop):
            pass
        np.testing.assert_array_equal(trace.called, whole.called)
        np.testing.assert_array_equal(trace.proba, whole.proba)
        assert policy.counts == whole_policy.counts


class TestSteps:
    def test_step_starts(self):
        days = np.asarray(["2020-01-01", "2020-01-05", "2020-01-06", "2020-02-29"], "datetime64[D]")
        assert step_starts(days, "week").astype(str).tolist() == [
            "2019-12-30",
            "2019-12-30",
            "2020-01-06",
            "2020-02-24",
        ]
        assert step_starts(days, "month").astype(str).tolist() == [*["2020-01-01"] * 3, "2020-02-01"]

    def test_a_weekly_step_uses_rates_of_its_first_day(self, contacts):
        world = World(contacts, settings(step="week"))
        rows = world.rows_of(world.days[2])
        assert len(rows) == 7 * 20
        rates = world.features_of(rows, world.days[2])["subscription_rate_7d"]
        assert len(np.unique(rates)) == 1

    @pytest.mark.parametrize("step", ["week", "month"])
    def test_coarse_steps_decide_every_contact(self, contacts, step):
        assert figures(contacts, "platform", step=step)["contacts_called"] > 0


class TestCalledFeedback:
    LEARNING = LearningBudget(share=0.1, minimum=3)

    def test_only_called_contacts_are_learned_with_inverse_propensity(self, contacts):
        world, _, trace = replayed(contacts, "platform", feedback="called", learning=self.LEARNING)
        decided = world.is_decided
        np.testing.assert_array_equal(trace.called, trace.weight > 0.0)
        chosen = trace.called & ~trace.explored & decided
        assert set(trace.weight[chosen]) == {1.0}
        for day in world.days:
            others = (world.dates == day) & ~chosen
            explored = trace.explored & others
            assert explored.sum() == min(3, others.sum()), "a sample of fixed size"
            assert trace.weight[explored].sum() == pytest.approx(others.sum() if explored.any() else 0.0)
        learned = world.known(FIRST + 200 * DAY)
        np.testing.assert_array_equal(learned[decided], trace.called[decided])
        assert learned[~decided].all()

    def test_a_bank_that_starts_with_nothing_calls_everybody_until_a_first_model_stands(self, contacts):
        world, policy, trace = replayed(contacts, "platform", feedback="called", first_day=FIRST)
        assert world.is_decided.all()
        alone = np.isnan(trace.unshifted)
        assert 8 * 20 <= alone.sum() < len(world)
        assert trace.called[alone].all()
        assert set(trace.weight[alone]) == {1.0}
        assert not trace.explored[~alone].all()
        assert policy.counts.trainings > 0

    def test_figures_of_exploration(self, contacts):
        world, policy, trace = replayed(contacts, "platform", feedback="called", learning=self.LEARNING)
        result = policy_result("platform", world, trace, policy.counts, 0.0)
        assert 0 < result["explored_calls"] < result["contacts_called"]
        assert result["exploration_cost_eur"] == 5.0 * result["explored_calls"]
        yes = int(world.outcomes_for_the_judge[trace.explored].sum())
        assert result["exploration_profit_eur"] == 40.0 * yes - result["exploration_cost_eur"]

    def test_held_out_contacts_stand_behind_those_called(self, contacts):
        world, _, trace = replayed(contacts, "platform", feedback="called", holdout_share=0.5)
        assert set(trace.weight[trace.called & ~trace.explored & world.is_decided]) == {2.0}

    def test_policies_that_learn_otherwise_whatever_the_others_do(self, contacts):
        full, alone, called = (replayed(contacts, name, feedback="called")[2] for name in LEARN_OTHERWISE)
        np.testing.assert_array_equal(full.called, replayed(contacts, "platform")[2].called)
        assert not alone.explored.any()
        assert called.explored.any()

    def test_rates_come_from_learned_outcomes(self, contacts):
        full, _, _ = replayed(contacts, "platform")
        called, _, _ = replayed(contacts, "platform", feedback="called", learning=self.LEARNING)
        as_of = FIRST + 44 * DAY
        rates = [world.features_of(world.rows_of(as_of), as_of)["subscription_rate_7d"][0] for world in (full, called)]
        assert rates[0] != rates[1]


class TestBadHistories:
    def test_a_gap_of_two_months(self):
        days = np.concatenate([np.repeat(np.arange(45), 20), np.repeat(np.arange(106, 130), 20)])
        result = figures(made_contacts(seed=1, days=days), "platform")
        assert result["profit_eur"] > 0
        assert {month["month"] for month in result["months"]} == {"2020-01", "2020-02", "2020-04", "2020-05"}

    def test_a_day_of_one_contact(self):
        days = np.concatenate([np.repeat(np.arange(40), 20), [40], np.repeat(np.arange(41, 50), 20)])
        world, _, trace = replayed(made_contacts(seed=2, days=days), "platform")
        row = int(world.rows_of(FIRST + 40 * DAY)[0])
        assert 0.0 < trace.proba[row] < 1.0

    def no_outcomes(self, contacts, mask):
        known = contacts.known_on.copy()
        known[mask] = np.datetime64("NaT", "D")
        return type(contacts)(
            contacts.contact_ids,
            contacts.frame,
            contacts.contact_dates,
            known,
            contacts.is_subscribed & ~mask,
            contacts.contract,
        )

    @pytest.mark.parametrize("name", ["platform", "weekly", "f1_threshold", "drift_only"])
    def test_a_period_without_outcomes_is_still_decided(self, contacts, name):
        silent = (contacts.contact_dates >= FIRST + 40 * DAY) & (contacts.contact_dates < FIRST + 70 * DAY)
        world, policy, trace = replayed(self.no_outcomes(contacts, silent), name)
        assert np.isfinite(trace.proba[world.is_decided]).all()
        result = policy_result(name, world, trace, policy.counts, 0.0)
        assert sum(month["outcomes"] for month in result["months"]) == 20 * 20

    @pytest.mark.parametrize("name", ["platform", "weekly", "hindsight"])
    def test_no_outcome_at_all_leaves_the_trailing_rate_and_no_training(self, contacts, name):
        nothing = self.no_outcomes(contacts, np.ones(len(contacts), bool))
        result = figures(nothing, name)
        assert result["trainings"] == 0
        assert result["share_of_oracle"] is None
        assert result["f1"] is None

    def test_late_outcomes_are_used_when_they_are_known(self, contacts):
        late = type(contacts)(
            contacts.contact_ids,
            contacts.frame,
            contacts.contact_dates,
            contacts.known_on + 20 * DAY,
            contacts.is_subscribed,
            contacts.contract,
        )
        world = World(late, settings())
        as_of = FIRST + 45 * DAY
        assert world.dates[world.known(as_of)].max() == FIRST + 24 * DAY

    def test_no_contact_in_the_requested_days(self, contacts):
        with pytest.raises(ReplayError, match="choose other days"):
            World(contacts, settings(first_day=FIRST + 900 * DAY))

    @pytest.mark.parametrize(
        "wrong",
        [
            {"outcome_delay_days": 0},
            {"outcome_delay_days": 1_000},
            {"step": "hour"},
            {"feedback": "guessed"},
            {"last_day": FIRST},
        ],
    )
    def test_settings_that_make_no_sense(self, wrong):
        with pytest.raises(ReplayError, match="expected"):
            settings(**wrong)

    @pytest.mark.parametrize("value", [0.0, -5.0, float("nan"), 1e12, None])
    def test_economics_that_make_no_sense(self, value):
        with pytest.raises(EconomicsError, match="expected"):
            settings(economics=Economics.constant(5.0, value))

    def test_a_value_below_the_cost_calls_no_one_and_the_oracle_neither(self, contacts):
        poor = Economics.constant(5.0, 4.0)
        assert figures(contacts, "platform", economics=poor)["contacts_called"] == 0
        assert figures(contacts, "oracle", economics=poor)["profit_eur"] == 0.0


@pytest.mark.slow
def test_without_drift_the_platform_neither_retrains_nor_alerts():
    """The same world for 26 windows of 28 days: at most one false alert in 20 is allowed."""
    world, policy, _ = replayed(made_contacts(26 * 28 + 30, 15, seed=11), "platform")
    assert len(world.days) == 26 * 28
    counts = policy.counts
    assert counts.trainings == counts.searches <= 2, "the first model, and the review that ends its probation"
    assert counts.alerts == 0
