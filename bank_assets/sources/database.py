"""Pulls new contacts from a bank's database into the landing folder, as a sender would deliver them.

A pull takes the rows whose watermark is at or above the last one seen. Rows that share the last watermark are known by
their digests, so a later row with the same watermark is not lost, and none is delivered twice. The file is on disk
before the watermark is, so a killed pull is repeated.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import URL, Connection, create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from bank_assets.contract.columns import YES_NO, Column, ColumnKind
from bank_assets.contract.contract import Contract
from bank_assets.contract.sent_text import SentText
from bank_assets.contract.values import iso_day, number_text
from bank_assets.landing.contract_in_use import check_contract
from bank_assets.settings import Settings
from bank_assets.sources.uci import SourceError
from bank_assets.store.atomic_files import publish_if_changed, temporary_beside, write_atomic
from bank_assets.store.home_json import read_json
from bank_assets.store.locks import locked
from bank_assets.store.warehouse import COMPRESSION

_POSTGRESQL: Final = "postgresql+psycopg"
_DRIVERS: Final = {"postgresql": _POSTGRESQL, "postgres": _POSTGRESQL, "sqlite": "sqlite", "duckdb": "duckdb"}
_OPTIONS: Final[dict[str, dict[str, Any]]] = {_POSTGRESQL: {"connect_timeout": 10}, "duckdb": {"read_only": True}}
_BATCH_ROWS: Final = 10_000
_NAME: Final = "pulled.parquet"
_SECRET: Final = re.compile("password|secret|token", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Watermark:
    """How far a database was read: the last watermark, and the digests of the rows that have it, or a day to come."""

    value: str | int | float | None = None
    rows: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Pulled:
    """What a pull delivered: the new rows, and their file in the landing folder, or None without one."""

    rows: int
    path: Path | None


class _Reached:
    """How far a pull has come, in the order of the watermarks."""

    def __init__(self, before: Watermark) -> None:
        self._delivered, self._at = frozenset(before.rows), before.value
        self.value, self.rows, self.content = before.value, list(before.rows), hashlib.sha256()
        self.ahead: list[str] = []

    def is_new(self, fields: list[str], value: str | int | float | None) -> bool:
        """Take a row with its watermark, and say whether no pull before delivered it."""
        digest = hashlib.sha256(json.dumps(fields).encode())
        if value is not None:
            is_ahead = _is_to_come(value)
            if is_ahead:  # a mistake, behind which no later row would be found
                self.ahead.append(digest.hexdigest())
            if (is_ahead or value == self._at) and digest.hexdigest() in self._delivered:
                return False
            if not is_ahead and value != self.value:
                self.value, self.rows = value, []
            if not is_ahead:
                self.rows.append(digest.hexdigest())
        self.content.update(digest.digest())
        return True


def is_database(source: str) -> bool:
    """Whether `BANK_SOURCE` names a database."""
    return "://" in source


def pull(settings: Settings) -> Pulled:
    """Deliver the rows that are new since the last pull.

    Raises:
        SourceError: the database does not answer, or its columns are not those of the contract; nothing was delivered.
        ContractError: the contract contradicts what the home holds.
    """
    check_contract(settings.warehouse, settings.contract)
    address, folder = _address(settings), settings.home / "pulls"
    plain = plain_address(settings)
    origin = hashlib.sha256(f"{plain}\n{settings.source_query}\n{settings.source_watermark}".encode()).hexdigest()
    options = _OPTIONS.get(address.drivername, {})
    engine = create_engine(address, hide_parameters=True, connect_args=options)
    pulled = None
    try:
        with locked(folder / ".lock"), engine.connect() as connection:
            pulled = _deliver(connection, settings, folder / f"{origin[:16]}.json")
            return pulled  # noqa: RET504 - closing the connection may fail
    except SQLAlchemyError as error:
        if pulled is not None:
            return pulled
        cause = str(getattr(error, "orig", None) or type(error).__name__).strip().splitlines()[0]
        raise SourceError(
            f"BANK_SOURCE: expected the rows of {settings.source_query!r} from {plain}, found: {cause}; nothing was "
            "delivered, correct the address or the query, or pull again once the database answers."
        ) from None
    finally:
        engine.dispose()


def plain_address(settings: Settings) -> str:
    """The database's address without its passwords, which drivers take as parameters, too."""
    address = _address(settings)
    hidden = {name: "hidden" for name in address.query if _SECRET.search(name)}
    return address.update_query_dict(hidden).render_as_string(hide_password=True)


def _address(settings: Settings) -> URL:
    """The address, with the password that is set apart from it if there is one."""
    try:
        address = make_url(settings.source)
    except (ArgumentError, ValueError):
        address = URL.create("unreadable")
    driver = _DRIVERS.get(address.get_backend_name())
    if driver is None or not settings.source_query:
        raise SourceError(
            "BANK_SOURCE: expected postgresql://user@host/database, sqlite:///path or duckdb:///path, and a table or a "
            f"query in BANK_SOURCE_QUERY, found {address.get_backend_name()}:// and {settings.source_query!r}; set "
            "both."
        )
    if driver != _POSTGRESQL and not Path(address.database or "").is_file():  # SQLite would make an empty one
        raise SourceError(
            f"BANK_SOURCE: expected a database file, found none at {address.database!r}; nothing was delivered, "
            "correct the path."
        )
    if driver == _POSTGRESQL and "@" in f"{address.host}{address.database}":
        raise SourceError(
            "BANK_SOURCE: expected one @, between the password and the host, found more; write an @ of the password as "
            "%40, or leave the password out and set BANK_SOURCE_PASSWORD_FILE."
        )
    if settings.source_password:
        address = address.set(password=settings.source_password)
    return address.set(drivername=driver)


def _deliver(connection: Connection, settings: Settings, marks: Path) -> Pulled:
    """Write the new rows as one file; the watermark is kept once the file is on disk."""
    before, mark = _last(marks), settings.source_watermark
    found = connection.execution_options(yield_per=_BATCH_ROWS).execute(*_statement(connection, settings, before))
    columns, sent = _columns(list(found.keys()), settings.contract, mark), SentText.of_file(settings.contract, _NAME)
    folder, reached, written = settings.landing / "contacts", _Reached(before), 0
    schema = pa.schema([(column.source, pa.string()) for column in columns])
    with temporary_beside(folder / _NAME) as (stream, temporary):
        with pq.ParquetWriter(stream, schema, compression=COMPRESSION) as writer:
            for batch in found.mappings().partitions(_BATCH_ROWS):  # of a text, SQLAlchemy ignores yield_per here
                rows = []
                for row in batch:
                    fields = [_spelled(row[column.source], column, sent) for column in columns]
                    if reached.is_new(fields, _watermark(row[mark], mark) if mark else None):
                        rows.append(fields)
                if rows:
                    writer.write_batch(pa.record_batch([pa.array(one) for one in zip(*rows, strict=True)], schema))
                    written += len(rows)
        if not written:
            return Pulled(0, None)
        path = folder / (_NAME.replace(".", f"-{reached.content.hexdigest()[:12]}.") if mark else _NAME)
        is_new = publish_if_changed(stream, temporary, path)
    if mark:
        known = tuple(dict.fromkeys([*reached.rows, *reached.ahead]))
        write_atomic(marks, json.dumps(asdict(Watermark(reached.value, known))).encode())
    return Pulled(written if is_new else 0, path if is_new else None)


def _last(marks: Path) -> Watermark:
    def parse(found: Any) -> Watermark:
        return msgspec.convert({name: found[name] for name in ("value", "rows")}, Watermark)

    to_do = "nothing was delivered; restore the file from a backup, or remove it to have all rows delivered again"
    with suppress(FileNotFoundError):
        return read_json(marks, parse, "how far the database was read", to_do)
    return Watermark()


def _statement(connection: Connection, settings: Settings, before: Watermark) -> tuple[Any, Mapping[str, Any]]:
    """The query from a watermark on, in its order, and its parameters."""
    query, quote = settings.source_query.strip().rstrip(";"), connection.dialect.identifier_preparer.quote
    query = query.replace(":", r"\:")  # SQLAlchemy takes :name for a parameter
    origin = f"({query}\n) AS pulled" if len(query.split()) > 1 else ".".join(map(quote, query.split(".")))
    statement, mark = f"SELECT * FROM {origin}", settings.source_watermark  # noqa: S608 - the deployment's own query
    if not mark:
        return text(statement), {}
    since = "" if before.value is None else f" WHERE {quote(mark)} >= :since"
    return text(f"{statement}{since} ORDER BY {quote(mark)}"), {"since": before.value} if since else {}


def _columns(names: list[str], contract: Contract, mark: str) -> list[Column]:
    """The columns to deliver; further ones of the query are left out."""
    missing = [one for one in contract.delivery_columns if one not in names and one not in contract.optional_columns]
    if mark and mark not in names:
        missing.append(mark)
    if missing:
        raise SourceError(
            f"BANK_SOURCE_QUERY: expected the columns {', '.join(contract.delivery_columns)}"
            f"{f' and the watermark {mark}' if mark else ''}, found none of the name {', '.join(missing)}; nothing was "
            "delivered, name the columns in the query."
        )
    return [column for column in contract.columns if column.source in names]


def _spelled(value: Any, column: Column, sent: SentText) -> str:
    """A value as the sender of the delivery writes it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return YES_NO[value]
    if isinstance(value, datetime) and column.kind is ColumnKind.DATE:
        value = value.date()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, int | float | Decimal):
        if not math.isfinite(value):  # NaN and infinity, which the rules refuse
            return str(value)
        is_whole = column.kind is ColumnKind.INTEGER and value == int(value)
        number = str(int(value)) if is_whole or isinstance(value, int) else _plain(value)
        return number.replace(".", sent.decimal_sign(column.source))
    return str(value)


def _plain(value: float | Decimal) -> str:
    return format(value, "f") if isinstance(value, Decimal) else number_text(value)


def _watermark(value: Any, mark: str) -> str | int | float:
    """A watermark as JSON keeps it; the database reads a text as its own type."""
    if value is None or value != value:  # NaN, above which there is nothing
        raise SourceError(
            f"BANK_SOURCE_WATERMARK: expected a watermark in every row, found one without {mark}; nothing was "
            "delivered, fill it or leave such rows out by the query."
        )
    return value if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def _is_to_come(value: str | int | float) -> bool:
    """Whether a watermark is a day or time after tomorrow."""
    if not isinstance(value, str) or iso_day(value[:10]) is None:
        return False
    return value[:10] > (datetime.now(UTC) + timedelta(days=1)).date().isoformat()
