"""Writes contract files, with comments; `file` reads them back as the same contract."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from bank_assets.contract.columns import YES_NO, ColumnKind
from bank_assets.contract.contract import Contract
from bank_assets.contract.file import API_VERSION, CUSTOM, STANDARD, TYPES, key_of


class _Inline(dict[str, Any]):
    """A mapping that is written on one line."""


class _Dumper(yaml.SafeDumper):
    """Quotes whatever another reader of YAML would take for something else than text."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002 - lists are indented
        super().increase_indent(flow, indentless=False)


_Dumper.add_representer(
    _Inline, lambda dumper, data: dumper.represent_mapping("tag:yaml.org,2002:map", data, flow_style=True)
)


def write_contract(contract: Contract, comments: Mapping[str, Sequence[str]] | None = None) -> str:
    """The text of a contract file that `read_contract` reads back as the same contract.

    `comments` has lines to stand above a column, by its delivery name, and above the whole contract under "".
    """
    plain = json.loads(json.dumps(contract.to_dict()))  # enumerations and tuples become text and lists
    columns, comments = plain.pop("columns"), comments or {}
    head = {
        "apiVersion": API_VERSION,
        "kind": "DataContract",
        "id": contract.name,
        "name": plain.pop("name"),
        "version": str(plain.pop("version")),
        "status": "active",
    }
    statistics = [_Inline(one) for one in plain.pop("list_statistics")]
    plain["senders"] = [_sender(one) for one in plain.get("senders", ())]
    if "dispositions" in plain:
        plain["dispositions"] = dict(plain["dispositions"])
    own = _custom({name: value for name, value in plain.items() if value != []})
    if statistics:
        own.append({"property": "listStatistics", "value": statistics})
    head |= {"customProperties": own, "schema": [{"name": "contacts", "logicalType": "object"}]}
    parts = [_commented(comments.get("", ())), _yaml(head), "    properties:\n"]
    for column in columns:
        text = _commented(comments.get(column["source"], ())) + _yaml([_entry(column)])
        parts.append(textwrap.indent(text, "      "))
    return "".join(parts)


def _sender(plain: dict[str, Any]) -> dict[str, Any]:
    """A sender as a file has it: spellings as mappings."""
    values: dict[str, dict[str, str]] = {}
    for column, sent, meant in plain.get("values", ()):
        values.setdefault(column, {})[sent] = meant
    spelled = {"columns": dict(plain.get("columns", ())), "values": values}
    return {key_of(name): spelled.get(name, value) for name, value in plain.items()}


def _entry(plain: dict[str, Any]) -> dict[str, Any]:
    """A column as the standard writes it."""
    values = dict(plain)
    kind = values.pop("kind")
    if kind == ColumnKind.BOOLEAN and values.get("categories") == list(YES_NO):
        del values["categories"]
    bounds = {name: values.pop(name) for name in ("minimum", "maximum") if name in values}
    entry = {key: values.pop(attribute) for key, (attribute, _) in STANDARD.items() if values.get(attribute)}
    entry["logicalType"] = TYPES[kind]
    if bounds:
        entry["logicalTypeOptions"] = _Inline(**bounds)
    words = {"words": dict(values.pop("words"))} if "words" in values else {}
    return entry | {"customProperties": _custom({name: values[name] for name in CUSTOM if name in values} | words)}


def _custom(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [_Inline(property=key_of(name), value=value) for name, value in values.items()]


def _commented(lines: Sequence[str]) -> str:
    return "".join(f"# {line}\n" for line in lines)


def _yaml(document: Any) -> str:
    return str(yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110))
