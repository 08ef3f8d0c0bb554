"""Reads the rows of a feed from a body, JSON or CSV, and puts them on record; bad rows are named, good ones kept."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta
from sqlalchemy import Engine

from bank_assets.contract.contract import Contract
from bank_assets.contract.feed_rows import FeedRows, header_of, judged, rows_of_text
from bank_assets.contract.feeds import DISPOSITION_FEED, Feed
from bank_assets.contract.reading import encoding_of, read_rows
from bank_assets.contract.sent_text import SentText
from bank_assets.contract.values import SPACE
from bank_assets.ledger import feeds
from bank_assets.ledger.feeds import Taken
from bank_assets.store.call_lists import COLUMNS as LIST_COLUMNS
from serving.customers.suppressions import Suppressions
from serving.decisions.uploads import MAX_ROWS, check_is_text
from serving.web.bodies import decoded_once, fault
from serving.web.openapi import inlined
from serving.web.problems import FieldError, PayloadError

SHOWN_ERRORS: Final = 1_000  # refused rows that an answer names; all are counted


class RefusedRow(msgspec.Struct, frozen=True):
    """A row that was not recorded, and why."""

    line: Annotated[int, Meta(description="Line of the file, or place in the list from 1.")]
    reasons: list[str]


class FeedAnswer(msgspec.Struct, frozen=True):
    """What became of the rows of a feed; a repetition of the same rows adds nothing."""

    rows: int
    new: Annotated[int, Meta(description="Rows put on record.")]
    known: Annotated[int, Meta(description="Rows that were on record already.")]
    refused: Annotated[int, Meta(description="Rows that were not recorded; `errors` names the first 1,000.")]
    outcomes: Annotated[int, Meta(description="Outcomes among the new rows, from which models learn.")]
    suppressed: Annotated[int, Meta(description="People who objected and are called no more.")]
    held_out: Annotated[list[int], Meta(description="Lines of contacts that their list had held out.")]
    errors: list[RefusedRow]


@dataclass(frozen=True, slots=True)
class ReportOrigin:
    """Who reports, in which way, in which file; `list_id` is the list of rows that name none."""

    actor: str
    source: str
    file_name: str = ""
    list_id: str | None = None


class FeedReports:
    """Puts reports on record; an objection holds in this process when the answer leaves."""

    def __init__(self, ledger: Engine, suppressions: Suppressions, contract: Contract) -> None:
        self._ledger, self._suppressions, self._contract = ledger, suppressions, contract

    def take_csv(self, feed: Feed, content: bytes, origin: ReportOrigin) -> FeedAnswer:
        """Record the rows of a CSV file; raise `PayloadError` if it does not fit as a whole."""
        stream, sent = io.BytesIO(content), SentText.of_file(self._contract, origin.file_name)
        check_is_text(stream)
        head, lines = read_rows(stream, encoding_of(stream, self._contract.encoding))
        header = header_of(head.columns, sent)
        ignored = [one for one in LIST_COLUMNS if one not in feed.names] if feed is DISPOSITION_FEED else []
        if found := replace(head, columns=header).faults((*feed.names, *ignored), (*feed.optional, *ignored)):
            needed = [name for name in feed.names if name not in feed.optional]
            expected = f"the columns {', '.join(needed)}, separated by ; , | or tabs, and optionally "
            raise PayloadError(FieldError("", expected + ", ".join(feed.optional), found))
        read = rows_of_text(feed, header, _at_most(list(islice(lines, MAX_ROWS + 1))), sent, dt.datetime.now(dt.UTC))
        if origin.list_id is not None:
            read = replace(read, rows=[replace(row, list_id=row.list_id or origin.list_id) for row in read.rows])
        return self._record(feed, read, origin)

    def take_json(self, feed: Feed, rows: Sequence[msgspec.Raw], origin: ReportOrigin) -> FeedAnswer:
        """Record the rows of a JSON list."""
        of = row_type(feed)
        decode, schema = msgspec.json.Decoder(of).decode, inlined(of)
        faults, found, lines = dict[int, list[str]](), list[Any](), list[int]()
        for line, raw in enumerate(_at_most(rows), start=1):
            try:
                found.append(_once(raw, decode(raw)))
                lines.append(line)
            except PayloadError as error:
                faults[line] = [_sentence(one) for one in error.errors]
            except msgspec.ValidationError as error:
                faults[line] = [_sentence(fault(str(error), schema, bytes(raw)))]
        columns = {name: [(getattr(row, name) or "").strip(SPACE) for row in found] for name in feed.names}
        sent = SentText.of_file(self._contract, origin.file_name)
        read = judged(feed, columns, lines, sent, dt.datetime.now(dt.UTC))
        return self._record(feed, FeedRows(read.rows, faults | read.faults), origin)

    def _record(self, feed: Feed, read: FeedRows, origin: ReportOrigin) -> FeedAnswer:
        record = feeds.record_dispositions if feed is DISPOSITION_FEED else feeds.record_subscriptions
        taken = Taken(refused=dict(read.faults))
        taken.add(record(self._ledger, read.rows, actor=origin.actor, source=origin.source))
        if taken.suppressed:
            self._suppressions.read()
        refused = sorted(taken.refused.items())
        return FeedAnswer(
            rows=len(read.rows) + len(read.faults),
            new=taken.new,
            known=taken.known,
            refused=len(refused),
            outcomes=taken.outcomes,
            suppressed=taken.suppressed,
            held_out=taken.held_out,
            errors=[RefusedRow(line, reasons) for line, reasons in refused[:SHOWN_ERRORS]],
        )


@lru_cache(maxsize=4)
def row_type(feed: Feed) -> Any:
    """A row of a JSON list of a feed: texts, as in a file."""
    fields: list[Any] = []
    for column in sorted(feed.columns, key=lambda one: one.source in feed.optional):
        text: Any = Annotated[str, Meta(description=column.description, max_length=200)]
        fields.append((column.source, text | None, None) if column.source in feed.optional else (column.source, text))
    words = {"__doc__": f"One row of the {feed.name}."}
    return msgspec.defstruct(f"{feed.of.__name__}Row", fields, namespace=words, frozen=True, forbid_unknown_fields=True)


def _at_most(rows: Sequence[Any]) -> Sequence[Any]:
    if len(rows) > MAX_ROWS:
        raise PayloadError(FieldError("", f"at most {MAX_ROWS:,} rows", "more; split the file"))
    return rows


def _once(raw: msgspec.Raw, row: Any) -> Any:
    """A row, unless its object names a field twice."""
    given = [value for value in msgspec.structs.astuple(row) if value is not None]
    if bytes(raw).count(b":") != len(given) + sum(value.count(":") for value in given):
        decoded_once(bytes(raw))
    return row


def _sentence(error: FieldError) -> str:
    return f"{error.field or 'row'}: expected {error.expected}, found {error.found}"
