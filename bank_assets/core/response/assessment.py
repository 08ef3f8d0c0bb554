"""The response policy: what to do on a day about drift and decay.

Actions, from least to most: nothing; recalibrate the intercept (the graph stays); retrain the champion's recipe on all
known outcomes; search over all recipes if refits do not help; stop and alert a person if a search does not help either.

The policy acts on a violation seen on k of the last n days, the latest among them, after a cool-down and with enough
outcomes of the champion. An episode lasts from the first action until several quiet days. Its id is derived from
its content, so two sensors request one run and a drift that returns opens another episode. All time is data time.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import replace

import numpy as np

from bank_assets.core.response.policy import (
    Evidence,
    LimitComparison,
    Response,
    ResponseAction,
    ResponsePolicy,
    ResponseState,
    ViolationKind,
)
from bank_assets.core.words import sample_size


def comparisons(evidence: Evidence, policy: ResponsePolicy) -> tuple[LimitComparison, ...]:
    """Every number of a day beside its limit, in the order of `ViolationKind`."""
    return _calibration(evidence, policy), _covariates(evidence, policy), _ranking(evidence, policy)


def _calibration(evidence: Evidence, policy: ResponsePolicy) -> LimitComparison:
    n, least, limit = _outcomes(evidence), policy.minimum_outcomes, policy.calibration_ratio
    sample = (ViolationKind.CALIBRATION, evidence.sample, least, limit)
    if evidence.sample < least:
        return _too_few(*sample, f"{n} outcomes (needs {least})")
    log_ratio, z, z_limit = evidence.log_ratio, evidence.z, policy.calibration_z
    is_violated = abs(log_ratio) > math.log(limit) and abs(z) > z_limit
    sentence = (
        f"{evidence.observed:.0f} subscriptions against {evidence.expected:.1f} expected on {n} outcomes "
        f"(z {z:+.1f}, limit {z_limit:g}; ratio {math.exp(log_ratio):.2f}, limit {limit:g})"
    )
    return LimitComparison(*sample, math.exp(log_ratio), is_violated, log_ratio, sentence)


def _covariates(evidence: Evidence, policy: ResponsePolicy) -> LimitComparison:
    n, least, limit = evidence.contacts, policy.minimum_contacts, policy.covariate_excess
    sample = (ViolationKind.COVARIATES, n, least, limit)
    if n < least or not evidence.excess:
        return _too_few(*sample, f"{n} contacts (needs {least})")
    column, excess = max(evidence.excess.items(), key=lambda item: item[1])
    moved = f"the column {column} moved by {excess:.2f} of the contacts beyond noise on {n} contacts (limit {limit:g})"
    return LimitComparison(*sample, excess, excess > limit, excess, moved)


def _ranking(evidence: Evidence, policy: ResponsePolicy) -> LimitComparison:
    n, least, floor = _outcomes(evidence), policy.minimum_ranked, policy.ranking_floor
    sample = (ViolationKind.RANKING, evidence.sample, least, floor)
    if evidence.roc_auc is None or evidence.roc_auc_error is None:
        return _too_few(*sample, f"{n} outcomes (needs {least}, {policy.minimum_of_class} of either kind)")
    upper = evidence.roc_auc + 2.0 * evidence.roc_auc_error
    sentence = f"AUC {evidence.roc_auc:.3f}, upper bound {upper:.3f} (floor {floor:g})"
    return LimitComparison(*sample, upper, upper < floor, floor - upper, sentence)


def _outcomes(evidence: Evidence) -> str:
    return sample_size(evidence.outcomes, evidence.effective_outcomes)


def _too_few(kind: ViolationKind, n: int, least: int, limit: float, found: str) -> LimitComparison:
    return LimitComparison(kind, n, least, limit, None, False, 0.0, f"{kind} not judged: {found}")


def violations(evidence: Evidence, policy: ResponsePolicy) -> tuple[LimitComparison, ...]:
    """Numbers beyond their limit."""
    return tuple(one for one in comparisons(evidence, policy) if one.is_violated)


def respond(state: ResponseState, evidence: Evidence, limits: ResponsePolicy = ResponsePolicy()) -> Response:
    """Choose the action of a day, and the state to keep. The caller reports the result of a fit by `after_verdict`."""
    today = str(evidence.as_of)
    if state.deployed_on is None:
        return Response(ResponseAction.SEARCH, ("there is no model yet",), state, "first", f"first-{today}")
    is_recalibrated = abs(evidence.shift_now - evidence.shift_before) > limits.material_shift
    if state.assessed_on == today:
        return Response(ResponseAction.NONE, ("this day was judged already",), state, state.episode_id)
    found = violations(evidence, limits)
    state = _observed(_rested(state, evidence, limits), evidence, found, limits)
    confirmed = bool(found) and sum(bool(kinds) for kinds in state.recent) >= limits.k
    is_new = confirmed and not state.episode_id
    if is_new:
        state = replace(state, episode_id=_episode_id(state, today, found))

    def answer(
        action: ResponseAction, why: tuple[str, ...], state: ResponseState, run_key: str = "", is_alert: bool = is_new
    ) -> Response:
        reasons, kinds = (*(one.sentence for one in found), *why), tuple(str(one.kind) for one in found)
        return Response(action, reasons, state, state.episode_id, run_key, is_recalibrated, is_alert, kinds)

    held = _held(state, evidence, confirmed, limits)
    if held and _is_review_due(state, evidence, limits):
        why = f"on probation, and {limits.review_days} days without a fit have passed: the gate judges again"
        return answer(ResponseAction.SEARCH, (why,), replace(state, reviewed_on=today), f"review-{today}")
    if held and is_recalibrated:
        moved = f"intercept moves from {evidence.shift_before:+.2f} to {evidence.shift_now:+.2f} log-odds"
        return answer(ResponseAction.RECALIBRATE, (held, moved), state)
    if held:
        return answer(ResponseAction.NONE, (held,), state)
    unhelpful = state.unhelpful + 1 if _did_not_help(state, found) else 0
    action = ResponseAction.RETRAIN
    because: tuple[str, ...] = ()
    if unhelpful >= limits.search_after:
        action = ResponseAction.ALERT if state.has_searched else ResponseAction.SEARCH
        because, unhelpful = (f"{unhelpful} fits in a row did not help",), 0
    if action is ResponseAction.ALERT:
        return answer(action, because, replace(state, stopped_on=today), is_alert=True)
    state = replace(
        state,
        fits=state.fits + 1,
        unhelpful=unhelpful,
        severity={str(violation.kind): violation.severity for violation in found},
        has_searched=state.has_searched or action is ResponseAction.SEARCH,
    )
    return answer(action, because, state, f"{state.episode_id}-{state.fits}")


def _rested(state: ResponseState, evidence: Evidence, policy: ResponsePolicy) -> ResponseState:
    """Close a stopped episode after its rest, so that the platform tries again by itself."""
    if state.stopped_on is None or _days_since(state.stopped_on, evidence) < policy.rest_days:
        return state
    return state.closed()


def _observed(
    state: ResponseState, evidence: Evidence, found: tuple[LimitComparison, ...], policy: ResponsePolicy
) -> ResponseState:
    is_judged = evidence.sample >= policy.minimum_outcomes or evidence.contacts >= policy.minimum_contacts
    quiet = 0 if found else state.quiet + is_judged
    kinds = tuple(str(violation.kind) for violation in found)
    state = replace(state, assessed_on=str(evidence.as_of), recent=(*state.recent, kinds)[-policy.n :], quiet=quiet)
    return state.closed() if state.episode_id and quiet >= policy.quiet_days else state


def _held(state: ResponseState, evidence: Evidence, confirmed: bool, policy: ResponsePolicy) -> str:
    """Why no fit is due; "" if one is."""
    if not confirmed:
        violated = sum(bool(kinds) for kinds in state.recent)
        return f"{violated} of the last {len(state.recent)} days violated (required: {policy.k} of {policy.n})"
    if state.stopped_on is not None:
        return f"stopped on {state.stopped_on}, a person was called"
    passed = _days_since(state.attempted_on, evidence)
    if passed < policy.cool_down_days:
        return f"cool-down: {passed} of {policy.cool_down_days} days since the last fit"
    if evidence.sample < policy.minimum_outcomes:
        return f"{_outcomes(evidence)} new outcomes (required: {policy.minimum_outcomes})"
    return ""


def _is_review_due(state: ResponseState, evidence: Evidence, policy: ResponsePolicy) -> bool:
    days = [_days_since(day, evidence) for day in (state.attempted_on, state.reviewed_on)]
    return state.is_on_probation and min(days) >= policy.review_days


def _days_since(day: str | None, evidence: Evidence) -> int:
    if day is None:
        return 1 << 30
    return int((evidence.as_of - np.datetime64(day, "D")).astype(np.int64))


def _did_not_help(state: ResponseState, found: tuple[LimitComparison, ...]) -> bool:
    """Whether the decay that led to the last fit is as bad as before, in the same direction.

    Covariates do not count: a refit cannot change the mix of customers.
    """
    before = state.severity or {}
    for violation in found:
        was = before.get(str(violation.kind))
        if violation.kind is ViolationKind.COVARIATES or was is None or was * violation.severity <= 0.0:
            continue
        if abs(violation.severity) >= abs(was):
            return True
    return False


def _episode_id(state: ResponseState, today: str, found: tuple[LimitComparison, ...]) -> str:
    content = [state.deployed_on, today, sorted(str(violation.kind) for violation in found)]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]
