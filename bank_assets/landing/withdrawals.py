"""Takes deliveries back: `landing/withdrawals/*.csv` with the columns `delivery` and `reason`.

A withdrawal names a file as `contacts/may.csv`, or its content by sha256. What arrived of it until then no longer
counts for its months or its list; the bytes and the record stay, and what is delivered later counts.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from bank_assets.contract.reading import encoding_of, read_rows
from bank_assets.landing.formats import DeliveryUnreadable
from bank_assets.landing.header import DeliveryRefused
from bank_assets.landing.register import Delivery, Withdrawal

COLUMNS: Final = ("delivery", "reason")


def read_withdrawals(content: bytes, name: str, deliveries: Sequence[Delivery], now: datetime) -> list[Withdrawal]:
    """The withdrawals of a file, all or none; `name` is the file's for people.

    Raises:
        DeliveryRefused: it has other columns, or a line without a reason.
        DeliveryUnreadable: it names a delivery that has not arrived, which may still come.
    """
    stream, digest = io.BytesIO(content), hashlib.sha256(content).hexdigest()
    head, rows = read_rows(stream, encoding_of(stream))
    if sorted(head.columns) != sorted(COLUMNS):
        to_do = "name the file as contacts/may.csv, or its sha256, and say why"
        found = ", ".join(repr(one) for one in head.columns) or "an empty file"
        raise DeliveryRefused(name, expected=f"the columns {' and '.join(COLUMNS)}", found=found, to_do=to_do)
    made: list[Withdrawal] = []
    for row in rows:
        fields = dict(zip(head.columns, row.fields, strict=False))
        named, reason = fields.get("delivery", ""), fields.get("reason", "")
        if row.fault or not named or not reason:
            what = f"line {row.line} without them"
            raise DeliveryRefused(name, expected="a delivery and a reason in each line", found=what, to_do="add them")
        of_name = [one.arrival for one in deliveries if named in (f"{one.kind}/{one.name}", one.sha256)]
        if not of_name:
            raise DeliveryUnreadable(
                name,
                expected="names of files that arrived, as contacts/may.csv",
                found=f"{named!r} in line {row.line}",
                to_do="correct the name; nothing of the file is withdrawn until all of its deliveries are known",
            )
        at, last = now.isoformat(), max(of_name)
        made.append(Withdrawal(delivery=named, reason=reason, arrival=last, at=at, by_sha256=digest))
    return made
