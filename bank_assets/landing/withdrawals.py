"""Takes deliveries and contacts back: `landing/withdrawals/*.csv`, or `POST /api/v1/withdrawals`.

A withdrawal names a file as `contacts/may.csv`, its content by sha256, or a contact by its id. What arrived of it until
then no longer counts for its months or its list; the bytes and the record stay, and what is delivered later counts.
"""

from __future__ import annotations

import hashlib
import io
import mmap
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Final

from bank_assets.contract.contract import Contract
from bank_assets.contract.feeds import FEEDS
from bank_assets.contract.held_fields import holds_field
from bank_assets.contract.other_formats import START_BYTES
from bank_assets.contract.reading import codec_of, encoding_of, read_rows
from bank_assets.contract.values import REASON_LENGTH, escaped, is_reason, plain_identifier
from bank_assets.landing.formats import DeliveryUnreadable
from bank_assets.landing.header import DeliveryRefused, check_format
from bank_assets.landing.register import Delivery, Withdrawal, append_withdrawals, object_path, raw_root, read_manifest
from bank_assets.store.locks import locked
from bank_assets.store.places import BucketPath, on_disk, place_of

REASON: Final = "reason"
_READ: Final = mmap.ACCESS_READ


def withdraw(warehouse: Path, asked: Withdrawal, lake: str = "") -> Withdrawal | None:
    """Take back what a withdrawal names, and record it; None if nothing of that name has arrived.

    Raises:
        DeliveryRefused: it names dispositions or subscriptions, or a contact while the deliveries are in a bucket.
    """
    place = place_of(lake or warehouse)
    if asked.contact_id and isinstance(place, BucketPath):
        raise DeliveryRefused(
            escaped(asked.contact_id),
            expected="a delivery to take back: only the pipeline can read the deliveries in the bucket",
            found="a contact",
            to_do="name the contact in a file of landing/withdrawals/",
        )
    with locked(raw_root(warehouse) / ".lock"):
        made = _resolved(asked, [replace(one, path=object_path(place, one.sha256)) for one in read_manifest(warehouse)])
        if made is not None:
            append_withdrawals(warehouse, [made])
    return made


def read_withdrawals(
    content: bytes, name: str, deliveries: Sequence[Delivery], now: datetime, contract: Contract
) -> list[Withdrawal]:
    """The withdrawals of a file, all or none; `name` is the file's for people.

    Raises:
        DeliveryRefused: it has other columns, or a line without a reason.
        DeliveryUnreadable: it names a delivery or a contact that has not arrived, which may still come.
    """
    check_format(content[:START_BYTES], name)
    stream, digest = io.BytesIO(content), hashlib.sha256(content).hexdigest()
    head, rows = read_rows(stream, encoding_of(stream))
    named_by = ("delivery", *dict.fromkeys(("contact_id", contract.contact_id.source)))
    column = next((one for one in named_by if sorted(head.columns) == sorted((one, REASON))), None)
    to_do = "name the file as contacts/may.csv, its sha256, or the contact, and say why"
    if column is None:
        expected = f"the columns {' or '.join(named_by)}, and {REASON}"
        found = ", ".join(map(repr, head.columns)) if any(head.columns) else "an empty file"
        raise DeliveryRefused(name, expected=expected, found=found, to_do=to_do)
    made: list[Withdrawal] = []
    for row in rows:
        values = dict(zip(head.columns, row.fields, strict=False))
        named, reason = values.get(column, ""), values.get(REASON, "")
        if row.fault or not named or not is_reason(reason):
            what = f"line {row.line} without them"
            expected = f"a {column} and a reason of {REASON_LENGTH[0]} to {REASON_LENGTH[1]:,} characters in each line"
            raise DeliveryRefused(name, expected=expected, found=what, to_do="add them")
        asked = Withdrawal(reason=reason, at=now.isoformat(), by_sha256=digest)
        asked = replace(asked, delivery=named) if column == "delivery" else replace(asked, contact_id=named)
        one = _resolved(asked, deliveries)
        if one is None:
            raise DeliveryUnreadable(
                name,
                expected="names of files that arrived, as contacts/may.csv, or identifiers of contacts in them",
                found=f"{named!r} in line {row.line}",
                to_do="correct the name; nothing of the file is withdrawn until all that it names is known",
            )
        made.append(one)
    if not made:
        raise DeliveryRefused(name, expected="at least one line", found="a header without lines", to_do=to_do)
    return made


def _resolved(asked: Withdrawal, deliveries: Sequence[Delivery]) -> Withdrawal | None:
    """A withdrawal with the arrivals that it takes back, or None if there are none.

    Raises:
        DeliveryRefused: it names dispositions or subscriptions.
    """
    if asked.contact_id:
        asked = replace(asked, contact_id=plain_identifier(asked.contact_id))
        found = [one for one in deliveries if one.kind in ("contacts", "outcomes") and _holds(one, asked.contact_id)]
        contents = tuple(sorted({one.sha256 for one in found}))
    else:
        found = [one for one in deliveries if asked.delivery in (one.key, one.sha256)]
        contents = ()
    if fed := next((one for one in found if one.kind in FEEDS), None):
        raise DeliveryRefused(
            escaped(asked.delivery),
            expected="contacts, outcomes or a list to take back",
            found=f"{fed.kind}, which are on record in the ledger",
            to_do="report the same calls or days as they were; the last report counts",
        )
    if not found:
        return None
    return replace(asked, arrival=max(one.arrival for one in found), contents=contents)


def _holds(delivery: Delivery, contact_id: str) -> bool:
    """Whether a field of a delivery is the identifier."""
    try:
        sent = contact_id.encode(codec_of(delivery.encoding))
    except UnicodeEncodeError:
        return False
    with on_disk(delivery.path) as path, path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=_READ) as all_:
        return holds_field(all_, sent)
