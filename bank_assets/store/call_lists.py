"""Call lists as CSV files, in one format for the lists of the pipeline and of the campaign page."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import compress
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bank_assets.contract.names import CALLS, HOLDOUT, MODEL_NAME
from bank_assets.contract.values import plain_identifier, spreadsheet_text
from bank_assets.core.arrays import FloatArray
from bank_assets.core.economics.call_plan import HELD_OUT, CallPlan
from bank_assets.core.economics.suppression import CUSTOMER_ID
from bank_assets.store.atomic_files import write_atomic

FOLDER: Final = "call_lists"  # of the reports and of the web app
AS_MADE: Final = "as_made"  # folder in it, with the files of lists whose calls became fewer
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

    contact_date: Sequence[Any] | NDArray[np.datetime64]  # planned day of each contact, (n_contacts,)
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
    rows = plan.call_order if group == CALLS else np.flatnonzero(plan.reason == HELD_OUT)
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    persons, hours = scores.customer_id, scores.hours
    writer.writerow((*COLUMNS, *(() if hours is None else HOURS), *(() if persons is None else (CUSTOMER_ID,))))
    model = (MODEL_NAME, scores.model_version, scores.model_digest, scores.as_of)
    for row in rows.tolist():
        writer.writerow(
            (
                spreadsheet_text(list_id),
                group,
                int(plan.rank[row]) or "",
                spreadsheet_text(str(plan.contact_id[row])),
                str(scores.contact_date[row]),
                repr(float(plan.probability[row])),
                repr(float(scores.low[row])),
                repr(float(scores.high[row])),
                int(plan.decile[row]),
                f"{plan.expected_profit_eur[row]:.6f}",
                f"{plan.cost_eur[row]:.2f}",
                f"{plan.value_eur[row]:.2f}",
                *model,
                repr(float(plan.propensity[row])),
                str(plan.reason[row]),
                *(() if hours is None else hours[row]),
                *(() if persons is None else (spreadsheet_text(persons[row]),)),
            )
        )
    return text.getvalue().encode()


@dataclass(frozen=True, slots=True)
class CsvRows:
    """The rows of a list's CSV file, (n,), with the text of each line."""

    contact_id: list[str]
    person: list[str]  # the customer, or the contact where none is named
    contact_date: list[str]
    _lines: list[bytes]  # the header's first

    @classmethod
    def of(cls, content: bytes) -> CsvRows:
        """Read a file; one without contacts has no rows."""
        head, *rows = csv.reader(io.StringIO(content.decode()))
        at = {name: place for place, name in enumerate(head)}

        def column(name: str) -> list[str]:
            return [plain_identifier(row[at[name]]) for row in rows] if name in at else [""] * len(rows)

        ids = column("contact_id")
        persons = [person or own for person, own in zip(column(CUSTOMER_ID), ids, strict=True)]
        return cls(ids, persons, column("contact_date"), content.split(b"\r\n"))

    def only(self, is_kept: Iterable[bool]) -> bytes:
        """The file with some of its rows."""
        return b"\r\n".join([self._lines[0], *compress(self._lines[1:], is_kept), b""])


class CallListFiles:
    """The CSV files of one folder. They hold customer data, so only the owner may open the folder.

    What lies ready there may lose rows; `read` gives a file as it was made.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, name: str, content: bytes) -> None:
        """Store a list, whole or not at all."""
        _write(self._folder / name, content)

    def offer(self, name: str, content: bytes | None) -> None:
        """Let the file that lies ready have other rows, or remove it; it is kept as it was made."""
        ready, as_made = self._folder / name, self._folder / AS_MADE / name
        if (ready.read_bytes() if ready.is_file() else None) == content:
            return
        if not as_made.is_file():
            _write(as_made, ready.read_bytes())
        if content is None:
            ready.unlink()
        else:
            _write(ready, content)

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


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_atomic(path, content)
