"""Reading lists of customers to choose from.

What lives here: rows into contacts, and why others are none. What must not: HTTP, scoring, SQL, where the files lie
(`store.campaign_files`). Called by `campaigns.call_lists` and, as the check of an upload, by the campaign page.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from serving.decisions.batches import MAX_ROWS, BatchError
from serving.decisions.payloads import Payloads
from serving.decisions.schemas import PredictionRequest
from serving.decisions.uploads import csv_rows
from serving.web.problems import FieldError, PayloadError


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


def read_contacts(path: Path, payloads: Payloads) -> CampaignContacts:
    """Read a list: good rows, and bad ones with their reason.

    Args:
        path: CSV with the delivery's column names.
        payloads: the contract that it is read by.

    Raises:
        PayloadError: the header does not fit, no row is usable, or there are too many.
    """
    contacts: list[PredictionRequest] = []
    rejected: list[BatchError] = []
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
        stream.seek(0)
        for row in csv_rows(stream, payloads):
            if len(contacts) + len(rejected) >= MAX_ROWS:
                raise PayloadError((FieldError("", f"at most {MAX_ROWS:,} rows", "more; split the file"),))
            try:
                if row.fault is not None:
                    raise PayloadError((row.fault,))  # noqa: TRY301
                contact = payloads.request_of_text(row.raw)
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
