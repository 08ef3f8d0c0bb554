"""Rows of lists on record: written in blocks, read, searched and erased like single decisions.

A row's decision id is `<list id>.<row>`, with rows from 1. The table `list_rows` is the index by contact and customer;
what was decided is read from the blocks, which `blocks.Block` binds to the event of their list.
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Connection, Engine, Select, delete, func, insert, select, tuple_, update

from bank_assets.ledger import merkle
from bank_assets.ledger.blocks import Block
from bank_assets.ledger.campaign_models import block_rows, campaign_lists, list_blocks, list_erasures, list_rows
from bank_assets.ledger.events import Recording
from bank_assets.ledger.models import events
from bank_assets.ledger.records import Decision, FoundRow, ListedRow, RowId

_SHARED: Final = (
    "decided_at", "actor", "model_name", "model_version", "model_digest", "mlflow_run_id", "training_snapshot", "as_of",
    "contract_version", "code_version", "onnxruntime_version", "cpu_architecture", "flags",
)  # fmt: skip
_OWN: Final = (
    "contact_date", "probability", "probability_low", "probability_high", "decision", "threshold",
    "expected_profit_eur",
)  # fmt: skip


def keep(recording: Recording, blocks: Iterable[Block]) -> None:
    """Store the blocks of a list under its event one after the other, and enter their rows in the index."""
    names = list_rows.columns.keys()
    for block in blocks:
        bounds = {name: getattr(block, name) for name in ("list_id", "first_row", "n_rows", "facts")}
        recording.insert(list_blocks, [{**bounds, "block": block.number, "merkle_root": block.root}])
        content = {"list_id": block.list_id, "block": block.number, "content": block.content}
        recording.connection.execute(insert(block_rows), content)
        entries = [dict(zip(names, entry, strict=True)) for entry in _entries(block)]
        recording.connection.execute(insert(list_rows), entries)


_BLOCKS: Final[Select[Any]] = (
    select(list_blocks, block_rows.c.content, events.c.hash, events.c.previous_hash)
    .join(block_rows, (block_rows.c.list_id == list_blocks.c.list_id) & (block_rows.c.block == list_blocks.c.block))
    .join(events, events.c.seq == list_blocks.c.event_seq)
)


def _block_of(stored: Any) -> Block:
    return Block(stored.list_id, stored.block, stored.first_row, stored.n_rows, stored.facts, stored.content)


def _stored_block(connection: Connection, list_id: str, row: int) -> Any:
    """The stored block that holds a row, or None."""
    bounds = (list_blocks.c.first_row <= row) & (row < list_blocks.c.first_row + list_blocks.c.n_rows)
    return connection.execute(_BLOCKS.where(list_blocks.c.list_id == list_id, bounds)).one_or_none()


def get(engine: Engine, list_id: str, row: int) -> Decision | None:
    """A row of a list as a decision with its proof of inclusion, or None."""
    with engine.connect() as connection:
        stored = _stored_block(connection, list_id, row)
        if stored is None:
            return None
        erased = select(list_erasures.c.at, list_erasures.c.reason).where(
            list_erasures.c.list_id == list_id, list_erasures.c.row == row
        )
        erasure = connection.execute(erased).one_or_none()
    block = _block_of(stored)
    place, facts = row - block.first_row, block.facts
    own = {name: column[place] for name, column in block.decided.items()}
    person = {name: column[place] for name, column in block.person.items()}
    is_erased = place in block.erased
    payload = {name: column[place] for name, column in block.payload.items()}
    day = own["contact_date"]
    return Decision(
        **{name: facts[name] for name in _SHARED},
        **{name: own[name] for name in _OWN},
        id=f"{list_id}.{row}",
        batch_id=list_id,
        contact_id=person["contact_id"],
        customer_id=person["customer_id"],
        prediction="yes" if own["probability"] >= facts["f1_threshold"] else "no",
        economics={name: own[name] for name in ("cost_eur", "value_eur", "propensity")},
        as_of_features={**facts["as_of_features"], "typical_plan": facts["plan_of_the_day"][day]},
        stale_features=day in facts["stale_days"],
        payload=None if is_erased else payload,
        payload_hash=block.payload_hashes[place],
        seq=stored.event_seq,
        previous_hash=stored.previous_hash,
        hash=stored.hash,
        erased_at=erasure.at if erasure else None,
        erased_why=erasure.reason if erasure else None,
        listed=_listed(block, place, own, stored.merkle_root),
    )


def _listed(block: Block, place: int, own: dict[str, Any], merkle_root: str) -> ListedRow:
    return ListedRow(
        list_id=block.list_id,
        list_name=block.facts["list_name"],
        row=block.first_row + place,
        **{name: own[name] for name in ("reason", "rank", "decile")},
        record=block.records[place],
        block=block.number,
        leaf_index=place,
        tree_size=block.n_rows,
        path=[one.hex() for one in merkle.proof_of(block.leaves, place)],
        merkle_root=merkle_root,
    )


def blocks_of(engine: Engine, list_id: str) -> Iterator[Block]:
    """The blocks of a list in their order."""
    with engine.connect() as connection:
        stored = connection.execute(_BLOCKS.where(list_blocks.c.list_id == list_id).order_by(list_blocks.c.block))
        yield from map(_block_of, stored)


def columns_of(
    engine: Engine, list_id: str, names: Sequence[str]
) -> tuple[dict[str, list[Any]], list[str | None], list[str | None]]:
    """What was decided about all rows of a list, by name, with their contacts and customers; None in erased rows."""
    blocks = list(blocks_of(engine, list_id))
    decided = {name: [value for one in blocks for value in one.decided[name]] for name in names}
    contacts, customers = (
        [value for one in blocks for value in one.person[name]] for name in ("contact_id", "customer_id")
    )
    return decided, contacts, customers


def search(
    connection: Connection, where: Sequence[ColumnElement[bool]], before: RowId | None, limit: int
) -> list[FoundRow]:
    """Rows that fit conditions on `list_rows` and `campaign_lists`, the newest list first."""
    query = select(list_rows).join(campaign_lists, campaign_lists.c.id == list_rows.c.list_id).where(*where)
    key = tuple_(list_rows.c.list_id, list_rows.c.row)
    if before is not None:
        query = query.where(key < tuple_(*before))
    found: list[FoundRow] = []
    block: Block | None = None
    for hit in connection.execute(query.order_by(list_rows.c.list_id.desc(), list_rows.c.row.desc()).limit(limit)):
        if block is None or block.list_id != hit.list_id or hit.row < block.first_row:
            stored = _stored_block(connection, hit.list_id, hit.row)
            if stored is None:  # entered by somebody else, which the verification says
                continue
            block, seq = _block_of(stored), stored.event_seq
        place = hit.row - block.first_row
        found.append(
            FoundRow(
                id=f"{hit.list_id}.{hit.row}",
                seq=seq,
                **{name: block.facts[name] for name in ("decided_at", "actor", "model_version", "list_name")},
                **{name: block.decided_in(name, place) for name in ("probability", "expected_profit_eur")},
                contact_id=hit.contact_id,
                person=hit.customer_id or hit.contact_id,
                contact_date=hit.contact_date,
                decision="call" if hit.is_called else "do_not_call",
                reason=hit.reason,
            )
        )
    return found


def forget(connection: Connection, where: Sequence[ColumnElement[bool]]) -> list[RowId]:
    """Remove person, salt and payload of the rows that fit; the caller puts the erasure of each on record."""
    gone = delete(list_rows).where(*where).returning(list_rows.c.list_id, list_rows.c.row)
    found = [(list_id, row) for list_id, row in connection.execute(gone)]
    by_list: dict[str, list[int]] = defaultdict(list)
    for list_id, row in found:
        by_list[list_id].append(row)
    for list_id, rows in by_list.items():
        stored = connection.execute(_BLOCKS.where(list_blocks.c.list_id == list_id).with_for_update(of=block_rows))
        for block in map(_block_of, stored.all()):
            places = {row - block.first_row for row in rows if 0 <= row - block.first_row < block.n_rows}
            if places:
                at = (block_rows.c.list_id == list_id) & (block_rows.c.block == block.number)
                connection.execute(update(block_rows).where(at).values(content=block.without(places)))
    return found


def verify(connection: Connection) -> tuple[int, str]:
    """Compare every block with its root, its erasures and the index; returns rows and the first fault, "" if none.

    Roots and erasures themselves are covered by the events (`event_verification`).
    """
    keys = select(list_blocks.c.list_id, list_blocks.c.first_row, list_blocks.c.n_rows)
    n = 0
    for list_id, first_row, n_rows in connection.execute(keys.order_by(list_blocks.c.list_id, list_blocks.c.block)):
        if why := fault_of(connection, list_id, first_row):
            return n, why
        n += n_rows
    erased, indexed = (
        connection.execute(select(func.count()).select_from(table)).scalar_one() for table in (list_erasures, list_rows)
    )
    if indexed != n - erased:
        return n, f"lists: expected {n - erased} rows in the index of contacts, found {indexed}; it was changed."
    return n, ""


def fault_of(connection: Connection, list_id: str, row: int) -> str:
    """What is wrong with the block that holds a row, as a sentence; "" if nothing is."""
    named = f"list {list_id}, block of row {row}"
    try:
        stored = _stored_block(connection, list_id, row)
        if stored is None:
            return f"{named}: expected its content, found none: the block was removed."
        block = _block_of(stored)
        if block.root != stored.merkle_root:
            return f"{named}: expected root {stored.merkle_root}, its rows give {block.root}: a row was changed."
        expected = list(_entries(block))
    except (zlib.error, msgspec.MsgspecError, LookupError, TypeError, ValueError) as error:
        return f"{named}: expected rows, found content that cannot be read ({type(error).__name__})."
    within = block.first_row, block.first_row + block.n_rows - 1
    at = (list_rows.c.list_id == list_id) & list_rows.c.row.between(*within)
    if [tuple(one) for one in connection.execute(select(list_rows).where(at).order_by(list_rows.c.row))] != expected:
        return f"{named}: expected the index of contacts to be that of its rows, found another; it was changed."
    at = (list_erasures.c.list_id == list_id) & list_erasures.c.row.between(*within)
    erased = set(connection.execute(select(list_erasures.c.row).where(at)).scalars())
    if erased != {block.first_row + place for place in block.erased}:
        return f"{named}: expected the erasures on record to be those of its rows, found others."
    return ""


def _entries(block: Block) -> Iterator[tuple[Any, ...]]:
    """The rows of the index that belong to a block."""
    persons = zip(block.person["contact_id"], block.person["customer_id"], strict=True)
    decided = zip(*(block.decided[name] for name in ("contact_date", "reason", "decision")), strict=True)
    for place, (ids, (day, reason, decision)) in enumerate(zip(persons, decided, strict=True)):
        if place not in block.erased:
            yield (block.list_id, block.first_row + place, *ids, day, reason, decision == "call")
