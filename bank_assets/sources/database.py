"""Pulls new contacts from a bank's database into the landing folder, as a sender would deliver them.

A pull takes the rows whose watermark is at or above the last one seen. Rows that share the last watermark are known by
their digests, so a later row with the same watermark is not lost, and none is delivered twice. The file is on disk
before the watermark is, so a killed pull is repeated.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Connection, create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from bank_assets.contract.columns import YES_NO, Column, ColumnKind
from bank_assets.contract.contract import Contract
from bank_assets.settings import Settings
from bank_assets.sources.uci import SourceError
from bank_assets.store.atomic_files import publish_if_changed, temporary_beside, write_atomic
from bank_assets.store.locks import locked

_DRIVERS: Final = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg", "sqlite": "sqlite"}
_BATCH_ROWS: Final = 10_000
_DELIMITER: Final = ";"


@dataclass(frozen=True, slots=True)
class Watermark:
    """How far a database was read: the last watermark, and the digests of the rows that have it."""

    value: str | int | float | None = None
    rows: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Pulled:
    """What a pull delivered: the new rows, and their file in the landing folder, or None without one."""

    rows: int
    path: Path | None


def is_database(source: str) -> bool:
    """Whether `BANK_SOURCE` names a database."""
    return "://" in source


def pull(settings: Settings) -> Pulled:
    """Deliver the rows that are new since the last pull.

    Raises:
        SourceError: the database does not answer, or its columns are not those of the contract; nothing was delivered.
    """
    address, folder = _address(settings), settings.home / "pulls"
    plain = plain_address(settings)
    origin = hashlib.sha256(f"{plain}\n{settings.source_query}\n{settings.source_watermark}".encode()).hexdigest()
    engine = create_engine(address, connect_args={"connect_timeout": 10} if "psycopg" in address.drivername else {})
    try:
        with locked(folder / ".lock"), engine.connect() as connection:
            return _deliver(connection, settings, folder / f"{origin[:16]}.json")
    except SQLAlchemyError as error:
        cause = str(getattr(error, "orig", None) or type(error).__name__).strip().splitlines()[0]
        raise SourceError(
            f"BANK_SOURCE: expected the rows of {settings.source_query!r} from {plain}, found: {cause}; nothing was "
            "delivered, correct the address or the query, or pull again once the database answers."
        ) from None
    finally:
        engine.dispose()


def plain_address(settings: Settings) -> str:
    """The database's address without its password."""
    return _address(settings).render_as_string(hide_password=True)


def _address(settings: Settings) -> URL:
    """The address, with the password that is set apart from it if there is one."""
    try:
        address = make_url(settings.source)
    except ArgumentError:
        address = URL.create("unreadable")
    driver = _DRIVERS.get(address.get_backend_name())
    if driver is None or not settings.source_query:
        raise SourceError(
            "BANK_SOURCE: expected postgresql://user@host/database or sqlite:///path, and a table or a query in "
            f"BANK_SOURCE_QUERY, found {address.get_backend_name()}:// and {settings.source_query!r}; set both."
        )
    if settings.source_password:
        address = address.set(password=settings.source_password)
    return address.set(drivername=driver)


def _deliver(connection: Connection, settings: Settings, marks: Path) -> Pulled:
    """Write the new rows as one file; the watermark is kept once the file is on disk."""
    before, mark = _last(marks), settings.source_watermark
    found = connection.execution_options(yield_per=_BATCH_ROWS).execute(*_statement(connection, settings, before))
    columns = _columns(list(found.keys()), settings.contract, mark)
    written, at, at_mark = 0, before.value, list(before.rows)
    folder, content = settings.landing / "contacts", hashlib.sha256()
    with temporary_beside(folder / "pulled.csv") as (stream, temporary):
        stream.write(_line([column.source for column in columns]))
        for row in found.mappings():
            line = _line([_spelled(row[column.source], column, settings.contract) for column in columns])
            if mark:
                digest, value = hashlib.sha256(line).hexdigest(), _watermark(row[mark], mark)
                if value == before.value and digest in before.rows:
                    continue
                at, at_mark = value, [*at_mark, digest] if value == at else [digest]
            stream.write(line)
            content.update(line)
            written += 1
        if not written:
            return Pulled(0, None)
        path = folder / (f"pulled-{content.hexdigest()[:12]}.csv" if mark else "pulled.csv")
        is_new = publish_if_changed(stream, temporary, path)
    if mark:
        write_atomic(marks, json.dumps(asdict(Watermark(at, tuple(at_mark)))).encode())
    return Pulled(written if is_new else 0, path if is_new else None)


def _last(marks: Path) -> Watermark:
    try:
        stored = json.loads(marks.read_bytes())
    except FileNotFoundError:
        return Watermark()
    return Watermark(stored["value"], tuple(stored["rows"]))


def _statement(connection: Connection, settings: Settings, before: Watermark) -> tuple[Any, Mapping[str, Any]]:
    """The query from a watermark on, in its order, and its parameters."""
    query, quote = settings.source_query.strip().rstrip(";"), connection.dialect.identifier_preparer.quote
    origin = f"({query}) AS pulled" if " " in query else ".".join(map(quote, query.split(".")))
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


def _line(fields: list[str]) -> bytes:
    text_of = io.StringIO()
    csv.writer(text_of, delimiter=_DELIMITER, lineterminator="\n").writerow(fields)
    return text_of.getvalue().encode()


def _spelled(value: Any, column: Column, contract: Contract) -> str:
    """A value as a delivery writes it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return YES_NO[value]
    if isinstance(value, datetime) and column.kind is ColumnKind.DATE:
        value = value.date()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, int | float | Decimal):
        is_whole = column.kind is ColumnKind.INTEGER and value == int(value)
        number = str(int(value)) if is_whole else format(value, "f") if isinstance(value, Decimal) else repr(value)
        return number.replace(".", contract.signs(column).decimal)
    return " ".join(str(value).splitlines())


def _watermark(value: Any, mark: str) -> str | int | float:
    """A watermark as JSON keeps it; the database reads a text as its own type."""
    if value is None:
        raise SourceError(
            f"BANK_SOURCE_WATERMARK: expected a watermark in every row, found one without {mark}; nothing was "
            "delivered, fill it or leave such rows out by the query."
        )
    return value if isinstance(value, int | float) and not isinstance(value, bool) else str(value)
