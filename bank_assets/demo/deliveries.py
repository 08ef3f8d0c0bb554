"""The deliveries of the demo: a source cut into steps, staged beside the home, moved into its landing folder.

Files are moved by a rename, so that they appear complete, as a careful sender would deliver them. The customers of a
step can be listed first; then they come without outcomes, and what the calls came to is reported by the bank.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import pandas as pd

from bank_assets.contract.reading import encoding_of, read_rows
from bank_assets.demo.bank import Bank, csv_of
from bank_assets.demo.pages import MadeList
from bank_assets.demo.processes import DemoError
from bank_assets.settings import Settings
from bank_assets.sources.landing import Landed, land_source
from bank_assets.sources.source import Source, claim_landing

MONTH: Final = "month"


@dataclass(frozen=True, slots=True)
class DemoDelivery:
    """One delivery: its first and last day, and whether that is a whole calendar month."""

    first: date
    last: date
    is_month: bool

    @property
    def name(self) -> str:
        """Name for people and file names."""
        return f"{self.first:%Y-%m}" if self.is_month else f"{self.first}-to-{self.last}"


def parse_step(text: str) -> int:
    """Days of a step, 0 for calendar months; `DemoError` for anything else."""
    cleaned = text.strip().lower()
    if cleaned == MONTH:
        return 0
    number = cleaned.removesuffix("days").removesuffix("day").removesuffix("d").strip()
    if number.isdigit() and 1 <= int(number) <= 366:
        return int(number)
    raise DemoError(f"STEP: expected month or a number of days such as 7, found {text!r}.")


def plan_steps(start: date, last: date, months: int | None, step_days: int) -> list[DemoDelivery]:
    """The steps from a day on; the last one ends where the span ends.

    `months` counts calendar months from that of `start` (None for all); `step_days` is 0 for calendar months.
    """
    end = last if months is None else min(last, _month_end(start, months - 1))
    steps, first = [], start
    while first <= end:
        month_end = _month_end(first)
        until = min(end, first + timedelta(days=step_days - 1) if step_days else month_end)
        steps.append(DemoDelivery(first, until, is_month=first.day == 1 and until == month_end))
        first = until + timedelta(days=1)
    return steps


def _month_end(day: date, later: int = 0) -> date:
    return (pd.Period(day, "M") + later).end_time.date()


class DemoSender:
    """Cuts the source into deliveries; `stage` is a folder on the same file system as the home."""

    def __init__(self, source: Source, settings: Settings, stage: Path) -> None:
        self._source, self._settings, self._stage = source, settings, stage
        self.bank = Bank(settings, is_simulated=not source.is_real)

    def span(self, start: date) -> tuple[date, date]:
        """First and last day of the source from a day on; `DemoError` if it has no contacts there."""
        landed = self._staged("span", start, None)
        shutil.rmtree(self._stage / "span")
        if not landed.last_day:
            raise DemoError(f"DEMO_START: expected contacts from {start} on in {self._source.label}, found none.")
        return date.fromisoformat(landed.first_day), date.fromisoformat(landed.last_day)

    def deliver_history(self, last: date) -> int:
        """Deliver everything up to a day; returns the number of contacts."""
        claim_landing(self._source, self._settings.landing)
        landed = self._staged("history", None, last)
        self._move("history", "")
        return sum(landed.rows.values())

    def stage(self, step: DemoDelivery) -> int:
        """Write a step's files beside the landing folder; returns the number of contacts."""
        staged, contract = self._staged(step.name, step.first, step.last), self._settings.contract
        known = (contract.contact_id, contract.contact_date, contract.target)
        found = [
            [row[names.index(one.source)] for one in known] for _, names, rows in self._parts(step) for row in rows
        ]
        ids, dates, answers = zip(*found, strict=True) if found else ((), (), ())
        self.bank.meet(ids, dates, [answer == contract.target.categories[1] for answer in answers])
        return sum(staged.rows.values())

    def customers(self, step: DemoDelivery) -> bytes:
        """The customers of a staged step as a list to choose from: what is known before the call, as CSV."""
        wanted = self._settings.contract.campaign_columns
        lines: list[list[str]] = []
        for _, names, rows in self._parts(step):
            kept = [at for at, name in enumerate(names) if name in wanted]
            lines += [[row[at] for at in kept] for row in (rows if lines else (names, *rows))]
        return csv_of(lines)

    def deliver(self, step: DemoDelivery, made: MadeList | None = None) -> list[Path]:
        """Move a staged step into the landing folder; returns its files of contacts there.

        With a list, the bank reports what its calls came to, and nothing else is known of any contact after the call.
        """
        if made is not None:
            known_after = {column.source for column in self._settings.contract.columns if not column.is_input}
            for path, names, rows in self._parts(step):
                lost = [name in known_after for name in names]
                kept = [["" if gone else text for text, gone in zip(row, lost, strict=True)] for row in rows]
                path.write_bytes(csv_of([names, *kept]))
            self.bank.report(step.name, made)
            self.bank.book(step.first, step.last)
        return self._move(step.name, "" if step.is_month else f".{step.name}")

    def _parts(self, step: DemoDelivery) -> Iterator[tuple[Path, list[str], list[list[str]]]]:
        """The staged files of contacts: path, names of columns, rows."""
        for path in sorted((self._stage / step.name / "landing" / "contacts").glob("*.csv")):
            with path.open("rb") as stream:
                head, rows = read_rows(stream, encoding_of(stream))
                yield path, list(head.columns), [list(row.fields) for row in rows if not row.fault]

    def _staged(self, name: str, first: date | None, last: date | None) -> Landed:
        return land_source(self._source, replace(self._settings, home=self._stage / name), first=first, last=last)

    def _move(self, name: str, mark: str) -> list[Path]:
        target = self._settings.landing / "contacts"
        target.mkdir(parents=True, exist_ok=True)
        staged = sorted((self._stage / name / "landing" / "contacts").glob("*.csv"))
        # Each part of a month needs a name of its own; a repeated name would be a correction of the first part.
        moved = [path.rename(target / f"{path.stem}{mark}.csv") for path in staged]
        shutil.rmtree(self._stage / name)
        return moved
