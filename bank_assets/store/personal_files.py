"""Files that hold identifiers of people beside the ledger, and an erasure of ledger and files.

CSV files and designs of lists lose the rows of the people; uploads that name them are removed as a whole. Deliveries
and the tables made of them stay (docs/erasure.md says why, and what to do).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Engine

from bank_assets.contract.held_fields import holds_any
from bank_assets.ledger import campaigns, decisions
from bank_assets.ledger.criteria import Whose
from bank_assets.store.atomic_files import write_atomic
from bank_assets.store.call_lists import CsvRows
from bank_assets.store.list_designs import without


class Erased(NamedTuple):
    """What an erasure changed, or would change."""

    records: int
    files: int


class _Change(NamedTuple):
    path: Path
    before: bytes
    now: bytes | None  # None to remove the file


@dataclass(frozen=True, slots=True)
class PersonalData:
    """Ledger and files of a home; the folders need not exist."""

    ledger: Engine
    call_lists: Sequence[Path]
    designs: Path
    uploads: Path

    def count(
        self, contact_id: str | None = None, customer_id: str | None = None, decided_before: date | None = None
    ) -> Erased:
        """What `erase` would change."""
        about: dict[str, Any] = {"contact_id": contact_id, "customer_id": customer_id, "decided_before": decided_before}
        n = decisions.count_to_erase(self.ledger, **about)
        return Erased(n, len([one.path for one in self._changes(Whose.find(self.ledger, **about))]))

    def erase(
        self,
        *,
        actor: str,
        reason: str,
        contact_id: str | None = None,
        customer_id: str | None = None,
        decided_before: date | None = None,
    ) -> Erased:
        """Remove a contact's or person's data, or all from before a day, from ledger and files.

        The ledger says who the person's contacts are, so it comes after the files: an erasure that was interrupted is
        completed by its repetition. Errors are those of `decisions.erase`.
        """
        about: dict[str, Any] = {"contact_id": contact_id, "customer_id": customer_id, "decided_before": decided_before}
        whose = Whose.find(self.ledger, **about)
        files = self._erase_files(whose, actor)
        records = decisions.erase(self.ledger, actor=actor, reason=reason, **about)
        return Erased(records, files + self._erase_files(whose, actor))  # those of lists that were made meanwhile

    def _erase_files(self, whose: Whose, actor: str) -> int:
        n = 0
        for path, before, now in self._changes(whose):
            if now is None:
                path.unlink(missing_ok=True)
            else:
                # First the digest: a file that is still the old one after a crash is refused.
                campaigns.file_erased(self.ledger, path.name, _sha256(before), _sha256(now), actor)
                write_atomic(path, now)
            n += 1
        return n

    def _changes(self, whose: Whose) -> Iterator[_Change]:
        lists = [path for folder in self.call_lists for path in sorted(folder.rglob("*.csv"))]
        for path in lists:
            content = path.read_bytes()
            if whose.before and self._made_on(path) < whose.before:
                yield _Change(path, content, None)
            elif holds_any(content, whose.ids) and (now := _without(content, whose)) != content:
                yield _Change(path, content, now)
        for path in sorted(self.designs.glob("*.json")):
            content = path.read_bytes()
            if (whose.before or holds_any(content, whose.ids)) and (now := without(content, whose)) != content:
                yield _Change(path, content, now)
        for path in sorted(self.uploads.glob("*")):
            content = path.read_bytes()
            if _day_of(path) < whose.before or holds_any(content, whose.ids):
                yield _Change(path, content, None)

    def _made_on(self, path: Path) -> str:
        """Day of a list's file, ISO."""
        of_file = campaigns.list_of_file(self.ledger, path.name)
        return _day_of(path) if of_file is None else of_file[0].created_at[:10]


def _without(content: bytes, whose: Whose) -> bytes:
    rows = CsvRows.of(content)
    is_kept = [not whose.is_of(*both) for both in zip(rows.contact_id, rows.person, strict=True)]
    return content if all(is_kept) else b"".join(rows.only(is_kept))


def _day_of(path: Path) -> str:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC).date().isoformat()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
