"""`/predict`: decide about one customer, see it again, ask what if. HTTP and arrangement only.

A decision is made and recorded by `decisions.deciding`, then read back from the record to be shown, so nobody sees a
decision that is not on record. A what-if is scored by the same path, shown as no decision, and never recorded.
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
from bank_assets.ledger.decisions import Decision
from bank_assets.reports.formats import pct, points
from bank_assets.store.registry import RegistryError
from serving.champion.champion import ChampionStore
from serving.customers.suppressions import Suppressions
from serving.decisions.deciding import Decider
from serving.decisions.explaining import Explaining
from serving.decisions.form import default_values, form_of, labels_of, recorded_values, request_from, sent_values
from serving.decisions.payloads import Payloads
from serving.decisions.records import decision_on_record, flags_on_record
from serving.decisions.schemas import Flag, ReasonGiven
from serving.decisions.scoring import ON_PROBATION, OUTSIDE, DecisionRequest, decide, reason_of
from serving.decisions.view_models import DecisionView, PredictPage, PredictResult, RangeBar, ReasonBar, WhatIf
from serving.settings import ServingSettings
from serving.web.access import identity_of, needs, note_decision
from serving.web.problems import NotFoundError, PayloadError
from serving.web.templating import is_partial, show

BREAK_EVEN: Final = "break-even"
TITLE: Final = "Decide about a customer"
SHOWN_REASONS: Final = 6
FORM_BYTES: Final = 16_384


@get("/predict", name="page:predict", include_in_schema=False, guards=[needs("predict")], sync_to_thread=False)
def form(
    request: Request[Any, Any, Any],
    store: NamedDependency[ChampionStore],
    economics: NamedDependency[Economics],
    payloads: NamedDependency[Payloads],
) -> Response[Any]:
    """The form with a typical customer."""
    store.current  # noqa: B018  without a model the page says so instead of taking input in vain
    values = default_values(store.state.as_of, economics, payloads.contract)
    return show(request, PredictPage(TITLE, form_of(values, payloads.contract), None, WhatIf(is_empty=True)))


@post(
    "/predict",
    name="page:predict:decide",
    include_in_schema=False,
    guards=[needs("predict")],
    request_max_body_size=FORM_BYTES,
    status_code=201,
)
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
    page = PredictPage(TITLE, replace(renewed, is_out_of_band=False), view, WhatIf(is_empty=True))
    return show(request, page, part, status=201, headers={"HX-Push-Url": address})


def _refused(
    request: Request[Any, Any, Any], values: dict[str, str], error: PayloadError, contract: Contract
) -> Response[Any]:
    faulty = form_of(values, contract, error.errors)
    page = PredictPage(TITLE, faulty, None, WhatIf(is_empty=True))
    target = {"HX-Retarget": "#predict-form", "HX-Reswap": "outerHTML"}
    return show(request, page, faulty, status=422, headers=target)


@get(
    "/predict/{decision_id:str}",
    name="page:predict:record",
    include_in_schema=False,
    guards=[needs("predict")],
    sync_to_thread=True,
)
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
    page = PredictPage(TITLE, form_of(values, payloads.contract, decision_id=record.id), view, WhatIf(is_empty=True))
    return show(request, page)


def own_record(request: Request[Any, Any, Any], ledger: Engine, decision_id: str) -> Decision:
    """A decision that this person made, or any for an auditor.

    Raises:
        NotFoundError: no such decision, or somebody else's: which of both is not told.
    """
    record, identity = decision_on_record(ledger, decision_id), identity_of(request)
    if record.actor != identity.name and "audit" not in identity.scopes:
        raise NotFoundError(f"decision: expected one of your own, found none with id {decision_id[:40]!r}.")
    return record


@post(
    "/predict/what-if",
    name="page:predict:what-if",
    include_in_schema=False,
    guards=[needs("predict")],
    request_max_body_size=FORM_BYTES,
    status_code=200,
    sync_to_thread=True,
)
def what_if(
    request: Request[Any, Any, Any],
    data: URLEncodedBody[dict[str, Any]],
    store: NamedDependency[ChampionStore],
    ledger: NamedDependency[Engine],
    economics: NamedDependency[Economics],
    settings: NamedDependency[ServingSettings],
    suppressions: NamedDependency[Suppressions],
    payloads: NamedDependency[Payloads],
) -> Response[Any]:
    """Score without deciding: nothing is recorded, and the answer says so."""
    contract = payloads.contract
    labels = labels_of(contract)
    values, decision_id = sent_values(data, contract), str(data.get("decision_id", ""))
    try:
        requested = request_from(values, payloads)
    except PayloadError as error:
        if not is_partial(request):
            return _refused(request, values, error, payloads.contract)
        fault = " ".join(f"{labels.get(e.field, e.field)}: expected {e.expected}." for e in error.errors)
        empty = WhatIf(is_empty=True, fault=fault)
        return show(request, PredictPage(TITLE, form_of(values, contract), None, empty), empty, status=422)
    record = own_record(request, ledger, decision_id) if decision_id else None
    asking = DecisionRequest(requested, identity_of(request).name)
    found = decide(
        [asking], store.current, store.state, suppressions.current, economics, payloads, settings.code_version
    )[0]
    draft, is_suppressed = found.draft, reason_of(found.draft.decision, found.flags) == SUPPRESSED
    changes = []
    if record is not None and record.payload is not None:
        before = recorded_values(record, record.payload, payloads.contract)
        compared = (*contract.payload_columns, "contact_date", "cost_eur", "value_eur")
        changes = [f"{labels[n]} {values[n]} instead of {before[n]}" for n in compared if values[n] != before[n]]
    part = WhatIf(
        is_empty=False,
        probability=draft.probability,
        probability_low=draft.probability_low,
        probability_high=draft.probability_high,
        is_call=draft.decision == "call",
        is_suppressed=is_suppressed,
        expected_profit_eur=draft.expected_profit_eur,
        difference=None if record is None else draft.probability - record.probability,
        changes=changes,
        has_record=record is not None,
        bar=range_bar(
            draft.probability,
            draft.probability_low,
            draft.probability_high,
            draft.threshold,
            threshold_name(draft.threshold, json.loads(draft.economics)),
        ),
    )
    return show(request, PredictPage(TITLE, form_of(values, contract, decision_id=decision_id), None, part), part)


def range_bar(probability: float, low: float, high: float, threshold: float, name: str) -> RangeBar:
    """Positions on a bar from 0 to 100 %."""
    sentence = (
        f"Probability {pct(probability)}, range {pct(low)} to {pct(high)}, {name} {pct(threshold)}, "
        "on a scale from 0 to 100 %."
    )
    percent = [round(100 * value, 2) for value in (probability, low, high - low, min(threshold, 1.0))]
    return RangeBar(percent[0], percent[1], percent[2], percent[3], sentence)


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
        id=record.id,
        is_call=is_call,
        verdict="Call" if is_call else "Do not call",
        because=because,
        probability=record.probability,
        probability_low=record.probability_low,
        probability_high=record.probability_high,
        threshold=record.threshold,
        threshold_name=name.capitalize(),
        expected_profit_eur=record.expected_profit_eur,
        prediction=record.prediction,
        cost_eur=float(record.economics["cost_eur"]),
        value_eur=float(record.economics["value_eur"]),
        bar=range_bar(record.probability, record.probability_low, record.probability_high, record.threshold, name),
        base_probability=base,
        reasons=reasons[:SHOWN_REASONS],
        other_reasons=reasons[SHOWN_REASONS:],
        reasons_problem=problem,
        warnings=_warnings(record, flags, labels_of(contract)),
        contact_date=record.contact_date,
        decided_at=record.decided_at,
        actor=record.actor,
        model_version=record.model_version,
        as_of=record.as_of or "",
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


HANDLERS = (form, decide_and_record, again, what_if)
