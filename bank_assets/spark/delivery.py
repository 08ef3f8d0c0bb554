"""Reading delivered text: every column a string, every line a row, nothing guessed.

What lives here: `RawFile` (what the register knows about a delivery) and the reader that makes one frame of many files.
What must not: types and rules (`rules`, `tables`), the register itself (`bank_assets.sources`).
Called by `bank_assets.spark.etl`.

A row is a physical line: `multiLine` stays off, so an unbalanced quote can never swallow the rest of a file, and big
files are read in parallel. The register counts rows by the same rule, which makes row conservation checkable.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import reduce
from pathlib import Path
from typing import Final

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as f

from bank_assets.spark.fan_out import month_number

ENCODINGS: Final = {"utf-8": "UTF-8", "utf-8-sig": "UTF-8", "latin-1": "ISO-8859-1"}
"""Register's word to Spark's; a byte order mark is skipped by the line reader."""

LINE: Final = "_line"
ARRIVAL: Final = "_arrival"
POSITION: Final = "_position"
HOME_MONTH: Final = "_home_month"
FIRST_DAY: Final = "_first_day"
LAST_DAY: Final = "_last_day"
DELIVERY: Final = "_delivery"
DELIMITER: Final = "_delimiter"
PROVENANCE: Final = (ARRIVAL, HOME_MONTH, FIRST_DAY, LAST_DAY, DELIVERY, DELIMITER)


class DeliveryReadError(ValueError):
    """A registered delivery cannot be read; the message says what was expected and what was found."""


@dataclass(frozen=True, slots=True)
class RawFile:
    """One delivered file as the register describes it.

    Attributes:
        path: the raw bytes.
        sha256: their digest.
        arrival: 1, 2, 3, …; of two rows of a contact the one with the higher arrival wins.
        delimiter: `;` or `,`.
        encoding: `utf-8`, `utf-8-sig` or `latin-1`.
        columns: header in file order.
        months: rows per month this delivery answers for, as the register counted them in the bytes.
        home_month: `YYYY-MM` that answers for rows without a usable date.
        first_day: earliest usable date, ISO; an earlier date in a row is not usable.
        last_day: latest usable date, ISO; a later date in a row is not usable.
    """

    path: Path
    sha256: str
    arrival: int
    delimiter: str
    encoding: str
    columns: tuple[str, ...]
    months: dict[str, int]
    home_month: str
    first_day: str
    last_day: str


def read_deliveries(session: SparkSession, files: Sequence[RawFile], columns: Sequence[str]) -> DataFrame:
    """Read delivered files into one frame, one row per line that is neither header nor blank (=).

    Args:
        session: the Spark session.
        files: at least one delivery; each has the same set of columns, in any order.
        columns: the columns of the family, in the order wanted.

    Returns:
        `columns` as strings (NULL for an empty field), `_line` (the whole line if its number of fields is wrong, else
        NULL), `_position` (place in the file, for order) and the provenance columns.

    Raises:
        DeliveryReadError: no file is given, one is missing or given twice, or its encoding is unknown.
    """
    if not files:
        raise DeliveryReadError(
            "deliveries: expected at least one file, found none; select months that were delivered."
        )
    missing = [str(file.path) for file in files if not file.path.is_file()]
    if missing:
        raise DeliveryReadError(
            f"raw objects: expected {len(files)} files, found {len(missing)} missing, first {missing[0]}; "
            f"restore them from a backup, the register still lists them."
        )
    if len({file.sha256 for file in files}) < len(files):
        raise DeliveryReadError("deliveries: expected each content once, at its last arrival, found one twice.")
    groups: dict[tuple[str, str, tuple[str, ...]], list[RawFile]] = {}
    for file in files:
        if file.encoding not in ENCODINGS:
            raise DeliveryReadError(
                f"{file.path}: expected one of the encodings {sorted(ENCODINGS)}, found {file.encoding!r}."
            )
        groups.setdefault((file.delimiter, ENCODINGS[file.encoding], file.columns), []).append(file)
    frames = [_read_group(session, group, columns) for group in groups.values()]
    return reduce(DataFrame.unionByName, frames)


def _read_group(session: SparkSession, files: list[RawFile], columns: Sequence[str]) -> DataFrame:
    """Read files of one format."""
    first = files[0]
    schema = ", ".join(f"`{name}` STRING" for name in (*first.columns, LINE))
    lines = session.read.csv(
        [str(file.path) for file in files],
        schema=schema,
        sep=first.delimiter,
        encoding=ENCODINGS[first.encoding],
        header=True,
        quote='"',
        escape='"',
        mode="PERMISSIVE",
        columnNameOfCorruptRecord=LINE,
        ignoreLeadingWhiteSpace=True,
        ignoreTrailingWhiteSpace=True,
    )
    # Splits of a file are not read in order, so a row's place is its block's start, then its place in the block.
    position = f.struct(
        f.col("_metadata.file_block_start").alias("block"), f.monotonically_increasing_id().alias("row")
    ).alias(POSITION)
    wanted = [f.col(f"`{name}`") for name in columns]
    if len(files) == 1:
        return lines.select(*wanted, LINE, position, *_literals(first))
    known = session.createDataFrame([_facts(file) for file in files], schema=_FACTS_SCHEMA)
    named = lines.select(*wanted, LINE, position, f.col("_metadata.file_name").alias("_name"))
    return named.join(f.broadcast(known), "_name").drop("_name")


_FACTS_SCHEMA: Final = (
    f"_name STRING, {ARRIVAL} INT, {HOME_MONTH} INT, {FIRST_DAY} DATE, {LAST_DAY} DATE, {DELIVERY} STRING, "
    f"{DELIMITER} STRING"
)


def _facts(file: RawFile) -> tuple[object, ...]:
    first, last = date.fromisoformat(file.first_day), date.fromisoformat(file.last_day)
    return file.path.name, file.arrival, month_number(file.home_month), first, last, file.sha256, file.delimiter


def _literals(file: RawFile) -> list[Column]:
    _, *values = _facts(file)
    return [f.lit(value).alias(name) for name, value in zip(PROVENANCE, values, strict=True)]
