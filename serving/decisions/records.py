"""Reading the record: one decision with its lineage, searches, verification."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import msgspec
from sqlalchemy import Engine

from bank_assets.ledger import chain, decisions, outcomes
from bank_assets.ledger.records import Decision
from serving.decisions.record_schemas import (
    ChainLink,
    DecisionRecord,
    DecisionSummary,
    Lineage,
    OutcomeReport,
    SearchPage,
    VerifyAnswer,
)
from serving.decisions.schemas import Flag, ModelReference, ReasonNotToCall
from serving.decisions.scoring import reason_of
from serving.web.answers import from_record
from serving.web.problems import FieldError, NotFoundError, PayloadError

Document = Callable[[Decision], dict[str, Any] | None]
"""Finds the decision.json of the version that a record names, or None if it is out of reach."""


def decision_on_record(engine: Engine, decision_id: str) -> Decision:
    """One decision."""
    found = decisions.get(engine, decision_id)
    if found is None:
        raise NotFoundError(
            f"prediction: expected one on record, found none with id {decision_id[:40]!r}; check the id."
        )
    return found


def flags_on_record(found: Decision) -> list[Flag]:
    """The warnings that a decision was recorded with."""
    return msgspec.convert(found.flags, list[Flag])


def _reason(found: Decision) -> ReasonNotToCall | None:
    return reason_of(found.decision, flags_on_record(found))


def full_record(engine: Engine, decision_id: str, document: Document) -> DecisionRecord:
    """A decision with lineage, chain and outcomes."""
    found = decision_on_record(engine, decision_id)
    content = document(found) or {}
    recipe, training = content.get("recipe", {}), content.get("training", {})
    lineage = from_record(
        Lineage,
        found,
        data_source=training.get("source"),
        is_real_data=training.get("is_real"),
        algorithm=recipe.get("algorithm"),
        sampler=recipe.get("sampler"),
        hyper_parameters=recipe.get("parameters"),
        git_revision=training.get("git_revision"),
    )
    return from_record(
        DecisionRecord,
        found,
        reason=_reason(found),
        model=ModelReference(found.model_name, found.model_version, found.model_digest),
        lineage=lineage,
        chain=from_record(ChainLink, found),
        outcomes=[from_record(OutcomeReport, outcome) for outcome in outcomes.of_decision(engine, decision_id)],
    )


def search(
    engine: Engine,
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
    found = decisions.search(
        engine,
        **equal,
        since=iso_time("since", since),
        until=iso_time("until", until),
        before_seq=_cursor(cursor),
        limit=limit,
    )
    rows = [
        from_record(DecisionSummary, one, reason=_reason(one), is_erased=one.erased_at is not None)
        for one in found.decisions
    ]
    return SearchPage(rows, None if found.next_cursor is None else str(found.next_cursor))


def check_either(body: object, *names: str) -> None:
    """Refuse a body that has both or neither of two fields.

    Raises:
        PayloadError: it does not have exactly one of them.
    """
    given = [name for name in names if getattr(body, name) is not None]
    if len(given) != 1:
        raise PayloadError(FieldError(names[0], f"either {' or '.join(names)}", "both" if given else "neither"))


def iso_time(name: str, text: str | None) -> str | None:
    """A client's time as the ledger writes times; a day is its midnight."""
    if text is None:
        return None
    try:
        moment = dt.datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment.astimezone(dt.UTC)
    except (ValueError, OverflowError):
        raise PayloadError(FieldError(name, "an ISO date or time, UTC if no zone is given", repr(text))) from None
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ").zfill(27)


def _cursor(text: str | None) -> int | None:
    if text is None:
        return None
    # 18 digits fit a BIGINT whatever they are.
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise PayloadError(FieldError("cursor", "the `next` of an earlier page", repr(text)))
    return int(text)


def verify(engine: Engine, anchor: chain.Anchor | None = None) -> VerifyAnswer:
    """Verify the whole chain."""
    result = chain.verify(engine, anchor)
    return from_record(VerifyAnswer, result, records=result.n, head_seq=result.head.seq, head_hash=result.head.hash)
