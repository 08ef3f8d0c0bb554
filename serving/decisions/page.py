"""`/predict`: decide about one customer, see the decision again, try what-ifs.

A decision is recorded first and shown from the record, so nobody sees a decision that is not on record. A what-if is
scored the same way, shown as no decision, and never recorded.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, URLEncodedBody
from litestar.response import Redirect
from sqlalchemy import Engine

from bank_assets.contract.contract import Contract
from bank_assets.core.economics.economics import Economics
from bank_assets.core.economics.suppression import SUPPRESSED
from bank_assets.core.model.explanations import ExplainError
from bank_assets.core.model.scorer import BundleError
from bank_assets.ledger.records import Decision, Draft
from bank_assets.reports.formats import pct, points
from bank_assets.store.registry import RegistryError
from serving.champion.champion import ChampionStore
from serving.decisions.deciding import Decider
from serving.decisions.explaining import Explaining
from serving.decisions.form import default_values, form_of, labels_of, recorded_values, request_from, sent_values
from serving.decisions.payloads import Payloads
from serving.decisions.records import decision_on_record, flags_on_record
from serving.decisions.schemas import Flag, ReasonGiven
from serving.decisions.scoring import ON_PROBATION, OUTSIDE, DecisionMaker, DecisionRequest, reason_of
from serving.decisions.view_models import DecisionView, PredictPage, PredictResult, RangeBar, ReasonBar, WhatIf
from serving.web.access import identity_of, note_decision
from serving.web.chrome import Page
from serving.web.problems import NotFoundError, PayloadError
from serving.web.templating import is_partial, show

BREAK_EVEN: Final = "break-even"
SHOWN_REASONS: Final = 6
FORM_BYTES: Final = 16_384


@get("/predict", name="page:predict", sync_to_thread=False)
def form(
    request: Request[Any, Any, Any],
    store: NamedDependency[ChampionStore],
    economics: NamedDependency[Economics],
    payloads: NamedDependency[Payloads],
) -> Response[Any]:
    """The form with a typical customer."""
    store.current  # noqa: B018  without a model the page says so instead of taking input in vain
    values = default_values(store.state.as_of, economics, payloads.contract)
    return show(request, PredictPage(form_of(values, payloads.contract)))


@post("/predict", name="page:predict:decide", request_max_body_size=FORM_BYTES, status_code=201)
async def decide_and_record(
    request: Request[Any, Any, Any],
    data: URLEncodedBody[dict[str, Any]],
    decider: NamedDependency[Decider],
    ledger: NamedDependency[Engine],
    explaining: NamedDependency[Explaining],
    payloads: NamedDependency[Payloads],
) -> Response[Any]:
    """Decide, record, show from the record; faults come back in the form."""
    values = sent_values(data, payloads.contract)
    try:
        requested = request_from(values, payloads)
    except PayloadError as error:
        return _refused(request, values, error, payloads.contract)
    decided = await decider.decide(DecisionRequest(requested, identity_of(request).name))
    note_decision(request, decided.draft.id, decided.draft.model_version)
    address = f"/predict/{decided.draft.id}"
    if not is_partial(request):
        return Redirect(f"{address}#prediction", status_code=303)
    record = await asyncio.to_thread(decision_on_record, ledger, decided.draft.id)
    view = await asyncio.to_thread(view_of, request, record, explaining, payloads.contract)
    renewed = form_of(values, payloads.contract, decision_id=record.id, is_out_of_band=True)
    part = PredictResult(view, renewed)
    page = PredictPage(replace(renewed, is_out_of_band=False), view)
    return show(request, page, part, status=201, headers={"HX-Push-Url": address})


def _refused(
    request: Request[Any, Any, Any], values: dict[str, str], error: PayloadError, contract: Contract
) -> Response[Any]:
    faulty = form_of(values, contract, error.errors)
    target = {"HX-Retarget": "#predict-form", "HX-Reswap": "outerHTML"}
    return show(request, PredictPage(faulty), faulty, status=422, headers=target)


@get("/predict/{decision_id:str}", name="page:predict:record", sync_to_thread=True)
def again(
    request: Request[Any, Any, Any],
    decision_id: FromPath[str],
    ledger: NamedDependency[Engine],
    explaining: NamedDependency[Explaining],
    payloads: NamedDependency[Payloads],
) -> Response[Any]:
    """A decision of one's own from the record, with the form as it was."""
    record = own_record(request, ledger, decision_id)
    if record.payload is None:
        raise NotFoundError("decision: expected the customer's values on record, found that they were erased.")
    values = recorded_values(record, record.payload, payloads.contract)
    view = view_of(request, record, explaining, payloads.contract)
    page = PredictPage(form_of(values, payloads.contract, decision_id=record.id), view)
    return show(request, page)


def own_record(request: Request[Any, Any, Any], ledger: Engine, decision_id: str) -> Decision:
    """A decision that this person made, or any for an auditor."""
    record, identity = decision_on_record(ledger, decision_id), identity_of(request)
    if record.actor != identity.name and "audit" not in identity.scopes:
        raise NotFoundError(f"decision: expected one of your own, found none with id {decision_id[:40]!r}.")
    return record


@post(
    "/predict/what-if",
    name="page:predict:what-if",
    request_max_body_size=FORM_BYTES,
    status_code=200,
    sync_to_thread=True,
)
def what_if(
    request: Request[Any, Any, Any],
    data: URLEncodedBody[dict[str, Any]],
    ledger: NamedDependency[Engine],
    maker: NamedDependency[DecisionMaker],
) -> Response[Any]:
    """Score without deciding: nothing is recorded, and the answer says so."""
    payloads = maker.payloads
    contract = payloads.contract
    labels = labels_of(contract)
    values, decision_id = sent_values(data, contract), str(data.get("decision_id", ""))
    try:
        requested = request_from(values, payloads)
    except PayloadError as error:
        if not is_partial(request):
            return _refused(request, values, error, payloads.contract)
        fault = " ".join(f"{labels.get(e.field, e.field)}: expected {e.expected}." for e in error.errors)
        empty = WhatIf(fault)
        return show(request, PredictPage(form_of(values, contract), what_if=empty), empty, status=422)
    record = own_record(request, ledger, decision_id) if decision_id else None
    asking = DecisionRequest(requested, identity_of(request).name)
    found = maker.decide([asking], maker.store.current, maker.store.state, maker.suppressions.current)[0]
    draft, is_suppressed = found.draft, reason_of(found.draft.decision, found.flags) == SUPPRESSED
    changes = []
    if record is not None and record.payload is not None:
        before = recorded_values(record, record.payload, payloads.contract)
        compared = (*contract.payload_columns, "contact_date", "cost_eur", "value_eur")
        changes = [f"{labels[n]} {values[n]} instead of {before[n]}" for n in compared if values[n] != before[n]]
    part = WhatIf(
        draft=draft,
        is_suppressed=is_suppressed,
        difference=None if record is None else draft.probability - record.probability,
        changes=changes,
        bar=range_bar(draft, threshold_name(draft.threshold, json.loads(draft.economics))),
    )
    return show(request, PredictPage(form_of(values, contract, decision_id=decision_id), what_if=part), part)


def range_bar(one: Decision | Draft, name: str) -> RangeBar:
    """Positions on a bar from 0 to 100 %, with the threshold under its name."""
    low, high = one.probability_low, one.probability_high
    sentence = (
        f"Probability {pct(one.probability)}, range {pct(low)} to {pct(high)}, {name} {pct(one.threshold)}, "
        "on a scale from 0 to 100 %."
    )
    at, low, width, cut = (
        round(100 * value, 2) for value in (one.probability, low, high - low, min(one.threshold, 1.0))
    )
    return RangeBar(at, low, width, cut, sentence)


def threshold_name(threshold: float, economics: Mapping[str, Any]) -> str:
    """Which threshold decided: break-even of the economics, or the model's own (`BANK_THRESHOLD=f1`)."""
    break_even = Economics.constant(economics["cost_eur"], economics["value_eur"]).single_break_even
    return BREAK_EVEN if threshold == break_even else "threshold of the best F1"


def _because(record: Decision, name: str, *, is_call: bool) -> str:
    found, at = pct(record.probability), pct(record.threshold)
    if name != BREAK_EVEN:
        return f"The probability of {found} is {'at or above' if is_call else 'below'} the {name} of {at}."
    side, outcome = ("above", "pay") if is_call else ("not above", "cost more than it brings")
    return f"The probability of {found} is {side} the {name} of {at}, so the call is expected to {outcome}."


def view_of(
    request: Request[Any, Any, Any], record: Decision, explaining: Explaining, contract: Contract
) -> DecisionView:
    """A decision on record as the pages show it; takes some 10 ms for the reasons."""
    reasons, base, problem = _reasons(record, explaining)
    is_call = record.decision == "call"
    flags, name = flags_on_record(record), threshold_name(record.threshold, record.economics)
    if reason_of(record.decision, flags) == SUPPRESSED:
        because = "This customer objected to direct marketing. No probability and no profit overrides that."
    else:
        because = _because(record, name, is_call=is_call)
    return DecisionView(
        record=record,
        is_call=is_call,
        because=because,
        threshold_name=name.capitalize(),
        bar=range_bar(record, name),
        base_probability=base,
        reasons=reasons[:SHOWN_REASONS],
        other_reasons=reasons[SHOWN_REASONS:],
        reasons_problem=problem,
        warnings=_warnings(record, flags, labels_of(contract)),
        may_audit="audit" in identity_of(request).scopes,
    )


def _warnings(record: Decision, flags: list[Flag], labels: Mapping[str, str]) -> list[str]:
    found = []
    if record.stale_features:
        found.append(
            f"Stale: {record.contact_date} lies more than 30 days past the last day the model knows, {record.as_of}."
        )
    for flag in flags:
        if flag.flag == OUTSIDE:
            label = labels.get(flag.field, flag.field)
            found.append(f"{label} {flag.found} was never seen in training ({flag.expected}): read with care.")
        elif flag.flag == ON_PROBATION:
            found.append(f"Decided on probation: {flag.found}.")
    return found


def _reasons(record: Decision, explaining: Explaining) -> tuple[list[ReasonBar], float | None, str]:
    try:
        given = explaining.reasons_of(record)
    except (ExplainError, NotFoundError, BundleError, RegistryError) as error:
        return [], None, f"Reasons cannot be given: {error}"
    most = max((abs(r.probability_contribution) for r in given.reasons), default=0.0)
    return [_bar(reason, most) for reason in given.reasons], given.base_probability, ""


def _bar(reason: ReasonGiven, most: float) -> ReasonBar:
    share = reason.probability_contribution
    width = round(50.0 * abs(share) / most, 2) if most else 0.0
    return ReasonBar(
        reason.label, points(share), reason.sentence, 50.0 if share >= 0 else 50.0 - width, width, share >= 0
    )


PAGE = Page("/predict", "Predict", "predict", (form, decide_and_record, again, what_if))
