"""Puts delivered dispositions and subscriptions on record in the ledger: `landing/outcomes/`, `landing/subscriptions/`.

A file is taken once. Its refused rows become a file of their own in `landing/refused/`, beside the reasons.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Final

from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from bank_assets.contract.contract import Contract
from bank_assets.contract.feed_rows import rows_of_text
from bank_assets.contract.feeds import FEEDS, Feed
from bank_assets.contract.reading import TextRow, codec_of, read_rows
from bank_assets.contract.sent_text import SentText
from bank_assets.landing.header import DeliveryRefused
from bank_assets.landing.raw_objects import in_lake
from bank_assets.landing.refusals import keep_reason, keep_refused_rows, reason_path
from bank_assets.landing.register import Delivery, raw_root, standing
from bank_assets.ledger import feeds
from bank_assets.store.locks import locked
from bank_assets.store.places import Place

_LOG: Final = logging.getLogger(__name__)
_CHUNK_ROWS: Final = 20_000  # read at once, for bounded memory
ACTOR: Final = "landing"


@dataclass(frozen=True, slots=True)
class _Place:
    """From where and to where files are taken."""

    landing: Path
    warehouse: Path
    contract: Contract
    engine: Engine
    now: datetime


def record_feeds(
    landing: Path, warehouse: Path, contract: Contract, engine: Engine, now: datetime, lake: str | Place | None = None
) -> list[str]:
    """Record every registered file of a feed that is not on record yet, and say of each in a line what became of it.

    A process that is killed midway repeats the file, whose recorded rows are known then.
    """
    root = warehouse if lake is None else lake
    arrived = [(feed, in_lake(root, standing(warehouse, feed.name))) for feed in FEEDS.values()]
    files = [(feed, {one.sha256: one for one in found}) for feed, found in arrived]
    if not any(found for _, found in files):
        return []
    with locked(raw_root(warehouse) / ".feeds.lock"):
        taken, place = feeds.files_taken(engine), _Place(landing, warehouse, contract, engine, now)
        return [
            _tried(place, feed, delivery)
            for feed, found in files
            for digest, delivery in found.items()
            if digest not in taken
        ]


def _tried(place: _Place, feed: Feed, file: Delivery) -> str:
    """Take a file; whatever is wrong with it alone stops no other one, and people are told once."""
    try:
        return _take(place, feed, file)
    except OperationalError:
        raise  # the ledger, not the file
    except Exception as error:
        found = type(error).__name__  # its text may quote a customer
        _LOG.error("%s: could not be put on record because of %s", file.key, found)
        problem = DeliveryRefused(
            file.name,
            expected="a file that can be put on record",
            found=found,
            to_do="see that the pipeline can read and write its folders; each look tries again",
        )
        keep_reason(place.warehouse, file, problem, place.now)
        return f"{file.key}: not on record because of {found}; the next look tries again"


def _take(place: _Place, feed: Feed, file: Delivery) -> str:
    record = feeds.record_dispositions if feed.name == "dispositions" else feeds.record_subscriptions
    sent, total = SentText.of_file(place.contract, file.name), feeds.Taken()
    with file.path.open("rb") as stream:
        _, rows = read_rows(stream, file.encoding)
        while chunk := list(islice(rows, _CHUNK_ROWS)):
            read = rows_of_text(feed, file.columns, chunk, sent, place.now)
            total.add(feeds.Taken(refused=read.faults))
            total.add(record(place.engine, read.rows, actor=ACTOR, source=f"file:{file.sha256}"))
    refused = dict(sorted(total.refused.items()))
    reason_path(place.warehouse, file).unlink(missing_ok=True)  # of a look before
    if refused:
        _keep_refused(place, file, refused)
    feeds.file_taken(place.engine, file.sha256, feed=feed.name, taken=total, actor=ACTOR)
    said = f"{file.key}: {total.new:,} new rows, {total.known:,} known, {len(refused):,} refused"
    if total.held_out:
        said += f"; {len(total.held_out):,} calls of held-out customers"
    _LOG.info("%s", said)
    return said


def _keep_refused(place: _Place, file: Delivery, refused: dict[int, list[str]]) -> None:
    line, reasons = next(iter(refused.items()))
    problem = DeliveryRefused(
        file.name,
        expected=f"usable rows throughout; {len(refused):,} of {file.rows:,} are not",
        found=f"line {line}: {'; '.join(reasons)}",
        to_do="correct these rows and deliver them as a file of their own",
    )
    content = "".join(_lines(file, refused)).encode(codec_of(file.encoding), "replace")
    try:
        keep_refused_rows(place.landing, file, content, problem, refused, place.now)
    except OSError:  # the folder may not be written
        keep_reason(place.warehouse, file, problem, place.now)


def _lines(file: Delivery, refused: dict[int, list[str]]) -> Iterator[str]:
    """The header and the refused rows as they were delivered."""
    with file.path.open("rb") as stream:
        head, rows = read_rows(stream, file.encoding)
        yield f"{head.text}\n"
        yield from (f"{_text(row, file.delimiter)}\n" for row in rows if row.line in refused)


def _text(row: TextRow, delimiter: str) -> str:
    quoted = ('"' + field.replace('"', '""') + '"' for field in row.fields)
    return delimiter.join(quoted)
