"""Call lists as CSV files, in one format for the lists of the pipeline and of the campaign page."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from filecmp import cmp
from itertools import compress, islice
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from bank_assets.contract.names import CALLS, HOLDOUT, MODEL_NAME
from bank_assets.contract.values import plain_identifier, spreadsheet_text
from bank_assets.core.arrays import TEXT, DayArray, FloatArray, texts_of
from bank_assets.core.economics.call_plan import HELD_OUT, CallPlan
from bank_assets.core.economics.suppression import CUSTOMER_ID
from bank_assets.store.atomic_files import publish, replacing, temporary_beside

FOLDER: Final = "call_lists"  # of the reports and of the web app
AS_MADE: Final = "as_made"  # folder in it, with the files of lists whose calls became fewer
CSV_ROWS: Final = 10_000  # rows of a file that are in memory as text, some 4 MB
GROUPS: Final = (CALLS, HOLDOUT)
COLUMNS: Final = (
    "list_id", "group", "rank", "contact_id", "contact_date", "probability", "probability_low", "probability_high",
    "decile", "expected_profit_eur", "cost_eur", "value_eur", "model_name", "model_version", "model_digest", "as_of",
    "propensity", "reason",
)  # fmt: skip
HOURS: Final = ("call_from", "call_until")  # of lists made under a policy with calling hours


@dataclass(frozen=True, slots=True)
class ListScores:
    """What the rows of a list have besides their place in the plan."""

    contact_date: Sequence[Any] | DayArray  # planned day of each contact, (n_contacts,)
    low: FloatArray  # lower end of each probability's range, (n_contacts,)
    high: FloatArray  # its upper end, (n_contacts,)
    model_version: str
    model_digest: str
    as_of: str  # day of the state that it used, ISO
    customer_id: Sequence[str] | NDArray[Any] | None = None  # person behind each contact, or None
    hours: Sequence[tuple[str, str]] | None = None  # first and last time of each call, or None without calling hours


def csv_of(plan: CallPlan, scores: ListScores, list_id: str, group: str = CALLS) -> bytes:
    """The rows of a group of a plan as CSV: `calls`, first call first, or `holdout`.

    The last columns are the hours of each call, if the policy declares any, and the person behind each contact, in
    lists that name them.
    """
    return b"".join(csv_parts(plan, scores, list_id, group))


def csv_parts(plan: CallPlan, scores: ListScores, list_id: str, group: str = CALLS) -> Iterator[bytes]:
    """The same in parts, of which one is in memory."""
    rows = plan.call_order if group == CALLS else np.flatnonzero(plan.reason == HELD_OUT)
    persons, hours, days = scores.customer_id, scores.hours, np.asarray(scores.contact_date, "datetime64[D]")
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow((*COLUMNS, *(() if hours is None else HOURS), *(() if persons is None else (CUSTOMER_ID,))))
    model = (MODEL_NAME, scores.model_version, scores.model_digest, scores.as_of)
    named = spreadsheet_text(list_id)
    for first in range(0, max(len(rows), 1), CSV_ROWS):
        part = rows[first : first + CSV_ROWS]
        columns = (plan.probability, scores.low, scores.high, plan.propensity)
        chances = [map(repr, one[part].astype(np.float64).tolist()) for one in columns]
        amounts = [one[part].tolist() for one in (plan.expected_profit_eur, plan.cost_eur, plan.value_eur)]
        of_plan = (plan.rank[part].tolist(), plan.contact_id[part].tolist(), days[part].astype(str).tolist())
        others = (plan.decile[part].tolist(), plan.reason[part].tolist(), part.tolist())
        for rank, contact_id, day, proba, low, high, propensity, profit, cost, value, decile, reason, row in zip(
            *of_plan, *chances, *amounts, *others, strict=True
        ):
            writer.writerow(
                (
                    named,
                    group,
                    rank or "",
                    spreadsheet_text(contact_id),
                    day,
                    proba,
                    low,
                    high,
                    decile,
                    f"{profit:.6f}",
                    f"{cost:.2f}",
                    f"{value:.2f}",
                    *model,
                    propensity,
                    reason,
                    *(() if hours is None else hours[row]),
                    *(() if persons is None else (spreadsheet_text(persons[row]),)),
                )
            )
        yield text.getvalue().encode()
        text.seek(0)
        text.truncate()


@dataclass(frozen=True, slots=True)
class CsvRows:
    """The rows of a list's CSV file, (n,), each `core.arrays.TEXT`; the file is read again for its lines."""

    contact_id: NDArray[Any]
    person: NDArray[Any]  # the customer, or the contact where none is named
    contact_date: DayArray
    _source: bytes | Path

    @classmethod
    def of(cls, source: bytes | Path) -> CsvRows:
        """Read a file; one without contacts has no rows."""
        ids: list[NDArray[Any]] = [np.empty(0, TEXT)]
        persons, days = [*ids], [np.empty(0, "datetime64[D]")]
        with io.TextIOWrapper(_opened(source), encoding="utf-8", newline="") as stream:
            reader = csv.reader(stream)
            at = {name: place for place, name in enumerate(next(reader))}
            while rows := list(islice(reader, CSV_ROWS)):
                own, named, planned = (
                    [plain_identifier(row[at[name]]) for row in rows] if name in at else [""] * len(rows)
                    for name in ("contact_id", CUSTOMER_ID, "contact_date")
                )
                ids.append(texts_of(own))
                persons.append(texts_of([person or contact for person, contact in zip(named, own, strict=True)]))
                days.append(np.array(planned, "datetime64[D]"))
        return cls(np.concatenate(ids), np.concatenate(persons), np.concatenate(days), source)

    def only(self, is_kept: Iterable[bool]) -> Iterator[bytes]:
        """The lines of the file with some of its rows."""
        with _opened(self._source) as stream:
            lines = _lines(stream)
            yield next(lines)
            yield from compress(lines, is_kept)


def _opened(source: bytes | Path) -> BinaryIO:
    return io.BytesIO(source) if isinstance(source, bytes) else source.open("rb")


def _lines(stream: BinaryIO) -> Iterator[bytes]:
    """Lines with their ends; a single line feed is part of a cell."""
    held = b""
    for line in stream:
        held += line
        if held.endswith(b"\r\n"):
            yield held
            held = b""
    if held:
        yield held


class CallListFiles:
    """The CSV files of one folder. They hold customer data, so only the owner may open the folder.

    What lies ready there may lose rows; `read` gives a file as it was made.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, name: str, content: bytes | Iterable[bytes]) -> None:
        """Store a list, whole or not at all; its parts are in memory one after the other."""
        _write(self._folder / name, content)

    def offer(self, name: str, content: Iterable[bytes] | None) -> None:
        """Let the file that lies ready have other rows, or remove it; it is kept as it was made."""
        ready, as_made = self._folder / name, self._folder / AS_MADE / name
        if content is None:
            if ready.is_file():
                _keep(ready, as_made)
                ready.unlink()
            return
        with temporary_beside(ready) as (stream, temporary):
            stream.writelines(content)
            stream.flush()
            if not (ready.is_file() and cmp(temporary, ready, shallow=False)):
                _keep(ready, as_made)
                publish(stream, temporary, ready)

    def path(self, name: str) -> Path | None:
        """Where a list lies as it was made, or None if there is no file of that name."""
        path = self._path(name)
        return path if path.is_file() else None

    def read(self, name: str) -> bytes | None:
        """A list as it was made, or None if there is no file of that name."""
        path = self._path(name)
        return path.read_bytes() if path.is_file() else None

    def has(self, name: str) -> bool:
        """Whether a list is kept."""
        return self._path(name).is_file()

    def _path(self, name: str) -> Path:
        as_made = self._folder / AS_MADE / name
        return as_made if as_made.is_file() else self._folder / name


def _keep(ready: Path, as_made: Path) -> None:
    if not as_made.is_file():
        with ready.open("rb") as stream:
            _write(as_made, iter(lambda: stream.read(1 << 20), b""))


def _write(path: Path, content: bytes | Iterable[bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with replacing(path) as stream:
        stream.writelines([content] if isinstance(content, bytes) else content)
