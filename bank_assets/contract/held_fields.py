"""Whether the bytes of a file hold a field, such as an identifier, without reading its rows."""

from __future__ import annotations

import json
import mmap
from collections.abc import Iterable
from typing import Final

_AROUND: Final = frozenset({b"", *(bytes([sign]) for sign in b";,|\t\"' \r\n")})  # what may stand beside a field


def holds_field(content: bytes | mmap.mmap, field: bytes) -> bool:
    """Whether a field of delimited text, or a text in JSON, is this one."""
    at = content.find(field)
    while at >= 0:
        end = at + len(field)
        if {content[max(at - 1, 0) : at], content[end : end + 1]} <= _AROUND:
            return True
        at = content.find(field, at + 1)
    return False


def holds_any(content: bytes, texts: Iterable[str]) -> bool:
    """Whether a field of delimited text or JSON in UTF-8 is one of some texts."""
    for text in filter(None, texts):
        in_json, in_csv = json.dumps(text, ensure_ascii=False)[1:-1], text.replace('"', '""')
        if any(holds_field(content, form.encode()) for form in {text, in_json, in_csv}):
            return True
    return False
