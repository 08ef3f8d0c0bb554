"""Contracts as files: Open Data Contract Standard 3.1 (https://bitol-io.github.io/open-data-contract-standard) in YAML.

Names, types, bounds and descriptions stand where the standard has them, all else that a `Column` holds in
`customProperties` under the attribute's name in camel case. A file is read once at the door; processes pass on the
contract's canonical JSON.
"""

from __future__ import annotations

import difflib
import json
import re
import textwrap
import unicodedata
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import yaml

from bank_assets.contract.columns import YES_NO, ColumnKind, ColumnRole, KnownWhen, Summary
from bank_assets.contract.contract import Contract
from bank_assets.contract.errors import ContractError
from bank_assets.contract.problems import TABLE_NAMES
from bank_assets.contract.yaml_tree import FileError, Node, parse_yaml

SHIPPED: Final = Path(__file__).resolve().parents[1] / "contracts"
SUFFIX: Final = ".odcs.yaml"
DEFAULT: Final = "uci-bank-marketing"
API_VERSION: Final = "v3.1.0"
_CONTACTS: Final = "contacts"
# Keys of the standard that describe a contract to other programs and mean nothing to this one.
_OTHERS_OF_CONTRACT: Final = (
    "id", "status", "description", "tenant", "tags", "servers", "dataProduct", "domain", "support", "price", "team",
    "roles", "slaProperties", "authoritativeDefinitions", "contractCreatedTs",
)  # fmt: skip
_OTHERS_OF_ELEMENT: Final = (
    "id", "physicalType", "tags", "authoritativeDefinitions", "classification", "criticalDataElement", "examples",
    "quality", "primaryKey", "primaryKeyPosition", "unique", "partitioned", "partitionKeyPosition", "encryptedName",
    "transformSourceObjects", "transformLogic", "transformDescription", "relationships",
)  # fmt: skip

Reader = Callable[[Node], Any]


def _text(node: Node) -> str:
    if not isinstance(node.value, str):
        raise FileError(node.line, "expected text, found a list or mapping; write one value.")
    return node.value


def _number(node: Node) -> float:
    text = _text(node)
    try:
        return int(text) if re.fullmatch(r"[+-]?[0-9]+", text) else _finite(text)
    except ValueError:
        raise FileError(node.line, f"expected a number, found {text!r}; correct it.") from None


def _finite(text: str) -> float:
    if not re.fullmatch(r"[+-]?[0-9]+\.[0-9]+(?:[eE][+-]?[0-9]+)?", text):
        raise ValueError(text)
    return float(text)


def _whole(node: Node) -> int:
    if not isinstance(number := _number(node), int):
        raise FileError(node.line, f"expected a whole number, found {number}; correct it.")
    return number


def _flag(node: Node) -> bool:
    return _one_of(("true", "false"))(node) == "true"


def _items(node: Node) -> list[Node]:
    if not isinstance(node.value, list):
        raise FileError(node.line, "expected a list, found something else; write one as [a, b].")
    return node.value


def _texts(node: Node) -> list[str]:
    return [_text(item) for item in _items(node)]


def _entries(node: Node) -> dict[str, Node]:
    if not isinstance(node.value, dict):
        raise FileError(node.line, "expected a mapping, found something else; write one as {key: value}.")
    return node.value


def _pairs(node: Node) -> list[list[str]]:
    return [[key, _text(value)] for key, value in _entries(node).items()]


def _one_of(allowed: Collection[str]) -> Reader:
    def read(node: Node) -> str:
        if (text := _text(node)) not in allowed:
            raise FileError(node.line, f"expected {' or '.join(allowed)}, found {text!r}; correct it.")
        return text

    return read


# Key of the standard → attribute of `Column`, and how its value is read.
_STANDARD: Final[dict[str, tuple[str, Reader]]] = {
    "name": ("source", _text),
    "physicalName": ("table", _text),
    "businessName": ("label", _text),
    "description": ("description", _text),
}
_TYPES: Final = {
    ColumnKind.INTEGER: "integer",
    ColumnKind.DECIMAL: "number",
    ColumnKind.CATEGORY: "string",
    ColumnKind.BOOLEAN: "boolean",
    ColumnKind.DATE: "date",
    ColumnKind.STRING: "string",
}
# Attribute of `Column` that is a custom property, and how its value is read.
_CUSTOM: Final[dict[str, Reader]] = {
    "known": _one_of(tuple(KnownWhen)),
    "role": _one_of(tuple(ColumnRole)),
    "unit": _text,
    "categories": _texts,
    "protected": _flag,
    "sentinel": _number,
    "default": lambda node: node,  # text or a number, as the type of the column says
    "group": _text,
    "phrase": _text,
    "words": _pairs,
    "since": _whole,
    "decimal_sign": _text,
    "thousands_sign": _text,
    "implies": _texts,
}
_SENDER: Final[dict[str, tuple[str, Reader]]] = {
    "name": ("name", _text),
    "files": ("files", _text),
    "columns": ("columns", _pairs),
    "values": ("values", lambda node: [[key, *pair] for key, one in _entries(node).items() for pair in _pairs(one)]),
    "ignoreCase": ("ignore_case", _flag),
    "decimalSign": ("decimal_sign", _text),
    "thousandsSign": ("thousands_sign", _text),
    "dateFormat": ("date_format", _text),
}
_STATISTIC: Final[dict[str, tuple[str, Reader]]] = {
    "feature": ("feature", _text),
    "column": ("column", _text),
    "summary": ("summary", _one_of(tuple(Summary))),
    "values": ("values", _texts),
    "low": ("low", _number),
    "high": ("high", _number),
}


def _key(attribute: str) -> str:
    """The name of an attribute in a file."""
    first, *rest = {"known": "known_when"}.get(attribute, attribute).split("_")
    return first + "".join(part.capitalize() for part in rest)


_COLUMN: Final = {
    **_STANDARD,
    "logicalType": ("kind", _one_of(tuple(dict.fromkeys(_TYPES.values())))),
    "logicalTypeOptions": ("bounds", _entries),
    **{_key(attribute): (attribute, read) for attribute, read in _CUSTOM.items()},
}
_CONTRACT: Final[dict[str, tuple[str, Reader]]] = {
    "apiVersion": ("api_version", _text),
    "kind": ("kind", _one_of(("DataContract",))),
    "name": ("name", _text),
    "version": ("version", _whole),
    "schema": ("schema", _items),
    "firstMonth": ("first_month", _text),
    "groups": ("groups", _texts),
    "listStatistics": ("list_statistics", _items),
    "decimalSign": ("decimal_sign", _text),
    "thousandsSign": ("thousands_sign", _text),
    "datesFromRowOrder": ("dates_from_row_order", _flag),
    "encoding": ("encoding", _text),
    "farDays": ("far_days", _whole),
    "fewShare": ("few_share", _number),
    "fewContacts": ("few_contacts", _whole),
    "senders": ("senders", _items),
}


def read_contract(path: Path) -> Contract:
    """Read a contract file.

    Raises:
        ContractError: the file does not exist, is no YAML, or no contract; the message has a line for each fault.
    """
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = "other bytes than UTF-8" if isinstance(error, UnicodeDecodeError) else error.strerror
        raise ContractError(f"{path}: expected a contract file, found {reason}; correct the path or file.") from error
    return parse_contract(text, path.name)


def parse_contract(text: str, name: str) -> Contract:
    """Read the text of a contract file, whose name is used in messages; raises as `read_contract` does."""
    faults: list[FileError] = []
    try:
        document, lines = _document(parse_yaml(text), faults)
        if not faults:
            try:
                return Contract.from_dict(document)
            except ContractError as error:
                faults = [FileError(lines.get(one.column, 1), str(one)) for one in error.problems]
                if not faults:
                    raise
    except FileError as fault:
        faults.append(fault)
    raise ContractError("\n".join(f"{name}, line {fault.line}: {fault}" for fault in faults))


@lru_cache(maxsize=8)
def load_contract(name: str = DEFAULT) -> Contract:
    """The contract of a setting: the name of a shipped contract, or a path; it is read once."""
    shipped = SHIPPED / f"{name}{SUFFIX}"
    if shipped.is_file():
        return read_contract(shipped)
    if not Path(name).expanduser().is_file():
        names = sorted(path.name.removesuffix(SUFFIX) for path in SHIPPED.glob(f"*{SUFFIX}"))
        raise ContractError(
            f"expected the name of a shipped contract ({', '.join(names)}) or the path of a contract file, found "
            f"{name!r}; correct it."
        )
    return read_contract(Path(name).expanduser())


def table_name(source: str) -> str:
    """A safe table name for a delivery name: `Größe (cm)` becomes `groesse_cm`."""
    spelled = source.lower().translate({ord("ä"): "ae", ord("ö"): "oe", ord("ü"): "ue", ord("ß"): "ss"})
    plain = unicodedata.normalize("NFKD", spelled).encode("ascii", "ignore").decode()
    name = "_".join(re.findall(r"[a-z0-9]+", plain))[:63]
    return name if name[:1].isalpha() else f"column_{name}"[:63]


def contract_on_record(document: Mapping[str, Any] | None) -> Contract:
    """The contract of a bundle; bundles of the first releases carry none and were made under version 1 of UCI."""
    return load_contract().at(1) if document is None else Contract.from_dict(document)


def _document(root: Node, faults: list[FileError]) -> tuple[dict[str, Any], dict[str, int]]:
    """What `Contract.from_dict` reads, and the line of each column."""
    found = _values(root, _CONTRACT, _OTHERS_OF_CONTRACT, ("apiVersion", "kind", "name", "version", "schema"), "")
    if not str(found.pop("api_version")).startswith("v3."):
        raise FileError(root.line, f"expected apiVersion {API_VERSION}, found another one; convert the file to it.")
    if len(found["schema"]) != 1:
        raise FileError(root.line, f"expected one object in the schema, the contacts, found {len(found['schema'])}.")
    table = {"properties": ("columns", _items), "name": ("name", _text), "logicalType": ("type", _text)}
    others = (*_OTHERS_OF_ELEMENT, "physicalName", "businessName", "description", "dataGranularityDescription")
    columns = _values(found.pop("schema")[0], table, others, ("properties",), "schema: ")["columns"]
    lines: dict[str, int] = {}
    found["columns"] = []
    for node in columns:
        try:
            column = _column(node)
        except FileError as fault:
            faults.append(fault)
            continue
        found["columns"].append(column)
        lines[column["source"]] = node.line
    found["list_statistics"] = [
        _values(node, _STATISTIC, (), ("feature", "column"), "listStatistics: ")
        for node in found.get("list_statistics", [])
    ]
    found["senders"] = [_values(node, _SENDER, (), ("name",), "senders: ") for node in found.get("senders", [])]
    del found["kind"]
    return {"groups": [], "first_month": "", **found}, lines


def _column(node: Node) -> dict[str, Any]:
    name = _entries(node).get("name")
    where = f"column {_text(name)}: " if name else ""
    found = _values(node, _COLUMN, _OTHERS_OF_ELEMENT, ("name", "logicalType", "knownWhen"), where)
    kind = next(one for one in _TYPES if _TYPES[one] == found["kind"])
    if kind is ColumnKind.CATEGORY and "categories" not in found:
        kind = ColumnKind.STRING
    if kind is ColumnKind.BOOLEAN:
        found.setdefault("categories", list(YES_NO))
    for key, bound in found.pop("bounds", {}).items():
        if key not in ("minimum", "maximum"):
            raise FileError(bound.line, f"{where}expected minimum and maximum, found {key}; remove it.")
        found[key] = _number(bound)
    if "default" in found:
        read = _number if kind in (ColumnKind.INTEGER, ColumnKind.DECIMAL) else _text
        found |= _read({"default": found["default"]}, {"default": ("default", read)}, where)
    found.setdefault("table", TABLE_NAMES.get(found.get("role", ""), table_name(found["source"])))
    return {"description": "", **found, "kind": kind}


def _values(
    node: Node, known: Mapping[str, tuple[str, Reader]], others: Sequence[str], required: Sequence[str], where: str
) -> dict[str, Any]:
    """The values of a mapping and of its custom properties by attribute; a key that is not known is refused."""
    entries = dict(_entries(node))
    custom = entries.pop("customProperties", None)
    for item in _items(custom) if custom else []:
        parts = _entries(item)
        if not {"property", "value"} <= set(parts) <= {"property", "value", "description", "id"}:
            raise FileError(item.line, f"{where}expected {{property: …, value: …}}, found {', '.join(parts)}; mend it.")
        if (name := _text(parts["property"])) in entries:
            raise FileError(item.line, f"{where}expected {name} once, found it repeatedly; remove one of them.")
        entries[name] = parts["value"]
    for key, value in entries.items():
        if key not in known and key not in others:
            close = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {close[0]}?" if close else f"known here are {', '.join(known)}."
            raise FileError(value.line, f"{where}expected a key that this release knows, found {key}; {hint}")
    if missing := [key for key in required if key not in entries]:
        raise FileError(node.line, f"{where}expected {', '.join(required)}, found no {', '.join(missing)}; add it.")
    return _read(entries, known, where)


def _read(entries: Mapping[str, Node], known: Mapping[str, tuple[str, Reader]], where: str) -> dict[str, Any]:
    found = {}
    for key in entries.keys() & known.keys():
        attribute, read = known[key]
        try:
            found[attribute] = read(entries[key])
        except FileError as fault:
            raise FileError(fault.line, f"{where}{key}: {fault}") from None
    return found


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
    own = _custom({name: value for name, value in plain.items() if value != []})
    if statistics:
        own.append({"property": "listStatistics", "value": statistics})
    head |= {"customProperties": own, "schema": [{"name": _CONTACTS, "logicalType": "object"}]}
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
    return {_key(name): spelled.get(name, value) for name, value in plain.items()}


def _entry(plain: dict[str, Any]) -> dict[str, Any]:
    """A column as the standard writes it."""
    values = dict(plain)
    kind = values.pop("kind")
    if kind == ColumnKind.BOOLEAN and values.get("categories") == list(YES_NO):
        del values["categories"]
    bounds = {name: values.pop(name) for name in ("minimum", "maximum") if name in values}
    entry = {key: values.pop(attribute) for key, (attribute, _) in _STANDARD.items() if values.get(attribute)}
    entry["logicalType"] = _TYPES[kind]
    if bounds:
        entry["logicalTypeOptions"] = _Inline(**bounds)
    words = {"words": dict(values.pop("words"))} if "words" in values else {}
    return entry | {"customProperties": _custom({name: values[name] for name in _CUSTOM if name in values} | words)}


def _custom(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [_Inline(property=_key(name), value=value) for name, value in values.items()]


def _commented(lines: Sequence[str]) -> str:
    return "".join(f"# {line}\n" for line in lines)


def _yaml(document: Any) -> str:
    return str(yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110))
