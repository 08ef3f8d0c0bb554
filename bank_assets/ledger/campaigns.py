"""Campaigns: customers who must not be called, and the call lists that analysts made."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import Connection, Engine, Text, func, or_, select, type_coerce

from bank_assets.contract.names import CALLS, HOLDOUT
from bank_assets.ledger import events, list_rows
from bank_assets.ledger.blocks import NO_ROWS, HashedBlocks, ListRows
from bank_assets.ledger.campaign_models import campaign_lists, dispositions, suppressions
from bank_assets.ledger.contact_history import chunks
from bank_assets.ledger.engine import read, utc_now, writing
from bank_assets.ledger.ids import new_id

HOLDOUT_DIGEST: Final = "holdout_sha256"  # in the request of a list; earlier releases kept none
HOLDOUT_FILE: Final = f"-{HOLDOUT}.csv"  # after the id of a list; files of calls have any name
ERASED: Final = "list.erased"  # kind of the event about a file that lost rows


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignList:
    """A call list of an analyst."""

    id: str = field(default_factory=new_id)  # UUIDv7, printed on the download
    created_at: str = field(default_factory=utc_now)
    actor: str
    name: str  # file or list it was made from
    model_version: str
    model_digest: str
    economics: dict[str, Any]
    request: dict[str, Any]
    summary: dict[str, Any]
    content_digest: str  # SHA-256 of the downloaded file
    content_path: str | None = None  # where the file is kept, None if it is not
    revises: str | None = None  # id of the version before, None for a first one


_LISTS: Final = select(*(campaign_lists.c[name] for name in CampaignList.__dataclass_fields__))


def suppress(engine: Engine, customer_ids: Iterable[str], *, reason: str, actor: str) -> int:
    """Add people to the suppression list and return how many are new; the others keep their first entry.

    Many people are added in several transactions, so that decisions never wait long for the ledger.
    """
    n_new = 0
    for part in chunks(list(dict.fromkeys(customer_ids))):
        with writing(engine) as connection:
            n_new += suppress_in(connection, part, reason=reason, actor=actor)
    return n_new


def suppress_in(connection: Connection, customer_ids: Iterable[str], *, reason: str, actor: str) -> int:
    """As `suppress`, in an open `writing` transaction."""
    events.lock(connection)
    requested, of = list(dict.fromkeys(customer_ids)), suppressions.c.customer_id
    known = {one for part in chunks(requested) for one in connection.execute(select(of).where(of.in_(part))).scalars()}
    rows = [{"customer_id": c, "reason": reason, "at": utc_now(), "actor": actor} for c in requested if c not in known]
    if rows:
        with events.recording(connection, kind="suppression.added", subject="", actor=actor) as made:
            made.insert(suppressions, rows)
    return len(rows)


def unsuppress(engine: Engine, customer_id: str, *, reason: str, actor: str) -> bool:
    """Remove a person from the list; returns whether it was on it. The reason must hold no personal data."""
    of_person = suppressions.c.customer_id == customer_id
    with writing(engine) as connection:
        events.lock(connection)
        found = connection.execute(select(suppressions.c.person_hash).where(of_person)).one_or_none()
        if found is not None:
            subject, content = found.person_hash or "", {"reason": reason}
            with events.recording(
                connection, kind="suppression.removed", subject=subject, actor=actor, content=content
            ) as event:
                event.delete(suppressions, of_person)
    return found is not None


# Identifies a state of the suppression list: its length, and the time of its newest entry.
Edition = tuple[int, str | None]


def suppressions_edition(engine: Engine) -> Edition:
    """The current edition of the suppression list; it differs whenever the list has changed."""
    (found,) = read(engine, select(func.count(), func.max(suppressions.c.at)).select_from(suppressions))
    return tuple(found)


def suppressed(engine: Engine) -> frozenset[str]:
    """The id of everybody who must not be called: a customer's, or a contact's where that is all that was known."""
    return frozenset(customer_id for (customer_id,) in read(engine, select(suppressions.c.customer_id)))


def keep_list(
    engine: Engine,
    made: CampaignList,
    rows: ListRows = NO_ROWS,
    facts: Mapping[str, Any] = MappingProxyType({}),
    check: Callable[[Connection], None] = lambda _: None,
) -> CampaignList:
    """Record a call list with a decision for each of its rows, which share the facts, in one transaction.

    Nothing is recorded if `check` raises on what is on record at that moment.
    """
    shared = {**facts, "decided_at": made.created_at, "actor": made.actor, "list_name": made.name}
    blocks = HashedBlocks(made.id, rows, shared)
    with writing(engine) as connection:
        events.lock(connection)
        check(connection)
        with events.recording(connection, kind="list.made", subject=made.id, actor=made.actor) as event:
            event.insert(campaign_lists, [asdict(made)])
            list_rows.keep(event, blocks)
    return made


def get_list(engine: Engine, list_id: str) -> CampaignList | None:
    """One call list by id, or None."""
    found = read(engine, _LISTS.where(campaign_lists.c.id == list_id))
    return CampaignList(**found[0]._asdict()) if found else None


def file_digest(engine: Engine, kept: CampaignList, group: str) -> str | None:
    """SHA-256 that the file of a group must have, after the last erasure; None where none is on record."""
    recorded = kept.content_digest if group == CALLS else kept.request.get(HOLDOUT_DIGEST)
    with engine.connect() as connection:
        erased = events.about(connection, [kept.id], ERASED)
    found = [one.content for one in erased if one.content["group"] == group]
    return str(found[-1]["content_digest"]) if found else recorded


def list_of_file(engine: Engine, name: str) -> tuple[CampaignList, str] | None:
    """The list on record whose file has a name, with its group; None if there is none."""
    of_holdout = name.removesuffix(HOLDOUT_FILE)
    group, is_it = CALLS, campaign_lists.c.content_path == name
    if of_holdout != name:
        group, is_it = HOLDOUT, campaign_lists.c.id == of_holdout
    found = read(engine, _LISTS.where(is_it).limit(1))
    return (CampaignList(**found[0]._asdict()), group) if found else None


def file_erased(engine: Engine, name: str, before: str, now: str, actor: str) -> None:
    """Record the new digest of a list's file from which an erasure takes rows.

    The digest of a file that was changed otherwise before is not recorded, so that its list stays refused.
    """
    found = list_of_file(engine, name)
    if found is not None and file_digest(engine, *found) == before:
        content = {"group": found[1], "content_digest": now}
        with writing(engine) as connection:
            events.append(connection, kind=ERASED, subject=found[0].id, content=content, actor=actor)


def versions(engine: Engine, name: str, actor: str) -> list[CampaignList]:
    """The lists of a name that somebody made, newest first."""
    of_name = _LISTS.where(campaign_lists.c.name == name, campaign_lists.c.actor == actor)
    return [CampaignList(**row._asdict()) for row in read(engine, of_name.order_by(campaign_lists.c.id.desc()))]


def of_file(connection: Connection, sha256: str) -> list[CampaignList]:
    """The lists made from a file with this digest, newest first."""
    of_digest = type_coerce(campaign_lists.c.request, Text).contains(f'"file_sha256":"{sha256}"', autoescape=True)
    found = connection.execute(_LISTS.where(of_digest).order_by(campaign_lists.c.id.desc()))
    return [CampaignList(**row._asdict()) for row in found]


def called(engine: Engine, since: str) -> list[CampaignList]:
    """The lists made since a time, ISO, of which anything was reported, newest first."""
    is_reported = select(dispositions.c.id).where(dispositions.c.list_id == campaign_lists.c.id).exists()
    query = _LISTS.where(campaign_lists.c.created_at >= since, is_reported).order_by(campaign_lists.c.id.desc())
    return [CampaignList(**row._asdict()) for row in read(engine, query)]


def lists(engine: Engine, limit: int = 50, *, text: str = "", before: str = "") -> list[CampaignList]:
    """Call lists, newest first: with a text in their name, id or author's name, and older than one with an id."""
    query, columns = _LISTS.order_by(campaign_lists.c.id.desc()).limit(limit), campaign_lists.c
    if text:
        query = query.where(or_(*(columns[name].icontains(text, autoescape=True) for name in ("name", "id", "actor"))))
    if before:
        query = query.where(columns.id < before)
    return [CampaignList(**row._asdict()) for row in read(engine, query)]
