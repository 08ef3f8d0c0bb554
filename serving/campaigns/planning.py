"""From contacts to a plan, for the API and the campaign page alike. Long lists take a second: call it in a thread."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bank_assets.contract.contract import Contract
from bank_assets.core.arrays import Rows
from bank_assets.core.economics.call_plan import CallPlan
from bank_assets.core.economics.planner import PlanSettings, plan_calls
from bank_assets.core.economics.suppression import CONTACT_DATE, CUSTOMER_ID, SuppressionList, persons_of
from bank_assets.core.features.feature_set import current_features, is_stale
from bank_assets.core.model.forecast import ListForecast, forecast_list
from bank_assets.core.model.scorer import Scores
from bank_assets.core.model.shift import Shift
from serving.champion.champion import Champion, PublishedState
from serving.decisions.payloads import Payloads
from serving.decisions.schemas import PredictionRequest


@dataclass(frozen=True, slots=True)
class ScoredCampaign:
    """Contacts scored as the plan of their days.

    Attributes:
        contact_id: (n,) text.
        contact_date: (n,) datetime64[D].
        frame: payload columns, each (n,), and `customer_id` if a contact names a person.
        contract: that the list was read by.
        scores: probability and range, each (n,).
        champion: model that scored.
        published: as-of state used.
        n_stale: contacts whose day lies too far past it.
    """

    contact_id: list[str]
    contact_date: NDArray[np.datetime64]
    frame: Rows
    contract: Contract
    scores: Scores
    champion: Champion
    published: PublishedState
    n_stale: int

    @property
    def persons(self) -> Sequence[str] | NDArray[Any]:
        """The customer behind each contact, (n,)."""
        return persons_of(self.contact_id, self.frame)


@dataclass(frozen=True, slots=True)
class PlannedCampaign:
    """Whom to call, what the calls should bring, and what the plan rests on."""

    scored: ScoredCampaign
    settings: PlanSettings
    suppression: SuppressionList
    plan: CallPlan
    forecast: ListForecast


def score_contacts(
    contacts: Sequence[PredictionRequest],
    day: dt.date,
    champion: Champion,
    published: PublishedState,
    payloads: Payloads,
) -> ScoredCampaign:
    """Score a whole list."""
    dates = np.array([contact.contact_date or day for contact in contacts], dtype="datetime64[D]")
    frame = payloads.frame_of(contacts)
    features = current_features(frame, dates, published.state, champion.contract, has_plan=True)
    scores = champion.scorer.score(features, log_odds_shift=published.state.log_odds_shift)
    ids, persons = [str(contact.contact_id) for contact in contacts], [contact.customer_id for contact in contacts]
    if any(persons) or CUSTOMER_ID in payloads.contract.identifiers:
        frame[CUSTOMER_ID] = np.array(persons, dtype=object)
    return ScoredCampaign(
        ids, dates, frame, payloads.contract, scores, champion, published, int(is_stale(dates, published.state).sum())
    )


def plan_contacts(
    scored: ScoredCampaign, settings: PlanSettings, suppression: SuppressionList, list_id: str
) -> PlannedCampaign:
    """Choose whom to call, and forecast the calls; the list's id seeds the draws of explorers and hold-out group.

    Raises:
        PlanError, HoldoutError, ExplorationError, SuppressionError: a limit, share or rule is unusable.
    """
    plan = plan_calls(
        scored.contact_id,
        scored.scores.probability,
        {**scored.frame, CONTACT_DATE: scored.contact_date},
        scored.contract,
        replace(settings, economics=settings.economics.for_model(scored.champion.decision), suppression=suppression),
        list_id,
    )
    called = plan.is_called
    forecast = forecast_list(
        plan.probability[called],
        plan.cost_eur[called],
        plan.value_eur[called],
        Shift(**scored.champion.decision.get("shift", {})),
        scored.contact_date[called],
    )
    return PlannedCampaign(scored, settings, suppression, plan, forecast)
