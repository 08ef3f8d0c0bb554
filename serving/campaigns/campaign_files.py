"""Reading a list of customers: rows that fit become contacts, the others keep their reason."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from serving.decisions.payloads import Payloads
from serving.decisions.schemas import PredictionRequest
from serving.decisions.uploads import BatchError, csv_rows
from serving.web.problems import FieldError, PayloadError


@dataclass(frozen=True, slots=True)
class CampaignContacts:
    """A list, read."""

    digest: str
    contacts: list[PredictionRequest]
    rejected: list[BatchError]


def read_contacts(path: Path, payloads: Payloads) -> CampaignContacts:
    """Read a list: good rows, and bad ones with their reason."""

    def reading(raw: Mapping[str, str]) -> PredictionRequest:
        contact = payloads.request_of_text(raw)
        if contact.contact_id is None:
            raise PayloadError(FieldError("contact_id", "whom to call", "nothing"))
        return contact

    contacts: list[PredictionRequest] = []
    rejected: list[BatchError] = []
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
        stream.seek(0)
        for _, found in csv_rows(stream, payloads, reading):
            if isinstance(found, BatchError):
                rejected.append(found)
            else:
                contacts.append(found)
    if not contacts:
        usable = "a header alone"
        if rejected:
            first = rejected[0]
            usable = f"none of {len(rejected)}; line {first.line}: {first.errors[0].field or 'the whole row'}"
        raise PayloadError(FieldError("", "at least one usable row", usable))
    return CampaignContacts(digest, contacts, rejected)
