"""Lists of customers to choose from: campaign files that were delivered, and uploads of analysts.

What lives here: finding, keeping and reading them. What must not: HTTP, scoring, SQL.
Called by `services.call_lists`. Uploads hold customer data, so they are removed after `KEPT_DAYS`.
"""

from __future__ import annotations

import hashlib
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bank_assets.store.atomic_files import publish, temporary_beside
from serving.errors import FieldError, NotFoundError, PayloadError
from serving.payloads import request_of_text
from serving.schemas.predictions import PredictionRequest
from serving.services.batches import MAX_ROWS, BatchError
from serving.services.uploads import csv_rows

DELIVERED: Final = "delivered"
UPLOADED: Final = "uploaded"
KEPT_DAYS: Final = 7
_NAME: Final = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class CampaignFile:
    """One list on disk.

    Attributes:
        key: names it in addresses: `delivered:<name>` or `uploaded:<digest>-<name>`.
        name: for people.
        path: the file.
    """

    key: str
    name: str
    path: Path

    @property
    def stamp(self) -> tuple[int, int]:
        """Changes when the file does."""
        found = self.path.stat()
        return found.st_mtime_ns, found.st_size


@dataclass(frozen=True, slots=True)
class CampaignContacts:
    """A list, read.

    Attributes:
        digest: sha256 of the file.
        contacts: rows that fit the contract, each with a contact_id.
        rejected: rows that do not, with their line and why.
    """

    digest: str
    contacts: list[PredictionRequest]
    rejected: list[BatchError]


class CampaignFiles:
    """The lists of one home."""

    def __init__(self, delivered: Path, uploaded: Path) -> None:
        """Remember the folders; they need not exist.

        Args:
            delivered: `landing/campaigns`.
            uploaded: where uploads are kept.
        """
        self._delivered = delivered
        self._uploaded = uploaded

    def all(self) -> list[CampaignFile]:
        """Delivered lists by name, then uploads, the newest first."""
        delivered = [CampaignFile(f"{DELIVERED}:{p.name}", p.name, p) for p in sorted(self._delivered.glob("*.csv"))]
        uploads = sorted(self._uploaded.glob("*.csv"), key=lambda p: p.stat().st_mtime, reverse=True)
        return delivered + [CampaignFile(f"{UPLOADED}:{p.name}", p.name[17:], p) for p in uploads]

    def get(self, key: str) -> CampaignFile:
        """A list by its key.

        Raises:
            NotFoundError: there is none; uploads vanish after some days.
        """
        for found in self.all():
            if found.key == key:
                return found
        raise NotFoundError(
            f"campaign list: expected one of the lists on this page, found {key[:80]!r}; uploads are kept "
            f"{KEPT_DAYS} days, upload it again."
        )

    def keep(self, name: str, content: bytes) -> CampaignFile:
        """Keep an upload, after reading it once so that a file that does not fit is refused at once.

        Raises:
            PayloadError: the file does not fit as a whole.
        """
        digest = hashlib.sha256(content).hexdigest()
        plain = _NAME.sub("-", Path(name).name).strip("-.") or "list.csv"
        plain = plain if plain.endswith(".csv") else f"{plain}.csv"
        self._uploaded.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._forget_old()
        path = self._uploaded / f"{digest[:16]}-{plain[-60:]}"
        with temporary_beside(path) as (stream, temporary):
            stream.write(content)
            stream.flush()
            read_contacts(temporary)
            publish(stream, temporary, path)
        return CampaignFile(f"{UPLOADED}:{path.name}", path.name[17:], path)

    def _forget_old(self) -> None:
        oldest = time.time() - KEPT_DAYS * 86_400
        for path in self._uploaded.iterdir():
            if path.stat().st_mtime < oldest:
                path.unlink(missing_ok=True)


def read_contacts(path: Path) -> CampaignContacts:
    """Read a list: good rows, and bad ones with their reason.

    Args:
        path: CSV with the delivery's column names.

    Raises:
        PayloadError: the header does not fit, no row is usable, or there are too many.
    """
    contacts: list[PredictionRequest] = []
    rejected: list[BatchError] = []
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
        stream.seek(0)
        for row in csv_rows(stream):
            if len(contacts) + len(rejected) >= MAX_ROWS:
                raise PayloadError((FieldError("", f"at most {MAX_ROWS:,} rows", "more; split the file"),))
            try:
                if row.fault is not None:
                    raise PayloadError((row.fault,))  # noqa: TRY301
                contact = request_of_text(row.raw)
                if contact.contact_id is None:
                    raise PayloadError((FieldError("contact_id", "whom to call", "nothing"),))  # noqa: TRY301
                contacts.append(contact)
            except PayloadError as error:
                rejected.append(BatchError(row.line, error.errors))
    if not contacts:
        found = "a header alone"
        if rejected:
            first = rejected[0]
            found = f"none of {len(rejected)}; line {first.line}: {first.errors[0].field or 'the whole row'}"
        raise PayloadError((FieldError("", "at least one usable row", found),))
    return CampaignContacts(digest, contacts, rejected)
