"""`POST /api/v1/campaigns/plan`: whom to call under a budget; the economics of each contact, and the answer."""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import msgspec
import numpy as np
from litestar import Request, post
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import RawBody

from bank_assets.contract.contract import Contract
from bank_assets.contract.names import MODEL_NAME
from bank_assets.core.arrays import FloatArray
from bank_assets.core.economics.call_plan import CallPlan
from bank_assets.core.economics.economics import BalanceAmount, ColumnAmount, Economics, EconomicsError
from bank_assets.core.economics.exploration import LearningBudget
from bank_assets.core.economics.planner import CallLimits, PlanSettings
from bank_assets.core.economics.suppression import FrequencyRules, SuppressionList
from serving.campaigns.call_lists import CallListService, CampaignContacts, ScoredList
from serving.campaigns.planning import PlannedCampaign, ScoredCampaign, plan_contacts, score_contacts
from serving.campaigns.schemas import ListRequest, PlanRequest, PlanTerms, RulesRequest, ValueByBalance
from serving.campaigns.shown import shown_of
from serving.champion.champion import Champion, ChampionStore, PublishedState
from serving.decisions.payloads import Payloads, check_date, decoded
from serving.decisions.schemas import EconomicsRequest, PredictionRequest
from serving.decisions.scoring import economics_of
from serving.web.bodies import JsonBody
from serving.web.problems import FieldError, PayloadError

PLAN_BODY_BYTES = 100_000_000
BY_CONTACT = "by contact"  # column name, in the answer's `amounts`, of amounts that contacts state themselves


def plan_route(payloads: Payloads) -> HTTPRouteHandler:
    """The route, for requests under a contract."""
    customer = payloads.example
    body_reader = JsonBody(
        PlanRequest,
        example={
            "contacts": [customer, {**customer, "contact_id": "c-2", "economics": {"value_eur": 80}}],
            "budget_eur": 500,
            "capacity": 100,
            "rules": {"max_contacts_in_campaign": 3},
            "suppressed": ["c-9"],
        },
        scope="predict",
    )

    @post(
        "/api/v1/campaigns/plan",
        operation_id="plan_campaign",
        **body_reader.route,
        tags=["campaigns"],
        status_code=200,
        request_max_body_size=PLAN_BODY_BYTES,
        summary="Whom to call under a budget and a capacity",
    )
    async def plan(
        request: Request[Any, Any, Any],
        body: RawBody,
        store: NamedDependency[ChampionStore],
        call_lists: NamedDependency[CallListService],
        planning: NamedDependency[PlanSettings],
    ) -> dict[str, Any]:
        """Calls in order, expected profit with interval, profit curve; nobody on the suppression list is in it."""
        data = body_reader.read(body, request.scope["headers"])
        champion, published = store.current, store.state
        return await asyncio.to_thread(lambda: plan_campaign(data, champion, published, planning, call_lists, payloads))

    return plan


def contacts_of(parts: Sequence[msgspec.Raw], payloads: Payloads) -> list[PredictionRequest]:
    """The contacts of a request."""
    contacts, errors = [], []
    for position, part in enumerate(parts):
        try:
            contact = payloads.request_of(decoded(part))
        except PayloadError as error:
            errors += [FieldError(f"contacts[{position}].{e.field}", e.expected, e.found, e.rule) for e in error.errors]
            continue
        contacts.append(contact)
        if contact.contact_id is None:
            errors.append(
                FieldError(f"contacts[{position}].contact_id", "text: the plan must say whom to call", "nothing")
            )
    if errors:
        raise PayloadError(*errors[:200])
    return contacts


def economics_by_contact(
    contacts: Sequence[PredictionRequest], request: PlanTerms, economics: Economics, scored: ScoredCampaign
) -> tuple[Economics, ScoredCampaign]:
    """Cost and value of each contact: its own, else the request's value by balance, else the platform's."""
    if request.value_by_balance is not None:
        economics = replace(economics, value_amount=_value_by_balance(request.value_by_balance, scored.contract))
    if all(contact.economics is None for contact in contacts):
        return economics, scored
    stated = [contact.economics or EconomicsRequest() for contact in contacts]
    columns = {
        f"cost_eur {BY_CONTACT}": _or_else([one.cost_eur for one in stated], economics.cost(scored.frame)),
        f"value_eur {BY_CONTACT}": _or_else([one.value_eur for one in stated], economics.value(scored.frame)),
    }
    cost, value = (ColumnAmount(name) for name in columns)
    by_contact = replace(economics, cost_amount=cost, value_amount=value)
    return by_contact, replace(scored, frame={**scored.frame, **columns})


def _or_else(stated: Sequence[float | None], amounts: FloatArray) -> FloatArray:
    own = np.array(stated, dtype=np.float64)
    return np.where(np.isnan(own), amounts, own)


def _value_by_balance(requested: ValueByBalance, contract: Contract) -> BalanceAmount:
    money = [column.source for column in contract.payload if column.unit == "EUR"]
    if len(money) != 1:
        raise EconomicsError(
            f"value by balance: expected one column in EUR in contract {contract.name}, found {money}; "
            "state the value of each contact in its `economics`."
        )
    return BalanceAmount(requested.share, requested.minimum_eur, requested.maximum_eur, money[0])


def scored_contacts(
    request: PlanRequest | ListRequest, champion: Champion, published: PublishedState, payloads: Payloads
) -> ScoredList:
    """The contacts of a request, scored; its `list_id` seeds the draws."""
    parts, name = request.contacts or [], request.list_id or ""
    contacts, digest = contacts_of(parts, payloads), hashlib.sha256(b"\n".join(bytes(one) for one in parts))
    day = request.contact_date or dt.datetime.now(dt.UTC).date()
    scored = score_contacts(contacts, day, champion, published, payloads)
    return ScoredList(name, "", CampaignContacts(digest.hexdigest(), contacts, []), scored, name)


def planned_under(
    request: PlanTerms, chosen: ScoredList, default: PlanSettings, call_lists: CallListService, revises: str = ""
) -> tuple[ScoredList, PlannedCampaign]:
    """The plan of a request. Its suppressions add to the platform's; nothing takes a person off that list.

    Raises:
        EconomicsError, PlanError, HoldoutError, ExplorationError, SuppressionError: an amount, limit, share or rule is
            unusable.
    """
    economics = economics_of(request.economics, default.economics)
    by_contact, scored = economics_by_contact(chosen.read.contacts, request, economics, chosen.scored)
    limits, rules = CallLimits(request.budget_eur, request.capacity), request.rules or RulesRequest()
    learning = request.learning
    settings = PlanSettings(
        by_contact,
        limits,
        FrequencyRules(rules.max_contacts_in_campaign, rules.min_days_since_previous_contact),
        request.holdout_share,
        learning=default.learning if learning is None else LearningBudget(**msgspec.structs.asdict(learning)),
        policy=default.policy,
    )
    if learning is None:
        settings = settings.exploring_each_day(scored.frame, scored.contact_date)
    suppression = SuppressionList.of([*call_lists.suppressions.read().customer_ids, *request.suppressed])
    chosen = replace(chosen, scored=scored)
    return chosen, plan_contacts(scored, call_lists.protected(settings, chosen, revises), suppression, chosen.seed)


def plan_campaign(
    request: PlanRequest,
    champion: Champion,
    published: PublishedState,
    default: PlanSettings,
    call_lists: CallListService,
    payloads: Payloads,
) -> dict[str, Any]:
    """The answer to a plan request; errors are those of `planned_under`."""
    check_date(request.contact_date)
    chosen = scored_contacts(request, champion, published, payloads)
    chosen, planned = planned_under(request, chosen, default, call_lists)
    economics = economics_of(request.economics, default.economics)
    return {**_answer(planned, economics), "shown": shown_of(chosen, planned)}


def _answer(planned: PlannedCampaign, economics: Economics) -> dict[str, Any]:
    """Totals, curve, the calls in their order, and everybody else with the reason."""
    plan, scored, settings = planned.plan, planned.scored, planned.settings
    names = [
        {"contact_id": str(contact), "customer_id": str(person)}
        for contact, person in zip(plan.contact_id, scored.persons, strict=True)
    ]
    calls = [
        {
            **names[row],
            "rank": int(plan.rank[row]),
            "probability": float(plan.probability[row]),
            "probability_low": float(scored.scores.low[row]),
            "probability_high": float(scored.scores.high[row]),
            "decile": int(plan.decile[row]),
            "cost_eur": float(plan.cost_eur[row]),
            "value_eur": float(plan.value_eur[row]),
            "expected_profit_eur": float(plan.expected_profit_eur[row]),
            **_why(plan, row),
        }
        for row in plan.call_order
    ]
    others = np.flatnonzero(~plan.is_called)
    champion, by_contact = scored.champion, settings.economics
    return {
        "model": {"name": MODEL_NAME, "version": champion.version, "digest": champion.digest},
        "as_of": scored.published.as_of,
        "stale_features": scored.n_stale > 0,
        "economics": economics.to_dict(),
        "amounts": msgspec.to_builtins({"cost": by_contact.cost_amount, "value": by_contact.value_amount}),
        "rules": asdict(settings.rules),
        "suppression_sha256": planned.suppression.digest,
        **plan.summary(),
        "forecast": asdict(planned.forecast),
        "calls": calls,
        "not_called": [{**names[row], **_why(plan, row)} for row in others],
    }


def _why(plan: CallPlan, row: Any) -> dict[str, Any]:
    until = plan.until[row]
    why = {"reason": str(plan.reason[row]), "propensity": float(plan.propensity[row])}
    return why if np.isnat(until) else {**why, "until": str(until)}
