"""The response policy: every action, every brake, and that episodes have ids of their own."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bank_assets.core.response.assessment import respond, violations
from bank_assets.core.response.loop import after_verdict
from bank_assets.core.response.policy import Evidence, ResponseAction, ResponsePolicy, ResponseState, ViolationKind

POLICY = ResponsePolicy()
START = np.datetime64("2020-01-01", "D")


def day(number: int) -> np.datetime64:
    return START + np.timedelta64(number, "D")


def fine(number: int, **changes) -> Evidence:
    values = {
        "as_of": day(number),
        "outcomes": 100,
        "observed": 20.0,
        "expected": 20.0,
        "standard_error": 4.0,
        "contacts": 300,
        "excess": {"job": 0.0},
    }
    return Evidence(**(values | changes))


def decayed(number: int, observed: float = 60.0, **changes) -> Evidence:
    return fine(number, observed=observed, **changes)


def drifted(number: int, excess: float = 0.3, **changes) -> Evidence:
    return fine(number, excess={"housing": excess, "job": 0.01}, **changes)


def deployed() -> ResponseState:
    return after_verdict(ResponseState(), str(day(0)), is_promoted=True)


def answer(state, *evidence, policy=POLICY):
    response = None
    for one in evidence:
        response = respond(state, one, policy)
        state = response.state
    return response


class TestViolations:
    def test_none_when_all_is_well(self):
        assert violations(fine(1), POLICY) == ()

    def test_calibration_needs_effect_and_certainty(self):
        assert [v.kind for v in violations(decayed(1), POLICY)] == [ViolationKind.CALIBRATION]
        certain_but_small = fine(1, outcomes=100_000, observed=11_000.0, expected=10_000.0, standard_error=90.0)
        large_but_uncertain = fine(1, observed=30.0, standard_error=4.0)
        assert violations(certain_but_small, POLICY) == ()
        assert violations(large_but_uncertain, POLICY) == ()

    def test_fewer_subscriptions_than_expected_count_too(self):
        found = violations(fine(1, observed=2.0, expected=30.0, standard_error=4.0), POLICY)
        assert found[0].severity < 0

    def test_calibration_needs_the_minimum_of_outcomes(self):
        assert violations(decayed(1, outcomes=POLICY.minimum_outcomes - 1), POLICY) == ()
        assert violations(decayed(1, outcomes=POLICY.minimum_outcomes), POLICY)

    def test_covariates_need_the_minimum_of_contacts_and_the_reason_names_the_column(self):
        assert violations(drifted(1, contacts=POLICY.minimum_contacts - 1), POLICY) == ()
        assert "housing moved by 0.30" in violations(drifted(1), POLICY)[0].sentence

    @pytest.mark.parametrize(("auc", "error", "expected"), [(0.5, 0.02, True), (0.5, 0.06, False), (0.7, 0.01, False)])
    def test_ranking_by_its_upper_bound(self, auc, error, expected):
        found = violations(fine(1, roc_auc=auc, roc_auc_error=error), POLICY)
        assert ([v.kind for v in found] == [ViolationKind.RANKING]) is expected


class TestBrakes:
    def test_without_a_model_everything_is_searched(self):
        assert respond(ResponseState(), fine(1)).action is ResponseAction.SEARCH

    def test_one_bad_day_is_not_enough(self):
        assert answer(deployed(), decayed(11)).action is ResponseAction.NONE

    def test_two_bad_days_of_three_are(self):
        assert answer(deployed(), decayed(11), fine(12), decayed(13)).action is ResponseAction.RETRAIN

    def test_the_latest_must_be_bad(self):
        assert answer(deployed(), decayed(3), decayed(4), fine(20)).action is ResponseAction.NONE

    def test_two_bad_days_far_apart_are_not_enough(self):
        assert answer(deployed(), decayed(11), fine(12), fine(13), decayed(14)).action is ResponseAction.NONE

    def test_cool_down_ends_on_its_day(self):
        before = answer(deployed(), decayed(POLICY.cool_down_days - 2), decayed(POLICY.cool_down_days - 1))
        assert before.action is ResponseAction.NONE
        assert "cool-down: 9 of 10 days" in before.reasons[-1]
        assert respond(before.state, decayed(POLICY.cool_down_days)).action is ResponseAction.RETRAIN

    def test_covariates_wait_for_new_outcomes(self):
        response = answer(deployed(), drifted(11, outcomes=5), drifted(12, outcomes=5))
        assert response.action is ResponseAction.NONE
        assert "5 new outcomes" in response.reasons[-1]

    def test_a_refused_fit_costs_a_cool_down_too(self):
        requested = answer(deployed(), decayed(11), decayed(12))
        refused = after_verdict(requested.state, str(day(12)), is_promoted=False)
        assert respond(refused, decayed(13)).action is ResponseAction.NONE
        assert refused.deployed_on == deployed().deployed_on
        assert respond(refused, decayed(12 + POLICY.cool_down_days)).action is ResponseAction.RETRAIN

    def test_a_new_model_is_judged_afresh(self):
        requested = answer(deployed(), decayed(11), decayed(12))
        assert after_verdict(requested.state, str(day(12)), is_promoted=True).recent == ()

    def test_the_same_day_twice_changes_nothing(self):
        first = answer(deployed(), decayed(11), decayed(12))
        again = respond(first.state, decayed(12))
        assert again.action is ResponseAction.NONE
        assert again.state == first.state


class TestRecalibration:
    def test_a_moved_intercept_recalibrates(self):
        response = answer(deployed(), fine(11, shift_before=0.0, shift_now=0.2))
        assert response.action is ResponseAction.RECALIBRATE
        assert response.is_recalibrated

    def test_a_hardly_moved_one_does_not(self):
        assert answer(deployed(), fine(11, shift_before=0.20, shift_now=0.24)).action is ResponseAction.NONE

    def test_a_refit_comes_before_it_and_says_both(self):
        response = answer(deployed(), decayed(11), decayed(12, shift_now=0.5))
        assert response.action is ResponseAction.RETRAIN
        assert response.is_recalibrated


class TestEpisodes:
    def refit(self, state, number, evidence=decayed):
        response = answer(state, evidence(number - 1), evidence(number))
        return response, after_verdict(response.state, str(day(number)), is_promoted=True)

    def test_refits_of_one_episode_share_the_id_and_have_keys_of_their_own(self):
        first, state = self.refit(deployed(), 12)
        second, _ = self.refit(state, 30)
        assert first.episode_id == second.episode_id != ""
        assert first.run_key != second.run_key

    def test_only_the_first_answer_of_an_episode_alerts(self):
        first, state = self.refit(deployed(), 12)
        second, _ = self.refit(state, 30)
        assert (first.is_alert, second.is_alert) == (True, False)

    def test_a_drift_that_returns_gets_another_id(self):
        first, state = self.refit(deployed(), 12)
        for number in range(13, 13 + POLICY.quiet_days):
            state = respond(state, fine(number)).state
        assert state.episode_id == ""
        second, _ = self.refit(state, 40)
        assert second.episode_id not in ("", first.episode_id)

    def test_days_without_a_sample_do_not_end_an_episode(self):
        _, state = self.refit(deployed(), 12)
        for number in range(13, 30):
            state = respond(state, fine(number, outcomes=3, contacts=10)).state
        assert state.episode_id != ""

    def test_a_sensor_that_lost_its_cursor_requests_the_same_run(self):
        state = respond(deployed(), decayed(11)).state
        assert respond(state, decayed(12)).run_key == respond(state, decayed(12)).run_key != ""

    def test_search_and_then_stop_when_nothing_helps(self):
        state, actions, number = deployed(), [], 0
        for _ in range(9):
            number += 15
            response, state = self.refit(state, number)
            actions.append(response.action)
            if response.action is ResponseAction.ALERT:
                break
        assert actions == [
            *[ResponseAction.RETRAIN] * 3,
            ResponseAction.SEARCH,
            ResponseAction.RETRAIN,
            ResponseAction.RETRAIN,
            ResponseAction.ALERT,
        ]
        assert response.is_alert
        assert response.run_key == ""

    def test_a_refit_that_helps_starts_the_count_again(self):
        state, number = deployed(), 0
        for observed in (90.0, 90.0, 90.0, 60.0, 60.0, 60.0):
            number += 15
            response, state = self.refit(state, number, lambda n, o=observed: decayed(n, o))
            assert response.action is ResponseAction.RETRAIN

    def test_a_decay_to_the_other_side_is_another_decay(self):
        state, number, low = deployed(), 0, {"expected": 60.0, "observed": 20.0}
        for evidence in (decayed, lambda n: fine(n, **low)) * 3:
            number += 15
            response, state = self.refit(state, number, evidence)
            assert response.action is ResponseAction.RETRAIN

    def test_covariates_alone_never_search(self):
        state = deployed()
        for number in range(15, 15 * 9, 15):
            response, state = self.refit(state, number, drifted)
            assert response.action is ResponseAction.RETRAIN

    def stopped(self):
        state, number = deployed(), 0
        while state.stopped_on is None:
            number += 15
            response = answer(state, decayed(number - 1), decayed(number))
            state = (
                response.state
                if response.action is ResponseAction.ALERT
                else after_verdict(response.state, str(day(number)), is_promoted=True)
            )
        return state, number

    def test_a_stop_holds_and_calls_no_second_time(self):
        state, number = self.stopped()
        response = answer(state, decayed(number + 11), decayed(number + 12))
        assert response.action is ResponseAction.NONE
        assert not response.is_alert
        assert "a person was called" in response.reasons[-1]

    def test_after_the_rest_the_platform_tries_again_under_a_new_id(self):
        state, number = self.stopped()
        later = number + POLICY.rest_days
        response = answer(state, decayed(later), decayed(later + 1))
        assert response.action is ResponseAction.RETRAIN
        assert response.episode_id != state.episode_id


class TestState:
    def test_json_round_trip_of_a_full_state(self):
        state = answer(deployed(), decayed(11), decayed(12)).state
        assert ResponseState.from_json(state.to_json()) == state

    @given(
        st.builds(
            ResponseState,
            recent=st.lists(
                st.lists(st.sampled_from([str(k) for k in ViolationKind]), max_size=3).map(tuple), max_size=3
            ).map(tuple),
            quiet=st.integers(0, 9),
            severity=st.none() | st.dictionaries(st.sampled_from([str(k) for k in ViolationKind]), st.floats(-5, 5)),
            stopped_on=st.none() | st.just("2020-01-01"),
        )
    )
    def test_json_round_trip(self, state):
        assert ResponseState.from_json(state.to_json()) == state

    def test_another_version_is_refused_with_what_to_do(self):
        with pytest.raises(ValueError, match="reset it"):
            ResponseState.from_json('{"schema_version": 99}')

    @given(st.lists(st.sampled_from(["fine", "decayed", "drifted", "blind"]), min_size=1, max_size=60))
    def test_never_two_fits_within_the_cool_down(self, world):
        make = {
            "fine": fine,
            "decayed": decayed,
            "drifted": drifted,
            "blind": lambda n: fine(n, outcomes=0, contacts=0),
        }
        state, fits = deployed(), [0]
        for number, kind in enumerate(world, start=1):
            response = respond(state, make[kind](number))
            state = response.state
            if response.run_key:
                fits.append(number)
                state = after_verdict(state, str(day(number)), is_promoted=True)
        assert all(b - a >= POLICY.cool_down_days for a, b in pairwise(fits))
