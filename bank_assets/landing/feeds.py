"""Puts delivered dispositions and subscriptions on record in the ledger: `landing/outcomes/`, `landing/subscriptions/`.

A file is taken once. Its refused rows become a file of their own in `landing/refused/`, beside the reasons.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
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
from bank_assets.landing.refusals import keep_refused_rows
from bank_assets.landing.register import Delivery, raw_root, standing
from bank_assets.ledger import feeds
from bank_assets.store.locks import locked

_LOG: Final = logging.getLogger(__name__)
_CHUNK_ROWS: Final = 20_000  # read at once, for bounded memory
ACTOR: Final = "landing"


def record_feeds(landing: Path, warehouse: Path, contract: Contract, engine: Engine, now: datetime) -> list[str]:
    """Record every registered file of a feed that is not on record yet, and say of each in a line what became of it.

    A process that is killed midway repeats the file, whose recorded rows are known then.
    """
    files = [(feed, {one.sha256: one for one in standing(warehouse, feed.name)}) for feed in FEEDS.values()]
    if not any(found for _, found in files):
        return []
    with locked(raw_root(warehouse) / ".feeds.lock"):
        taken = feeds.files_taken(engine)
        return [
            _tried(landing, feed, delivery, contract, engine, now)
            for feed, found in files
            for digest, delivery in found.items()
            if digest not in taken
        ]


def _tried(landing: Path, feed: Feed, file: Delivery, contract: Contract, engine: Engine, now: datetime) -> str:
    """Take a file; whatever is wrong with it alone stops no other one."""
    try:
        return _take(landing, feed, file, contract, engine, now)
    except OperationalError:
        raise  # the ledger, not the file
    except Exception as error:
        _LOG.exception("%s: could not be put on record", file.key)
        return f"{file.key}: not on record because of {type(error).__name__}; the next look tries again"


def _take(landing: Path, feed: Feed, file: Delivery, contract: Contract, engine: Engine, now: datetime) -> str:
    record = feeds.record_dispositions if feed.name == "dispositions" else feeds.record_subscriptions
    sent, total = SentText.of_file(contract, file.name), feeds.Taken()
    with file.path.open("rb") as stream:
        _, rows = read_rows(stream, file.encoding)
        while chunk := list(islice(rows, _CHUNK_ROWS)):
            read = rows_of_text(feed, file.columns, chunk, sent, now)
            total.add(feeds.Taken(refused=read.faults))
            total.add(record(engine, read.rows, actor=ACTOR, source=f"file:{file.sha256}"))
    refused = dict(sorted(total.refused.items()))
    if refused:
        line, reasons = next(iter(refused.items()))
        problem = DeliveryRefused(
            file.name,
            expected=f"usable rows throughout; {len(refused):,} of {file.rows:,} are not",
            found=f"line {line}: {'; '.join(reasons)}",
            to_do="correct these rows and deliver them as a file of their own",
        )
        content = "".join(_lines(file, refused)).encode(codec_of(file.encoding), "replace")
        keep_refused_rows(landing, file, content, problem, refused, now)
    feeds.file_taken(engine, file.sha256, feed=feed.name, taken=total, actor=ACTOR)
    said = f"{file.key}: {total.new:,} new rows, {total.known:,} known, {len(refused):,} refused"
    if total.held_out:
        said += f"; {len(total.held_out):,} calls of held-out customers"
    _LOG.info("%s", said)
    return said


def _lines(file: Delivery, refused: dict[int, list[str]]) -> Iterator[str]:
    """The header and the refused rows as they were delivered."""
    with file.path.open("rb") as stream:
        head, rows = read_rows(stream, file.encoding)
        yield f"{head.text}\n"
        yield from (f"{_text(row, file.delimiter)}\n" for row in rows if row.line in refused)


def _text(row: TextRow, delimiter: str) -> str:
    quoted = ('"' + field.replace('"', '""') + '"' for field in row.fields)
    return delimiter.join(quoted)
