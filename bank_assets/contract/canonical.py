"""The canonical form of a contract and its parts: JSON values, JSON text and digests.

Digests name contracts in model bundles and decision records, so nothing here may change what a contract is written as.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

from bank_assets.contract.columns import Column, ColumnKind, ColumnRole, KnownWhen, ListStatistic, Summary
from bank_assets.contract.senders import Sender

if TYPE_CHECKING:
    from bank_assets.contract.contract import Contract

# Attributes of a contract that its canonical form states only if they differ from their defaults: how senders spell
# values, and when a few contacts are implausible.
DEVIATIONS: Final = (
    "decimal_sign", "thousands_sign", "encoding", "far_days", "few_share", "few_contacts", "senders",
    "dates_from_row_order", "dispositions", "not_reached_cost_share",
)  # fmt: skip
# Attributes of a column that affect only what people read.
WORDING = ("description", "label", "group", "phrase", "words")


def canonical_text(document: Any) -> str:
    """Canonical JSON: sorted keys, no white space, ASCII."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)


def sha256(text: str) -> str:
    """Hexadecimal sha256 of ASCII text."""
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def plain(part: Contract | Column | ListStatistic | Sender) -> dict[str, Any]:
    """The attributes that differ from their defaults, as JSON values."""
    values = {field.name: (getattr(part, field.name), field.default) for field in fields(part)}
    return {name: value for name, (value, default) in values.items() if value != default}


def affects_rows(column: Column) -> dict[str, Any]:
    """The attributes of a column that affect rows, as JSON values."""
    return {name: value for name, value in plain(column).items() if name not in WORDING}


def column_of(document: Mapping[str, Any]) -> Column:
    """Read what `plain` made of a column."""
    role = document.get("role")
    return Column(
        **{
            **document,
            "kind": ColumnKind(document["kind"]),
            "known": KnownWhen(document["known"]),
            "categories": tuple(document.get("categories", ())),
            "implies": tuple(document.get("implies", ())),
            "words": tuple((str(value), str(phrase)) for value, phrase in document.get("words", ())),
            "role": None if role is None else ColumnRole(role),
        }
    )


def parts_of(document: Mapping[str, Any]) -> tuple[tuple[Column, ...], tuple[ListStatistic, ...]]:
    """Columns and statistics of what a contract was written as."""
    return tuple(map(column_of, document["columns"])), tuple(map(list_statistic_of, document["list_statistics"]))


def list_statistic_of(document: Mapping[str, Any]) -> ListStatistic:
    """Read what `plain` made of a list statistic."""
    summary = Summary(document.get("summary", Summary.SHARE))
    return ListStatistic(**{**document, "summary": summary, "values": tuple(document.get("values", ()))})
