"""The designs of call lists: who was on a list, and with which probability the list would call them.

A bank that calls by its lists learns by them (`core.features.feedback`). Pipeline and web app keep a design with each
list that they put on record. Only erasures change files, so their names identify what is known. Lists that were
withdrawn or replaced before anybody called by them teach nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import compress, groupby
from operator import attrgetter
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from sqlalchemy import Engine

from bank_assets.core.economics.call_plan import EXPLORATION, CallPlan
from bank_assets.core.economics.exploration import ANSWERS
from bank_assets.core.economics.suppression import DUPLICATE, RULE_TEXTS, SUPPRESSED
from bank_assets.core.features.feedback import CALLED, ListDesign
from bank_assets.ledger.chain import anchor
from bank_assets.ledger.criteria import Whose
from bank_assets.ledger.list_life import given_up, is_called
from bank_assets.ledger.randomized import PROPENSITY, answers
from bank_assets.ledger.records import Decision
from bank_assets.store.atomic_files import write_atomic
from bank_assets.store.call_lists import ListScores
from bank_assets.store.home_json import read_json

FOLDER: Final = "list_designs"
_DAY: Final = len("2010-11-22-")  # before the id of the list in names of files
_ANSWERS: Final = "-answers-"  # in names of files, before the last sequence number of their decisions
_GIVEN_UP: Final = "given-up.txt"  # names of the designs that teach nothing, one a line
_LOOKED_AT: Final = "answers.seq"  # file with the sequence number up to which decisions were searched for answers


_ROWS: Final = ("contact_ids", "contact_dates", "propensity", "is_called", "is_explored", "customer_ids")


class _Stored(msgspec.Struct, frozen=True):
    list_id: str
    as_of: str
    made_at: str
    contact_ids: list[str]
    contact_dates: list[str]
    propensity: list[float | None]
    is_called: list[bool]
    is_explored: list[bool]
    customer_ids: list[str] | None = None  # "" where no person is named

    def __post_init__(self) -> None:
        columns = (getattr(self, name) for name in _ROWS)
        if len({len(column) for column in columns if column is not None}) != 1:
            raise ValueError("columns of different lengths")


class ListDesigns:
    """The designs of a home; there are none while `feedback` is `full`, since every outcome teaches then."""

    def __init__(self, warehouse: Path, feedback: str) -> None:
        self._folder, self._is_used = warehouse / FOLDER, feedback == CALLED

    def keep(self, plan: CallPlan, scores: ListScores, list_id: str = "") -> None:
        """Keep the design of a list, once for each id that it has on record."""
        if not self._is_used or (list_id and any(self._folder.glob(f"*-{list_id}.json"))):
            return
        rows, persons = np.flatnonzero(plan.reason != DUPLICATE), scores.customer_id
        content = msgspec.json.encode(
            _Stored(
                plan.list_id,
                scores.as_of,
                datetime.now(UTC).isoformat(),
                plan.contact_id[rows].tolist(),
                np.asarray(scores.contact_date).astype(str)[rows].tolist(),
                np.where(np.isin(plan.reason, list(RULE_TEXTS)), np.nan, plan.propensity)[rows].tolist(),
                plan.is_called[rows].tolist(),
                (plan.reason == EXPLORATION)[rows].tolist(),
                None if persons is None else [one or "" for one in np.asarray(persons, object)[rows].tolist()],
            )
        )
        self._write(f"{scores.as_of}-{list_id or hashlib.sha256(content).hexdigest()[:16]}.json", content)

    def leave_out_given_up(self, ledger: Engine) -> None:
        """Leave out the lists that were withdrawn or replaced before a call by them was reported, and no others."""
        if not self._is_used:
            return
        names = {path.stem[_DAY:]: path.name for path in self._folder.glob("*.json")}
        with ledger.connect() as connection:
            unused = [one for one in given_up(connection, list(names)) if not is_called(connection, [one])]
        self._write(_GIVEN_UP, "\n".join(sorted(names[one] for one in unused)).encode())

    def keep_answers(self, ledger: Engine) -> None:
        """Keep the randomized answers to single requests since the last time, as lists of their as-of days."""
        if not self._is_used:
            return
        looked = self._folder / _LOOKED_AT
        kept = max(
            int(looked.read_text()) if looked.is_file() else 0,
            *(int(path.stem.split(_ANSWERS)[1]) for path in self._folder.glob(f"*{_ANSWERS}*")),
            0,
        )
        newest = anchor(ledger).seq
        # Files in the order of the chain: the last one says up to where, even if the process dies between two.
        for as_of, run in groupby(answers(ledger, kept), key=attrgetter("as_of")):
            last = {one.contact_id: one for one in run}.values()
            self._write(f"{as_of}{_ANSWERS}{max(one.seq for one in last)}.json", _encoded(list(last)))
        if newest > kept:  # where nothing is randomized, no run searches all decisions again
            self._write(_LOOKED_AT, str(newest).encode())

    def _write(self, name: str, content: bytes) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_atomic(self._folder / name, content)

    def names(self, until: np.datetime64 | str = "9999") -> list[str]:
        """Files of the lists made for a day up to this one, in order of their days."""
        paths, left = self._folder.glob("*.json") if self._is_used else (), self._folder / _GIVEN_UP
        unused = set(left.read_text().split("\n")) if self._is_used and left.is_file() else set()
        return sorted(path.name for path in paths if path.name[:10] <= str(until) and path.name not in unused)

    def read(self) -> list[ListDesign]:
        """The designs of all lists."""
        return [_read(self._folder / name) for name in self.names()]


def without(content: bytes, whose: Whose) -> bytes:
    """A design without some rows; the list itself stays, since outcomes from before the first list teach in full."""
    stored = msgspec.json.decode(content, type=_Stored)
    persons = stored.customer_ids or [""] * len(stored.contact_ids)
    is_kept = [not whose.is_of(*both) for both in zip(stored.contact_ids, persons, strict=True)]
    if stored.made_at < whose.before:
        is_kept = [False] * len(is_kept)
    if all(is_kept):
        return content
    rows = {name: getattr(stored, name) for name in _ROWS}
    kept = {name: None if column is None else list(compress(column, is_kept)) for name, column in rows.items()}
    return msgspec.json.encode(msgspec.structs.replace(stored, **kept))


def _encoded(made: Sequence[Decision]) -> bytes:
    """The design of randomized answers to distinct contacts, of one as-of day."""
    is_called, propensity = [one.decision == "call" for one in made], [one.economics[PROPENSITY] for one in made]
    is_barred = [any(flag["flag"] == SUPPRESSED for flag in one.flags) for one in made]
    stored = _Stored(
        ANSWERS,
        str(made[0].as_of),
        max(one.decided_at for one in made),
        [str(one.contact_id) for one in made],
        [one.contact_date for one in made],
        [None if barred else p for barred, p in zip(is_barred, propensity, strict=True)],
        is_called,
        [called and p < 1.0 for called, p in zip(is_called, propensity, strict=True)],
        [one.customer_id or "" for one in made],
    )
    return msgspec.json.encode(stored)


def _read(path: Path) -> ListDesign:
    to_do = "restore it from a backup, or remove it: then the outcomes of its calls teach nothing"
    named = partial(_design_of, path.stem[_DAY:])
    return read_json(path, named, "the design of a list as it was kept", to_do)


def _design_of(on_record: str, found: object) -> ListDesign:
    stored = msgspec.convert(found, _Stored)
    days = np.asarray([stored.as_of, *stored.contact_dates], dtype="datetime64[D]")
    return ListDesign(
        stored.list_id,
        days[0],
        stored.made_at,
        np.asarray(stored.contact_ids, dtype=np.str_),
        days[1:],
        np.asarray(stored.propensity, dtype=np.float64),
        np.asarray(stored.is_called, dtype=bool),
        np.asarray(stored.is_explored, dtype=bool),
        None if stored.customer_ids is None else np.asarray(stored.customer_ids, dtype=object),
        on_record,
    )
