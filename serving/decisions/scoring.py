"""From requests to decisions that are not yet on record.

Single requests and uploads take this one path, so a row gets the same number either way.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter
from typing import Any, Final, Literal, cast

import msgspec
import numpy as np
from msgspec import UNSET, UnsetType

from bank_assets.core.arrays import FloatArray, Rows, rows_at
from bank_assets.core.economics.call_plan import NOT_WORTH_CALLING
from bank_assets.core.economics.contact_policy import POLICY_RULES
from bank_assets.core.economics.economics import Economics
from bank_assets.core.economics.exploration import LearningBudget
from bank_assets.core.economics.suppression import CUSTOMER_ID, RULE_TEXTS, SUPPRESSED, SuppressionList
from bank_assets.core.features.feature_set import current_features, is_stale
from bank_assets.ledger.engine import utc_now
from bank_assets.ledger.ids import new_id
from bank_assets.ledger.models import canonical_json
from bank_assets.ledger.randomized import PROPENSITY
from bank_assets.ledger.records import Draft
from bank_assets.store.decision_records import facts_of_model, flags_of_model
from serving.champion.champion import Champion, ChampionStore, PublishedState
from serving.customers.contact_rules import ContactRules
from serving.customers.suppressions import Suppressions
from serving.decisions.payloads import Payloads, getter
from serving.decisions.schemas import (
    EconomicsRequest,
    EconomicsUsed,
    Flag,
    ModelReference,
    Prediction,
    PredictionRequest,
    ReasonNotToCall,
)

OUTSIDE: Final = "outside_training_range"
CONTRADICTION: Final = "contradicts_another_value"
# Recorded with a decision about a customer who objected: the score stays as it is, but the decision is not to call.
OBJECTED: Final = Flag(SUPPRESSED, "contact_id", "a customer not on the suppression list", RULE_TEXTS[SUPPRESSED])
EXCLUDED: Final = "a customer whom the contact policy allows to call"
PROTECTS: Final = (SUPPRESSED, *POLICY_RULES)  # flags of what no profit overrides
# Whether to call, expected profit, threshold, cost and value of one row, EUR.
Judgement = tuple[bool, float, float, float, float]
_EPOCH: Final = dt.date(1970, 1, 1).toordinal()


# Not frozen, because that costs each request 0.3 us for either class.
@dataclass(slots=True)
class DecisionRequest:
    """One request with what surrounds it."""

    request: PredictionRequest
    actor: str
    batch_id: str | None = None
    explores: bool = False  # a randomized answer; needs a contact id
    excluded: Flag | None = None  # the rule of the contact policy that forbids the call; see `DecisionMaker.protect`


@dataclass(slots=True)
class Decided:
    """A decision and its draft, which must be recorded before the answer leaves."""

    draft: Draft
    flags: list[Flag]
    economics: EconomicsUsed
    propensity: float | UnsetType = UNSET


def economics_of(requested: EconomicsRequest | None, default: Economics) -> Economics:
    """The economics of a request: what it states, the platform's for the rest."""
    if requested is None:
        return default
    return default.stating(requested.cost_eur, requested.value_eur)


def model_flags(champion: Champion) -> list[Flag]:
    """What everybody who reads a decision of this model has to know."""
    return [Flag(**flag) for flag in flags_of_model(champion.version, champion.decision)]


def flagging(ranges: Mapping[str, Sequence[float]], payloads: Payloads) -> Callable[[PredictionRequest], list[Flag]]:
    """A function that warns of values that training has never seen, or that contradict each other.

    Its warnings ask to read a decision with care. It is made once for a group of requests, whose columns and limits
    would otherwise be looked up for each.
    """
    agreements = [(attrgetter(one.table, other.table), one, other, one.nothing, other.nothing)
                  for one, other in payloads.contract.agreements]  # fmt: skip
    limits = [(name, low, high) for name, (low, high) in ranges.items()]
    values_of = getter([payloads.attributes[name] for name in ranges])

    def flags_of(request: PredictionRequest) -> list[Flag]:
        flags: list[Flag] = []
        for pair, one, other, nothing, other_nothing in agreements:
            value, found = pair(request)
            if value != nothing and found == other_nothing:
                expected = f"not {other_nothing}, since {one.source} is {value}"
                flags.append(Flag(CONTRADICTION, other.source, expected, f"{found}"))
        for (name, low, high), value in zip(limits, values_of(request), strict=True):
            if not low <= value <= high:
                flags.append(Flag(OUTSIDE, name, f"{low:g} to {high:g}", f"{value:g}"))
        return flags

    return flags_of


@dataclass(frozen=True, slots=True)
class DecisionMaker:
    """Decides under the app's contract and economics; recording the decisions is left to the caller."""

    store: ChampionStore
    suppressions: Suppressions
    economics: Economics
    payloads: Payloads
    code_version: str
    learning: LearningBudget = LearningBudget()
    contact_rules: ContactRules | None = None  # of a declared contact policy

    def protect(self, requested: Sequence[DecisionRequest]) -> None:
        """Note which rule of the contact policy forbids to call a customer who is named; call it in a thread."""
        named = [one for one in requested if one.request.customer_id is not None]
        if self.contact_rules is None or not named:
            return
        today = dt.datetime.now(dt.UTC).date()
        days = [one.request.contact_date or today for one in named]
        found = self.contact_rules.excluded([str(one.request.customer_id) for one in named], days)
        for one, (rule, until) in zip(named, found, strict=True):
            if rule:
                one.excluded = Flag(rule, CUSTOMER_ID, EXCLUDED, f"{RULE_TEXTS[rule]}, until {until}")

    def decide(
        self,
        requested: Sequence[DecisionRequest],
        champion: Champion,
        published: PublishedState,
        suppression: SuppressionList,
    ) -> list[Decided]:
        """Score requests together and decide each; features follow the champion's contract, not the app's."""
        # A single row is scored as two equal ones; doubled here it costs less than column by column in the scorer.
        requests = [one.request for one in (requested if len(requested) > 1 else (*requested, *requested))]
        today = dt.datetime.now(dt.UTC).date()
        days = [request.contact_date or today for request in requests]
        # From ordinals: numpy takes 1 us for each date object.
        dates = np.array([day.toordinal() - _EPOCH for day in days]).astype("datetime64[D]")
        frame = self.payloads.frame_of(requests)
        features = current_features(frame, dates, published.state, champion.contract, has_plan=False)
        scores = champion.scorer.score(features, log_odds_shift=published.state.log_odds_shift)
        numbers = zip(scores.probability.tolist(), scores.low.tolist(), scores.high.tolist(), strict=True)
        judged = self._judged(requested, scores.probability, frame, champion)
        rows = zip(requested, days, numbers, judged, is_stale(dates, published.state).tolist(), strict=False)
        f1_threshold = float(champion.decision["thresholds"]["f1"])
        shared, of_model = self._shared(champion, published), model_flags(champion)
        flags_of = flagging(champion.decision["feature_ranges"], self.payloads)
        decided = []
        for one, day, (probability, low, high), (worth_calling, profit, threshold, cost, value), stale in rows:
            request = one.request
            flags = [*of_model, *flags_of(request)]
            forbids = OBJECTED if suppression.covers(request.contact_id, request.customer_id) else one.excluded
            if forbids is not None:
                flags.insert(0, forbids)
            is_called, propensity = worth_calling and forbids is None, None
            if one.explores:
                is_called, propensity = self._randomized(request, is_called, forbids is not None)
            economics, text = _used(cost, value, propensity)
            draft = Draft(
                **shared,
                id=new_id(),
                actor=one.actor,
                batch_id=one.batch_id,
                contact_id=request.contact_id,
                customer_id=request.customer_id,
                contact_date=day.isoformat(),
                payload=self.payloads.text_of(request),
                probability=probability,
                probability_low=low,
                probability_high=high,
                prediction="yes" if probability >= f1_threshold else "no",
                decision="call" if is_called else "do_not_call",
                threshold=threshold,
                expected_profit_eur=profit,
                economics=text,
                stale_features=stale,
                flags=canonical_json([msgspec.structs.asdict(flag) for flag in flags]) if flags else "[]",
            )
            decided.append(Decided(draft, flags, economics, UNSET if propensity is None else propensity))
        return decided

    def _randomized(self, request: PredictionRequest, is_called: bool, is_forbidden: bool) -> tuple[bool, float]:
        """Whether to call, and the probability of that; no draw overrides an objection or the contact policy."""
        return (False, 0.0) if is_forbidden else self.learning.answer(request.contact_id or "", is_called)

    def _judged(
        self, requested: Sequence[DecisionRequest], proba: FloatArray, frame: Rows, champion: Champion
    ) -> list[Judgement]:
        """Judgements of all rows: by the platform's economics, or by those that the request states."""
        default = self.economics.for_model(champion.decision)
        judged = _judged(default, proba, frame)
        for row, one in enumerate(requested):
            if one.request.economics is not None:
                at = slice(row, row + 1)
                (judged[row],) = _judged(economics_of(one.request.economics, default), proba[at], rows_at(frame, at))
        return judged

    def _shared(self, champion: Champion, published: PublishedState) -> dict[str, Any]:
        """The fields that all drafts of one call have in common."""
        known = champion.version, champion.digest, champion.decision, champion.run_id
        return {
            **facts_of_model(*known, self.payloads.contract, self.code_version),
            "decided_at": utc_now(),
            "as_of": published.as_of,
            "as_of_features": published.text,
        }


def _judged(economics: Economics, proba: FloatArray, rows: Rows) -> list[Judgement]:
    parts = (
        economics.decide(proba, rows),
        economics.expected_profit(proba, rows),
        economics.threshold(rows),
        economics.cost(rows),
        economics.value(rows),
    )
    n = len(proba)
    # One amount for all rows is () and is repeated as a list: numpy takes 3 us to broadcast each.
    return list(zip(*(part.tolist() if part.ndim else [part.item()] * n for part in parts), strict=True))


@lru_cache(maxsize=1_024)
def _used(cost_eur: float, value_eur: float, propensity: float | None) -> tuple[EconomicsUsed, str]:
    used = EconomicsUsed(cost_eur, value_eur)
    randomized = {} if propensity is None else {PROPENSITY: propensity}
    return used, canonical_json(msgspec.structs.asdict(used) | randomized)


def reason_of(decision: str, flags: Iterable[Flag]) -> ReasonNotToCall | None:
    """Why a customer is not called, in the words of a plan; None if the decision is to call."""
    if decision == "call":
        return None
    return cast("ReasonNotToCall", next((one.flag for one in flags if one.flag in PROTECTS), NOT_WORTH_CALLING))


def prediction_of(decided: Decided) -> Prediction:
    """The answer to a client, made after the decision is on record."""
    draft = decided.draft
    return Prediction(
        id=draft.id,
        probability=draft.probability,
        probability_low=draft.probability_low,
        probability_high=draft.probability_high,
        prediction=cast("Literal['yes', 'no']", draft.prediction),
        decision=cast("Literal['call', 'do_not_call']", draft.decision),
        reason=reason_of(draft.decision, decided.flags),
        threshold=draft.threshold,
        expected_profit_eur=draft.expected_profit_eur,
        economics=decided.economics,
        model=ModelReference(draft.model_name, draft.model_version, draft.model_digest),
        as_of=draft.as_of,
        stale_features=draft.stale_features,
        decided_at=draft.decided_at,
        contact_date=draft.contact_date,
        flags=decided.flags,
        propensity=decided.propensity,
    )
