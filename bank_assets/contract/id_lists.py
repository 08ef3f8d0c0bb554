"""Lists of identifiers as people paste and upload them: one a line, read alike everywhere."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from bank_assets.contract.values import IDENTIFIER_RULE, found_words, identifier_key, is_identifier, plain_identifier

MOST_IDS: Final = 200_000
_SEPARATORS: Final = re.compile(r"[,;|\t]")
_HEADERS: Final = ("customerid", "contactid", "customer", "contact", "id")
_AROUND: Final = ' \t,;|"\ufeff'  # blanks, quotes and separators that close a line
_OTHER_FILES: Final = (
    ("PK\x03\x04", "an Excel file or a zip; save it as CSV"),
    ("%PDF", "a PDF file"),
    ("\xd0\xcf\x11\xe0", "an Excel file; save it as CSV"),
    ("\x1f\x8b", "a packed file; unpack it"),
)


@dataclass(frozen=True, slots=True)
class LineFault:
    """A line that is no identifier; `line` is 0 for the whole text."""

    line: int
    expected: str
    found: str


def text_of(content: bytes) -> str | LineFault:
    """The text of a file, or what it is instead."""
    start = content[:4].decode("latin-1")
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return content.decode("utf-16", "replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        found = next((name for magic, name in _OTHER_FILES if start.startswith(magic)), None)
        return LineFault(0, "text in UTF-8", found or f"byte {error.start}, which is none; save it as CSV UTF-8")


def read_ids(text: str) -> tuple[list[str], list[LineFault]]:
    """The identifiers of a text, each spelling of a person once, and the lines that are none.

    Blank lines, quotes around an identifier and a header are left out, as are signs that nobody sees.
    """
    found = next((name for magic, name in _OTHER_FILES if text.startswith(magic)), None)
    if found:
        return [], [LineFault(0, "identifiers, one per line", found)]
    ids: dict[str, str] = {}
    faults: list[LineFault] = []
    for number, line in enumerate(re.split(r"\r\n|\r|\n", text), start=1):
        field = line.strip(_AROUND)
        one = plain_identifier(field).strip('"')
        if not ids and not faults and re.sub("[ _-]", "", one.casefold()) in _HEADERS:
            continue
        if _SEPARATORS.search(field):
            faults.append(
                LineFault(number, "one identifier per line, in a file of this column alone", found_words(one))
            )
        elif one and not is_identifier(one):
            faults.append(LineFault(number, IDENTIFIER_RULE, found_words(one)))
        elif one:
            ids.setdefault(identifier_key(one), one)
        if len(ids) > MOST_IDS:
            return [], [LineFault(number, f"at most {MOST_IDS:,} identifiers", "more; send the list in parts")]
    return list(ids.values()), faults
