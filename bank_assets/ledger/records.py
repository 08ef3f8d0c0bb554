"""A decision before it is on record (`Draft`), as it is read back (`Decision`), and a page of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

RowId = tuple[str, int]  # list id and row, from 1


def row_of(decision_id: str) -> RowId | None:
    """The row of a list that an id names, `<list id>.<row>`; None if it is the id of a single decision."""
    list_id, _, row = decision_id.partition(".")
    return (list_id, int(row)) if row.isascii() and row.isdecimal() and len(row) < 10 else None


@dataclass(slots=True)
class _Facts:
    """What a decision has before and after it is recorded; probabilities and threshold lie in [0, 1]."""

    id: str  # UUIDv7
    decided_at: str  # see `engine.utc_now`
    actor: str  # name of the user or API key, or `local`
    batch_id: str | None  # groups the rows of one upload
    contact_id: str | None  # if the client gave one; erasable
    customer_id: str | None  # person behind the contact, if the client named one; erasable
    contact_date: str  # day of the planned call, ISO
    probability: float  # calibrated probability of a subscription
    probability_low: float  # ends of its range
    probability_high: float
    prediction: str  # `yes` or `no`, by the model's F1 threshold
    decision: str  # `call` or `do_not_call`, by the economics
    threshold: float  # break-even probability
    expected_profit_eur: float  # probability x value - cost, EUR
    model_name: str
    model_version: str  # in the registry
    model_digest: str  # of the bundle that scored
    mlflow_run_id: str | None  # run that trained it
    training_snapshot: str | None  # content hash of its training set
    as_of: str | None  # date of the as-of state, ISO
    stale_features: bool  # the contact date is too far past `as_of`
    contract_version: str
    code_version: str
    onnxruntime_version: str
    cpu_architecture: str  # replay is exact on the same one


@dataclass(slots=True)
class Draft(_Facts):
    """A decision that is not yet on record, with nested values as canonical JSON text."""

    payload: str  # the customer's values by delivery name; erasable
    economics: str  # cost and value, EUR
    as_of_features: str
    flags: str  # warnings such as `outside_training_range`


@dataclass(frozen=True, slots=True)
class ListedRow:
    """What a row of a list has besides a decision: its place in the plan, and the proof that it is in its block."""

    list_id: str
    list_name: str
    row: int  # from 1, in the order of the list as it was read
    reason: str  # why the contact is called or not, a key of `REASON_TEXTS`
    rank: int  # place in the order of calls from 1; 0 if not called
    decile: int  # 1 for the tenth of the list with the highest expected profit
    record: str  # canonical JSON, the leaf of the block's tree
    block: int
    leaf_index: int  # from 0, in the block
    tree_size: int
    path: list[str]  # hashes that lead from the leaf to the root, hex
    merkle_root: str  # as recorded, hex


@dataclass(slots=True)
class Decision(_Facts):
    """A decision on record, as it is read back."""

    seq: int  # position in the chain, from 1
    payload: dict[str, Any] | None  # None once erased
    economics: dict[str, Any]
    as_of_features: dict[str, Any]
    flags: list[Any]
    payload_hash: str  # salted, binds the payload
    previous_hash: str  # hash of the record before
    hash: str
    erased_at: str | None
    erased_why: str | None
    listed: ListedRow | None = None  # of a row of a list; its chain is that of the events, its place that of the list's

    @property
    def person(self) -> str | None:
        """Whom the decision is about: the customer or, where none was named, the contact; None if neither was."""
        return self.customer_id or self.contact_id


@dataclass(frozen=True, slots=True)
class FoundRow:
    """A row of a list as a search finds it."""

    id: str
    seq: int  # of the list's event
    decided_at: str
    actor: str
    list_name: str
    contact_id: str | None
    person: str | None
    contact_date: str
    probability: float
    decision: str
    reason: str
    expected_profit_eur: float
    model_version: str
    erased_at: None = None  # an erased row is not in the index


class CursorError(ValueError):
    """A cursor is not the `next_cursor` of an earlier page."""


@dataclass(frozen=True, slots=True)
class DecisionPage:
    """One page of a search, newest first; pass `next_cursor` as `before` to get the next page."""

    decisions: list[Decision | FoundRow]
    next_cursor: str | None
