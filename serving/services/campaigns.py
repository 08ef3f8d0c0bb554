"""Planning a campaign: a list and limits in, whom to call and what it should bring out.

What lives here: scoring a whole list as the plan of its day, planning, the forecast. What must not: HTTP, SQL.
Called by `POST /campaigns/plan` and the campaign page.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bank_assets.contract import MODEL_NAME
from bank_assets.core.call_plan import CallPlan
from bank_assets.core.economics import Economics
from bank_assets.core.features import current_features, is_stale
from bank_assets.core.forecast import ListForecast, forecast_list
from bank_assets.core.planner import CallLimits, plan_calls
from bank_assets.core.shift import Shift
from bank_assets.core.suppression import SuppressionList
from bank_assets.core.value_models import ConstantAmount, resolve_economics
from serving.champion import Champion, PublishedState
from serving.errors import FieldError, PayloadError
from serving.payloads import decoded, request_of
from serving.schemas.campaigns import PlanRequest
from serving.schemas.predictions import PredictionRequest
from serving.services.scoring import economics_of, frame_of


@dataclass(frozen=True, slots=True)
class PlannedCampaign:
    """A plan with what it rests on.

    Attributes:
        plan: whom to call.
        forecast: profit and subscriptions of the calls, with intervals.
        champion: model that scored.
        as_of: day of the as-of state.
        stale_features: some contact date is too far past it.
        economics: cost and value used.
    """

    plan: CallPlan
    forecast: ListForecast
    champion: Champion
    as_of: str
    stale_features: bool
    economics: Economics

    def to_dict(self) -> dict[str, Any]:
        """JSON form: totals, curve, and the calls in their order."""
        plan = self.plan
        calls = [
            {
                "contact_id": str(plan.contact_id[row]),
                "rank": int(plan.rank[row]),
                "probability": float(plan.probability[row]),
                "decile": int(plan.decile[row]),
                "expected_profit_eur": float(plan.expected_profit_eur[row]),
            }
            for row in plan.call_order
        ]
        return {
            "model": {"name": MODEL_NAME, "version": self.champion.version, "digest": self.champion.digest},
            "as_of": self.as_of,
            "stale_features": self.stale_features,
            "economics": self.economics.to_dict(),
            **plan.summary(),
            "forecast": self.forecast.to_dict(),
            "calls": calls,
        }


def contacts_of(request: PlanRequest) -> list[PredictionRequest]:
    """The contacts of a plan request.

    Raises:
        PayloadError: a contact does not fit or has no id; fields are named `contacts[position].field`.
    """
    contacts, errors = [], []
    for position, part in enumerate(request.contacts):
        try:
            contact = request_of(decoded(part))
        except PayloadError as error:
            errors += [FieldError(f"contacts[{position}].{e.field}", e.expected, e.found, e.rule) for e in error.errors]
            continue
        contacts.append(contact)
        if contact.contact_id is None:
            errors.append(
                FieldError(f"contacts[{position}].contact_id", "text: the plan must say whom to call", "nothing")
            )
    if errors:
        raise PayloadError(tuple(errors[:200]))
    return contacts


def plan_campaign(
    contacts: Sequence[PredictionRequest],
    request: PlanRequest,
    champion: Champion,
    published: PublishedState,
    default: Economics,
    suppressed: frozenset[str],
) -> PlannedCampaign:
    """Score a list as the plan of its day and choose whom to call. Takes a thread for long lists.

    Args:
        contacts: the list.
        request: limits, economics, day, hold-out.
        champion: the model.
        published: the as-of state.
        default: the platform's economics.
        suppressed: contacts that must not be called.

    Returns:
        The plan with its forecast.

    Raises:
        EconomicsError, PlanError, HoldoutError: an amount, limit or share is unusable.
    """
    economics = economics_of(request.economics, default)
    day = request.contact_date or dt.datetime.now(dt.UTC).date()
    dates = np.array([contact.contact_date or day for contact in contacts], dtype="datetime64[D]")
    frame = frame_of(contacts)
    features = current_features(frame, dates, published.state, has_plan=True)
    scores = champion.scorer.score(features, log_odds_shift=published.state.log_odds_shift)
    amounts = resolve_economics(
        ConstantAmount(economics.cost_eur), ConstantAmount(economics.value_eur), frame, len(contacts)
    )
    plan = plan_calls(
        [str(contact.contact_id) for contact in contacts],
        scores.probability,
        amounts,
        limits=CallLimits(request.budget_eur, request.capacity),
        columns=frame,
        suppression=SuppressionList.of(suppressed),
        list_id=request.list_id,
        holdout_share=request.holdout_share,
    )
    stated = champion.decision.get("shift")
    shift = Shift.from_dict(stated) if stated else Shift()
    called = plan.is_called
    forecast = forecast_list(
        plan.probability[called], plan.cost_eur[called], plan.value_eur[called], shift, day=dates[called]
    )
    return PlannedCampaign(
        plan, forecast, champion, published.as_of, bool(is_stale(dates, published.state).any()), economics
    )
