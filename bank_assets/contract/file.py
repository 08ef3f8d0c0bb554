"""Contracts as files: Open Data Contract Standard 3.1 (https://bitol-io.github.io/open-data-contract-standard) in YAML.

Names, types, bounds and descriptions stand where the standard has them, all else that a `Column` holds in
`customProperties` under the attribute's name in camel case. A file is read once, at the start; processes pass on the
contract's canonical JSON. `file_writing` writes such files.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from bank_assets.contract.columns import YES_NO, ColumnKind, ColumnRole, KnownWhen, Summary
from bank_assets.contract.contract import Contract
from bank_assets.contract.errors import ContractError
from bank_assets.contract.problems import TABLE_NAMES
from bank_assets.contract.yaml_tree import FileError, Node, Reader, one_of, parse_yaml, values_of

SHIPPED: Final = Path(__file__).resolve().parents[1] / "contracts"
SUFFIX: Final = ".odcs.yaml"
DEFAULT: Final = "uci-bank-marketing"
API_VERSION: Final = "v3.1.0"
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

# Key of the standard → attribute of `Column`, and how its value is read.
STANDARD: Final[dict[str, tuple[str, Reader]]] = {
    "name": ("source", Node.text),
    "physicalName": ("table", Node.text),
    "businessName": ("label", Node.text),
    "description": ("description", Node.text),
}
TYPES: Final = {
    ColumnKind.INTEGER: "integer",
    ColumnKind.DECIMAL: "number",
    ColumnKind.CATEGORY: "string",
    ColumnKind.BOOLEAN: "boolean",
    ColumnKind.DATE: "date",
    ColumnKind.STRING: "string",
}
# Attribute of `Column` that is a custom property, and how its value is read.
CUSTOM: Final[dict[str, Reader]] = {
    "known": one_of(tuple(KnownWhen)),
    "role": one_of(tuple(ColumnRole)),
    "unit": Node.text,
    "categories": Node.texts,
    "protected": Node.flag,
    "sentinel": Node.number,
    "default": lambda node: node,  # text or a number, as the type of the column says
    "group": Node.text,
    "phrase": Node.text,
    "words": Node.pairs,
    "since": Node.whole,
    "decimal_sign": Node.text,
    "thousands_sign": Node.text,
    "implies": Node.texts,
}
_SENDER: Final[dict[str, tuple[str, Reader]]] = {
    "name": ("name", Node.text),
    "files": ("files", Node.text),
    "columns": ("columns", Node.pairs),
    "values": ("values", lambda node: [[key, *pair] for key, one in node.entries().items() for pair in one.pairs()]),
    "ignoreCase": ("ignore_case", Node.flag),
    "decimalSign": ("decimal_sign", Node.text),
    "thousandsSign": ("thousands_sign", Node.text),
    "dateFormat": ("date_format", Node.text),
}
_STATISTIC: Final[dict[str, tuple[str, Reader]]] = {
    "feature": ("feature", Node.text),
    "column": ("column", Node.text),
    "summary": ("summary", one_of(tuple(Summary))),
    "values": ("values", Node.texts),
    "low": ("low", Node.number),
    "high": ("high", Node.number),
}


def key_of(attribute: str) -> str:
    """The name of an attribute in a file."""
    first, *rest = {"known": "known_when"}.get(attribute, attribute).split("_")
    return first + "".join(part.capitalize() for part in rest)


_COLUMN: Final = {
    **STANDARD,
    "logicalType": ("kind", one_of(tuple(dict.fromkeys(TYPES.values())))),
    "logicalTypeOptions": ("bounds", Node.entries),
    **{key_of(attribute): (attribute, read) for attribute, read in CUSTOM.items()},
}
_CONTRACT: Final[dict[str, tuple[str, Reader]]] = {
    "apiVersion": ("api_version", Node.text),
    "kind": ("kind", one_of(("DataContract",))),
    "name": ("name", Node.text),
    "version": ("version", Node.whole),
    "schema": ("schema", Node.items),
    "firstMonth": ("first_month", Node.text),
    "groups": ("groups", Node.texts),
    "listStatistics": ("list_statistics", Node.items),
    "decimalSign": ("decimal_sign", Node.text),
    "thousandsSign": ("thousands_sign", Node.text),
    "datesFromRowOrder": ("dates_from_row_order", Node.flag),
    "encoding": ("encoding", Node.text),
    "farDays": ("far_days", Node.whole),
    "fewShare": ("few_share", Node.number),
    "fewContacts": ("few_contacts", Node.whole),
    "senders": ("senders", Node.items),
    "dispositions": ("dispositions", Node.pairs),
    "notReachedCostShare": ("not_reached_cost_share", Node.number),
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
    table = {"properties": ("columns", Node.items), "name": ("name", Node.text), "logicalType": ("type", Node.text)}
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
    name = node.entries().get("name")
    where = f"column {name.text()}: " if name else ""
    found = _values(node, _COLUMN, _OTHERS_OF_ELEMENT, ("name", "logicalType", "knownWhen"), where)
    kind = next(one for one in TYPES if TYPES[one] == found["kind"])
    if kind is ColumnKind.CATEGORY and "categories" not in found:
        kind = ColumnKind.STRING
    if kind is ColumnKind.BOOLEAN:
        found.setdefault("categories", list(YES_NO))
    for key, bound in found.pop("bounds", {}).items():
        if key not in ("minimum", "maximum"):
            raise FileError(bound.line, f"{where}expected minimum and maximum, found {key}; remove it.")
        found[key] = bound.number()
    if "default" in found:
        read: Reader = Node.number if kind in (ColumnKind.INTEGER, ColumnKind.DECIMAL) else Node.text
        found |= values_of({"default": found["default"]}, node.line, {"default": ("default", read)}, where=where)
    found.setdefault("table", TABLE_NAMES.get(found.get("role", ""), table_name(found["source"])))
    return {"description": "", **found, "kind": kind}


def _values(
    node: Node, known: Mapping[str, tuple[str, Reader]], others: Sequence[str], required: Sequence[str], where: str
) -> dict[str, Any]:
    """The values of a mapping and of its custom properties by attribute; a key that is not known is refused."""
    entries = dict(node.entries())
    custom = entries.pop("customProperties", None)
    for item in custom.items() if custom else []:
        parts = item.entries()
        if not {"property", "value"} <= set(parts) <= {"property", "value", "description", "id"}:
            raise FileError(item.line, f"{where}expected {{property: …, value: …}}, found {', '.join(parts)}; mend it.")
        if (name := parts["property"].text()) in entries:
            raise FileError(item.line, f"{where}expected {name} once, found it repeatedly; remove one of them.")
        entries[name] = parts["value"]
    return values_of(entries, node.line, known, others, required, where)
