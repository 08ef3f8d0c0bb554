"""`/predict`: decide about one customer, see the decision again, try what-ifs.

A decision is recorded first and shown from the record, so nobody sees a decision that is not on record. A what-if is
scored the same way, shown as no decision, and never recorded.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, URLEncodedBody
from litestar.response import Redirect

from bank_assets.contract.contract import Contract
from bank_assets.core.economics.call_plan import REASON_TEXTS
from bank_assets.core.economics.contact_policy import POLICY_RULES
from bank_assets.core.economics.economics import Economics
from bank_assets.core.economics.suppression import RULE_TEXTS, SUPPRESSED
from bank_assets.core.model.explanations import ExplainError
from bank_assets.core.model.scorer import BundleError
from bank_assets.core.words import pct
from bank_assets.ledger import decisions
from bank_assets.ledger.randomized import PROPENSITY
from bank_assets.ledger.records import Decision
from bank_assets.store.decision_records import ON_PROBATION
from bank_assets.store.registry import RegistryError
from serving.customers.contact_rules import ContactRules
from serving.customers.views import DO_NOT_CALL, customer_href, notices_of
from serving.decisions.deciding import Decider
from serving.decisions.form import (
    ECONOMICS,
    default_values,
    form_of,
    labels_of,
    recorded_values,
    request_from,
    sent_values,
)
from serving.decisions.payloads import Payloads
from serving.decisions.records import Records, flags_on_record
from serving.decisions.schemas import Flag
from serving.decisions.scoring import CONTRADICTION, OUTSIDE, DecisionMaker, DecisionRequest, reason_of
from serving.decisions.view_models import DecisionView, PredictPage, PredictResult, WhatIf
from serving.web.access import identity_of, note_decision
from serving.web.chrome import Page
from serving.web.problems import NotFoundError, PayloadError
from serving.web.templating import is_partial, moment, show, words
from serving.web.view_models import PLAIN, Notice

BREAK_EVEN: Final = "break-even"
FORM_BYTES: Final = 16_384


@get("/predict", name="page:predict", sync_to_thread=False)
def form(request: Request[Any, Any, Any], maker: NamedDependency[DecisionMaker]) -> Response[Any]:
    """The form with a typical customer."""
    maker.store.current  # noqa: B018  without a model there is an error page, and nobody fills in the form in vain
    contract, as_of = maker.payloads.contract, maker.store.state.as_of
    return show(request, PredictPage(form_of(default_values(as_of, maker.economics, contract), contract)))


@post("/predict", name="page:predict:decide", request_max_body_size=FORM_BYTES, status_code=201)
async def decide_and_record(
    request: Request[Any, Any, Any],
    data: URLEncodedBody[dict[str, Any]],
    decider: NamedDependency[Decider],
    records: NamedDependency[Records],
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
    record = await asyncio.to_thread(records.get, decided.draft.id)
    view = await asyncio.to_thread(_view_with_notices, request, record, records)
    renewed = form_of(values, payloads.contract, decision_id=record.id, is_out_of_band=True)
    return show(request, PredictResult(view, renewed), status=201, headers={"HX-Push-Url": address})


def _refused(
    request: Request[Any, Any, Any], values: dict[str, str], error: PayloadError, contract: Contract
) -> Response[Any]:
    faulty = form_of(values, contract, error.errors)
    target = {"HX-Retarget": "#predict-form", "HX-Reswap": "outerHTML"}
    return show(request, PredictPage(faulty), faulty, status=422, headers=target)


@get("/predict/{decision_id:str}", name="page:predict:record", sync_to_thread=True)
def again(
    request: Request[Any, Any, Any], decision_id: FromPath[str], records: NamedDependency[Records]
) -> Response[Any]:
    """A decision of one's own from the record, with the form as it was."""
    record = _own_record(request, records, decision_id)
    if record.payload is None:
        raise NotFoundError("decision: expected the customer's values on record, found that they were erased.")
    form = form_of(recorded_values(record, record.payload, records.contract), records.contract, decision_id=record.id)
    return show(request, PredictPage(form, _view_with_notices(request, record, records)))


def _own_record(request: Request[Any, Any, Any], records: Records, decision_id: str) -> Decision:
    """A decision that this person made, or any for an auditor."""
    record, identity = records.get(decision_id), identity_of(request)
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
    records: NamedDependency[Records],
    maker: NamedDependency[DecisionMaker],
) -> Response[Any]:
    """Score without deciding: nothing is recorded, and the answer says so."""
    contract = records.contract
    labels = labels_of(contract)
    values, decision_id = sent_values(data, contract), str(data.get("decision_id", ""))
    try:
        requested = request_from(values, maker.payloads)
    except PayloadError as error:
        if not is_partial(request):
            return _refused(request, values, error, contract)
        fault = " ".join(f"{labels.get(e.field, e.field)}: expected {e.expected}." for e in error.errors)
        empty = WhatIf(fault)
        return show(request, PredictPage(form_of(values, contract), what_if=empty), empty, status=422)
    record = _own_record(request, records, decision_id) if decision_id else None
    asking = DecisionRequest(requested, identity_of(request).name)
    maker.protect([asking])
    found = maker.decide([asking], maker.store.current, maker.store.state, maker.suppressions.current)[0]
    draft, reason = found.draft, reason_of(found.draft.decision, found.flags)
    changes = []
    if record is not None and record.payload is not None:
        before = recorded_values(record, record.payload, contract)
        compared = (*contract.payload_columns, contract.contact_date.source, *ECONOMICS)
        changes = [f"{labels[n]} {values[n]} instead of {before[n]}" for n in compared if values[n] != before[n]]
    part = WhatIf(
        draft=draft,
        forbidden_by=RULE_TEXTS.get(reason or "", ""),
        difference=None if record is None else draft.probability - record.probability,
        changes=changes,
        threshold_name=threshold_name(draft.threshold, json.loads(draft.economics)),
    )
    return show(request, PredictPage(form_of(values, contract, decision_id=decision_id), what_if=part), part)


def threshold_name(threshold: float, economics: Mapping[str, Any]) -> str:
    """Which threshold decided: break-even of the economics, or the model's own (`BANK_THRESHOLD=f1`)."""
    break_even = Economics.constant(economics["cost_eur"], economics["value_eur"]).single_break_even
    return BREAK_EVEN if threshold == break_even else "threshold of the best F1"


def _because(record: Decision, name: str) -> str:
    found, at, is_call = pct(record.probability), pct(record.threshold), record.decision == "call"
    if name != BREAK_EVEN:
        return f"The probability of {found} is {'at or above' if is_call else 'below'} the {name} of {at}."
    side, outcome = ("above", "pay") if is_call else ("not above", "cost more than it brings")
    return f"The probability of {found} is {side} the {name} of {at}, so the call is expected to {outcome}."


def view_of(request: Request[Any, Any, Any], record: Decision, records: Records) -> DecisionView:
    """A decision on record as the pages show it; takes some 10 ms for the reasons."""
    reasons, problem = None, ""
    try:
        reasons = records.reasons_of(record)
    except (ExplainError, NotFoundError, BundleError, RegistryError) as error:
        problem = f"Reasons cannot be given: {error}"
    flags, name = flags_on_record(record), threshold_name(record.threshold, record.economics)
    propensity = record.economics.get(PROPENSITY, 1.0)
    if record.listed is not None:
        call = "Called" if record.decision == "call" else "Not called"
        because = f"{call} by the list {record.listed.list_name}: {REASON_TEXTS[record.listed.reason]}."
    elif record.decision == "call" and propensity < 1.0:
        because = (
            f"Called to learn from: {pct(propensity)} of the contacts that are not worth a call are drawn at random."
        )
    elif reason_of(record.decision, flags) == SUPPRESSED:
        because = "This customer objected to direct marketing. No probability and no profit overrides that."
    elif found := next((flag.found for flag in flags if flag.flag in POLICY_RULES), ""):
        because = f"The contact policy forbids this call: {found}. No probability and no profit overrides that."
    else:
        because = _because(record, name)
    return DecisionView(
        record=record,
        because=because,
        threshold_name=name,
        reasons=reasons,
        reasons_problem=problem,
        warnings=_warnings(record, flags, labels_of(records.contract)),
        may_audit="audit" in identity_of(request).scopes,
    )


def _view_with_notices(request: Request[Any, Any, Any], record: Decision, records: Records) -> DecisionView:
    """A decision with what else is known about its customer: analysts have no other way to see it at once."""
    view = view_of(request, record, records)
    return view if record.person is None else replace(view, notices=_notices(request, record, record.person, records))


def _notices(request: Request[Any, Any, Any], record: Decision, person: str, records: Records) -> list[Notice]:
    rules: ContactRules = request.app.state.services.contact_rules
    answer = rules.of(person, dt.date.fromisoformat(record.contact_date))
    notices = [one for one in notices_of(answer) if answer.reason != SUPPRESSED or one.title != DO_NOT_CALL]
    earlier = decisions.search(records.engine, customer_id=person, until=record.decided_at, limit=1).decisions
    for one in earlier:
        text = f"{moment(one.decided_at)} by {one.actor}: {words(one.decision)}, {pct(one.probability)}."
        notices.append(Notice(PLAIN, "Decided before", text, customer_href(person), "See the customer"))
    return notices


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
        elif flag.flag == CONTRADICTION:
            label = labels.get(flag.field, flag.field)
            found.append(f"{label} is {flag.found}, expected {flag.expected}: read with care.")
        elif flag.flag == ON_PROBATION:
            found.append(f"Decided on probation: {flag.found}.")
    return found


PAGE = Page("/predict", "Predict", "predict", (form, decide_and_record, again, what_if))
