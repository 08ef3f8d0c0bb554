"""Decisions on record: read, searched, verified, explained, run again.

Reasons and replays come from the recorded inputs and the recorded model version. They take about 10 ms, or longer if
the version has to be fetched: call them in a thread.
"""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import numpy as np
import onnxruntime
from numpy.typing import NDArray
from sqlalchemy import Engine

from bank_assets.contract.contract import Contract
from bank_assets.contract.values import found_words, utc_text
from bank_assets.core.features.as_of import AsOfState
from bank_assets.core.features.contacts import frame_from_deliveries
from bank_assets.core.features.feature_set import current_features
from bank_assets.core.model.explanations import Explainer
from bank_assets.core.model.reasons import ReasonGiven, reasons_of
from bank_assets.core.model.scorer import BundleError
from bank_assets.ledger import chain, decisions, outcomes
from bank_assets.ledger.randomized import PROPENSITY
from bank_assets.ledger.records import CursorError, Decision, Draft, FoundRow
from bank_assets.store.decision_records import cpu_architecture
from bank_assets.store.registry import Registry, RegistryUnavailableError, UnknownVersionError, Version
from serving.champion.champion import Champion, ChampionStore
from serving.decisions.record_schemas import (
    ChainLink,
    DecisionRecord,
    DecisionSummary,
    Lineage,
    Replay,
    SearchPage,
    VerifyAnswer,
)
from serving.decisions.schemas import EconomicsUsed, Flag, ModelReference, Reasons
from serving.decisions.scoring import reason_of
from serving.web.answers import from_record
from serving.web.problems import FieldError, NotFoundError, PayloadError
from serving.web.remembered import Remembered

LOADED_VERSIONS: Final = 4  # old versions kept in memory: an audit usually looks at neighbours
NUMBERS: Final = ("probability", "probability_low", "probability_high")
RECALIBRATION: Final = "recalibration"
RECALIBRATION_LABEL: Final = "How well recent predictions matched their outcomes"


@dataclass(frozen=True, slots=True)
class Records:
    """Reads, searches, verifies, explains and replays the decisions on record."""

    engine: Engine
    store: ChampionStore
    registry: Registry
    contract: Contract
    code_version: str
    _loaded: Remembered[Champion] = field(default_factory=lambda: Remembered(LOADED_VERSIONS))
    _explainers: Remembered[Explainer] = field(default_factory=lambda: Remembered(LOADED_VERSIONS))

    def get(self, decision_id: str) -> Decision:
        """One decision; `NotFoundError` if there is none."""
        found = decisions.get(self.engine, decision_id)
        if found is None:
            raise NotFoundError(
                f"prediction: expected one on record, found none with id {decision_id[:40]!r}; check the id."
            )
        return found

    def full(self, decision: Decision) -> DecisionRecord:
        """A decision with its lineage, place in the chain and outcomes."""
        try:
            document = self._version_of(decision).decision
        except (BundleError, RegistryUnavailableError, UnknownVersionError, OSError):
            document = {}  # a version that is out of reach must not hide the record
        recipe, training = document.get("recipe", {}), document.get("training", {})
        lineage = from_record(
            Lineage,
            decision,
            data_source=training.get("source"),
            is_real_data=training.get("is_real"),
            algorithm=recipe.get("algorithm"),
            sampler=recipe.get("sampler"),
            hyper_parameters=recipe.get("parameters"),
            git_revision=training.get("git_revision"),
        )
        flags = flags_on_record(decision)
        return from_record(
            DecisionRecord,
            decision,
            reason=why_not(decision),
            flags=flags,
            customer_id=decision.person,
            economics=msgspec.convert(decision.economics, EconomicsUsed),
            propensity=decision.economics.get(PROPENSITY, msgspec.UNSET),
            model=_model_of(decision),
            lineage=lineage,
            chain=from_record(ChainLink, decision),
            outcomes=outcomes.of_decision(self.engine, decision.id, decision.contact_id),
        )

    def search(
        self,
        *,
        cursor: str | None = None,
        since: str | None = None,
        until: str | None = None,
        limit: int,
        **equal: str | None,
    ) -> SearchPage:
        """One page of a search by times and by criteria of `decisions.search` that must be equal; every one must hold.

        Raises:
            PayloadError: a time or the cursor cannot be read.
        """
        try:
            found = decisions.search(
                self.engine,
                **equal,
                since=iso_time("since", since),
                until=iso_time("until", until),
                before=cursor,
                limit=limit,
            )
        except CursorError:
            raise PayloadError(FieldError("cursor", "the `next` of an earlier page", repr(str(cursor)[:60]))) from None
        rows = [
            from_record(
                DecisionSummary,
                one,
                reason=why_not(one),
                customer_id=one.person,
                is_erased=one.erased_at is not None,
                list_name=one.list_name if isinstance(one, FoundRow) else None,
            )
            for one in found.decisions
        ]
        return SearchPage(rows, found.next_cursor)

    def verify(self, anchor: chain.Anchor | None) -> VerifyAnswer:
        """Verify the whole record."""
        found = chain.verify(self.engine, anchor)
        head = found.head
        return from_record(
            VerifyAnswer, found, records=found.n, head_seq=head.seq, head_hash=head.hash, anchor=str(head)
        )

    def replay(self, decision: Decision) -> Replay:
        """Score the recorded inputs with the recorded model version again and compare the numbers to the last bit.

        Raises:
            BundleError: the files of that version are not those that decided.
            RegistryUnavailableError: it is not on disk and the registry does not answer.
        """
        recorded = {name: getattr(decision, name) for name in NUMBERS}
        replayed = is_identical = None
        if decision.payload is not None:
            champion = self._version_of(decision)
            features, state = features_on_record(
                decision.payload, decision.contact_date, decision.as_of_features, champion.contract
            )
            scores = champion.scorer.score(features, log_odds_shift=state.log_odds_shift)
            parts = (scores.probability, scores.low, scores.high)
            replayed = {name: float(part[0]) for name, part in zip(NUMBERS, parts, strict=True)}
            is_identical = replayed == recorded
        then = (decision.code_version, decision.onnxruntime_version, decision.cpu_architecture)
        now = (self.code_version, onnxruntime.__version__, cpu_architecture())
        return Replay(
            id=decision.id,
            status="erased" if is_identical is None else "identical" if is_identical else "different",
            identical=is_identical,
            recorded=recorded,
            replayed=replayed,
            model=_model_of(decision),
            environment={
                time: dict(zip(("code", "onnxruntime", "cpu"), ran, strict=True))
                for time, ran in (("then", then), ("now", now))
            },
            record_fault=decisions.fault_of(self.engine, decision.id) or None,
        )

    def reasons_of(self, decision: Draft | Decision) -> Reasons:
        """Signed reasons that add up to the probability of a decision, recorded or about to be.

        Raises:
            ExplainError: the bundle cannot explain.
            NotFoundError: the payload was erased.
            BundleError, RegistryUnavailableError: as of `replay`.
        """
        champion = self._version_of(decision)
        if isinstance(decision, Draft):
            payload, known = json.loads(decision.payload), json.loads(decision.as_of_features)
        else:
            payload, known = decision.payload, decision.as_of_features
        features, as_of = features_on_record(payload, decision.contact_date, known, champion.contract)
        explanation = self._explainers.get(champion.digest, lambda: Explainer(champion.scorer)).explain(features)
        values = {name: column[0] for name, column in features.items()}
        given = reasons_of(explanation, 0, values, champion.contract)
        rest = decision.probability - float(explanation.probability[0])
        if rest:
            given.append(ReasonGiven.of(RECALIBRATION, RECALIBRATION_LABEL, rest, as_of.log_odds_shift))
            given.sort(key=lambda reason: -abs(reason.probability_contribution))
        return Reasons(explanation.base_probability, explanation.base_log_odds, given)

    def _version_of(self, decision: Decision | Draft) -> Champion:
        """The model version that a decision names, with the digest it names."""
        key = (decision.model_version, decision.model_digest)
        champion = self.store.champion
        if champion is not None and (champion.version, champion.digest) == key:
            return champion
        version = Version(*key, decision.mlflow_run_id)
        return self._loaded.get(key, lambda: self.store.obtain(version, self.registry))


def why_not(found: Decision | FoundRow) -> str | None:
    """Why a customer is not called, None if the decision is to call."""
    if isinstance(found, FoundRow):
        reason = found.reason
    elif found.listed is not None:
        reason = found.listed.reason
    else:
        return reason_of(found.decision, flags_on_record(found))
    return None if found.decision == "call" else reason


def flags_on_record(found: Decision) -> list[Flag]:
    """The warnings that a decision was recorded with."""
    return msgspec.convert(found.flags, list[Flag])


def _model_of(decision: Decision) -> ModelReference:
    return ModelReference(decision.model_name, decision.model_version, decision.model_digest)


def features_on_record(
    payload: dict[str, Any] | None, contact_date: str, as_of_features: dict[str, Any], contract: Contract
) -> tuple[dict[str, NDArray[Any]], AsOfState]:
    """The features a decision was made from, built again from its record."""
    if payload is None:
        raise NotFoundError("payload: expected the customer's values on record, found that they were erased.")
    dates = np.array([dt.date.fromisoformat(contact_date)], dtype="datetime64[D]")
    state = AsOfState.from_dict(as_of_features)
    frame = frame_from_deliveries({name: np.array([value]) for name, value in payload.items()}, contract)
    return current_features(frame, dates, state, contract, has_plan=False), state


def iso_time(name: str, text: str | None, *, keeps_day: bool = False) -> str | None:
    """A client's time as the ledger writes times; see `utc_text`."""
    if text is None:
        return None
    if (found := utc_text(text, keeps_day=keeps_day)) is None:
        raise PayloadError(FieldError(name, "an ISO date or time, UTC if no zone is given", found_words(text)))
    return found


def anchor_of(text: str) -> chain.Anchor:
    """An anchor that a client sent as text."""
    try:
        return chain.Anchor.parse(text)
    except ValueError:
        expected = "what an earlier verification answered, number:hash:number:hash"
        raise PayloadError(FieldError("anchor", expected, found_words(text))) from None
