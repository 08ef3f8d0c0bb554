"""Reading the record: one decision with its lineage, searches, verification, erasure.

What lives here: ledger rows to answers. What must not: HTTP, SQL. Called by the predictions and audit routes and the
audit pages.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable
from typing import Any

import msgspec
from sqlalchemy import Engine

from bank_assets.ledger import chain, decisions, outcomes
from serving.decisions.outcome_schemas import OutcomeReport
from serving.decisions.record_schemas import (
    ChainLink,
    DecisionRecord,
    DecisionSummary,
    Lineage,
    SearchPage,
    VerifyAnswer,
)
from serving.decisions.schemas import Flag, ModelReference, ReasonNotToCall
from serving.decisions.scoring import reason_of
from serving.web.problems import FieldError, NotFoundError, PayloadError

Document = Callable[[decisions.Decision], dict[str, Any] | None]
"""Finds the decision.json of the version that a record names, or None if it is out of reach."""


def decision_on_record(engine: Engine, decision_id: str) -> decisions.Decision:
    """One decision.

    Raises:
        NotFoundError: no such decision.
    """
    found = decisions.get(engine, decision_id)
    if found is None:
        raise NotFoundError(
            f"prediction: expected one on record, found none with id {decision_id[:40]!r}; check the id."
        )
    return found


def outcome_report(outcome: outcomes.Outcome) -> OutcomeReport:
    """An outcome as the API shows it."""
    return OutcomeReport(**dataclasses.asdict(outcome))


def flags_on_record(found: decisions.Decision) -> list[Flag]:
    """The warnings that a decision was recorded with."""
    return msgspec.convert(found.flags, list[Flag])


def _reason(found: decisions.Decision) -> ReasonNotToCall | None:
    return reason_of(found.decision, flags_on_record(found))


def full_record(engine: Engine, decision_id: str, document: Document) -> DecisionRecord:
    """A decision with lineage, chain and outcomes.

    Args:
        engine: the ledger.
        decision_id: which.
        document: finds decision.json of its model version.

    Raises:
        NotFoundError: no such decision.
    """
    found = decision_on_record(engine, decision_id)
    content = document(found) or {}
    recipe, training = content.get("recipe", {}), content.get("training", {})
    lineage = Lineage(
        mlflow_run_id=found.mlflow_run_id,
        training_snapshot=found.training_snapshot,
        data_source=training.get("source"),
        is_real_data=training.get("is_real"),
        algorithm=recipe.get("algorithm"),
        sampler=recipe.get("sampler"),
        hyper_parameters=recipe.get("parameters"),
        git_revision=training.get("git_revision"),
        code_version=found.code_version,
        contract_version=found.contract_version,
        onnxruntime_version=found.onnxruntime_version,
        cpu_architecture=found.cpu_architecture,
    )
    return DecisionRecord(
        id=found.id,
        decided_at=found.decided_at,
        actor=found.actor,
        batch_id=found.batch_id,
        contact_id=found.contact_id,
        contact_date=found.contact_date,
        payload=found.payload,
        erased_at=found.erased_at,
        erased_why=found.erased_why,
        probability=found.probability,
        probability_low=found.probability_low,
        probability_high=found.probability_high,
        prediction=found.prediction,
        decision=found.decision,
        reason=_reason(found),
        threshold=found.threshold,
        expected_profit_eur=found.expected_profit_eur,
        economics=found.economics,
        model=ModelReference(found.model_name, found.model_version, found.model_digest),
        as_of=found.as_of,
        as_of_features=found.as_of_features,
        stale_features=found.stale_features,
        flags=found.flags,
        lineage=lineage,
        chain=ChainLink(found.seq, found.hash, found.previous_hash, found.payload_hash),
        outcomes=[outcome_report(outcome) for outcome in outcomes.of_decision(engine, decision_id)],
    )


def search(
    engine: Engine, *, cursor: str | None, since: str | None, until: str | None, limit: int, **equal: str | None
) -> SearchPage:
    """One page of a search.

    Args:
        engine: the ledger.
        cursor: `next` of the page before.
        since: first time, ISO.
        until: end, exclusive, ISO.
        limit: rows.
        equal: criteria of `decisions.search` that must be equal.

    Raises:
        PayloadError: a time or the cursor cannot be read.
    """
    found = decisions.search(
        engine,
        **equal,
        since=iso_time("since", since),
        until=iso_time("until", until),
        before_seq=_cursor(cursor),
        limit=limit,
    )
    rows = [
        DecisionSummary(
            d.id,
            d.seq,
            d.decided_at,
            d.actor,
            d.contact_id,
            d.contact_date,
            d.probability,
            d.decision,
            _reason(d),
            d.expected_profit_eur,
            d.model_version,
            d.erased_at is not None,
        )
        for d in found.decisions
    ]
    return SearchPage(rows, None if found.next_cursor is None else str(found.next_cursor))


def iso_time(name: str, text: str | None) -> str | None:
    """A client's time as the ledger writes times; a day is its midnight.

    Args:
        name: field or parameter, for the message.
        text: ISO date or time, UTC if no zone is given.

    Raises:
        PayloadError: it cannot be read.
    """
    if text is None:
        return None
    try:
        moment = dt.datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment.astimezone(dt.UTC)
    except (ValueError, OverflowError):
        raise PayloadError((FieldError(name, "an ISO date or time, UTC if no zone is given", repr(text)),)) from None
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ").zfill(27)


def _cursor(text: str | None) -> int | None:
    if text is None:
        return None
    # 18 digits fit a BIGINT whatever they are.
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise PayloadError((FieldError("cursor", "the `next` of an earlier page", repr(text)),))
    return int(text)


def verify(engine: Engine, anchor: chain.Anchor | None = None) -> VerifyAnswer:
    """Verify the whole chain."""
    result = chain.verify(engine, anchor)
    return VerifyAnswer(
        result.ok, result.n, result.erased, result.first_bad_seq, result.why, result.head.seq, result.head.hash
    )
