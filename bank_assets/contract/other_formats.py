"""What people send in place of a CSV file, told by its first bytes whatever its name says."""

from __future__ import annotations

import codecs
import re
from typing import Final, NamedTuple

START_BYTES: Final = 64  # of a file, enough to tell them apart


class OtherFormat(NamedTuple):
    """What was found, and what to do."""

    found: str
    to_do: str


_BY_START: Final = {
    b"PK\x03\x04": OtherFormat(
        "an Excel workbook or a ZIP archive", "save the sheet as CSV UTF-8, or unpack the archive"
    ),
    b"\xd0\xcf\x11\xe0": OtherFormat("an Excel workbook", "save the sheet as CSV UTF-8"),
    b"\x1f\x8b": OtherFormat("a gzip archive", "unpack it"),
    codecs.BOM_UTF32_LE: OtherFormat("UTF-32 text", "save the file as CSV UTF-8"),
    codecs.BOM_UTF32_BE: OtherFormat("UTF-32 text", "save the file as CSV UTF-8"),
    b"\xff\xfe": OtherFormat("UTF-16 text", "save the file as CSV UTF-8"),
    b"\xfe\xff": OtherFormat("UTF-16 text", "save the file as CSV UTF-8"),
    b"%PDF": OtherFormat("a PDF file", "export the table as CSV UTF-8"),
    b"PAR1": OtherFormat("a Parquet file", "export it as CSV UTF-8, or give its name the ending .parquet"),
}
_TEXTS: Final = {
    re.compile(rb"<(!doctype )?html\b", re.IGNORECASE): OtherFormat(
        "a web page, such as a log-in or an error", "fetch the file again"
    ),
    re.compile(rb"<\?xml\b"): OtherFormat("an XML document", "export the table as CSV UTF-8"),
    re.compile(rb'(\[\s*)?\{\s*"'): OtherFormat("a JSON document", "export the table as CSV UTF-8"),
}


def other_format(start: bytes) -> OtherFormat | None:
    """The format of a file with these first bytes; None if it may be CSV text."""
    text = start.removeprefix(codecs.BOM_UTF8).lstrip()
    found = [one for magic, one in _BY_START.items() if start.startswith(magic)]
    found += [one for pattern, one in _TEXTS.items() if pattern.match(text)]
    return found[0] if found else None
