"""The manifest of a table: which snapshot holds which key, as one small JSON document that is replaced atomically."""

import contextlib
import errno
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from bank_assets.store.atomic_files import write_atomic

SCHEMA_VERSION: Final = 1
_DISK_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class WarehouseError(RuntimeError):
    """A table cannot be read or written; the message says what was expected, what was found, what to do."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What the manifest knows about one key of a table.

    Attributes:
        files: paths relative to the table's folder; empty for a key without rows.
        digest: sha256 over the sha256 of each file, in the order of `files`.
        fingerprint: what the rows were made from (see `fingerprint`).
        metadata: small JSON facts about the key (counts, report paths).
    """

    snapshot: str
    files: tuple[str, ...]
    rows: int
    size: int
    digest: str
    fingerprint: str
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StagedEntry:
    """The files of a key, relative to their staging folder, to be committed."""

    files: tuple[str, ...]
    fingerprint: str
    metadata: Mapping[str, Any] = field(default_factory=dict)


def fingerprint(*, inputs: Sequence[Any] | Mapping[str, Any], code_version: str, settings: Mapping[str, Any]) -> str:
    """Hash of what a result depends on, in hexadecimal; equal fingerprints mean that it need not be recomputed.

    The order of inputs counts if they are a sequence (the last arrival wins), not if they are a mapping. Settings hold
    JSON types only.
    """
    ordered: Any = dict(inputs) if isinstance(inputs, Mapping) else list(inputs)
    document = {"inputs": ordered, "code_version": code_version, "settings": dict(settings)}
    return hashlib.sha256(json.dumps(document, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def load_manifest(path: Path) -> dict[str, Entry]:
    """Entries by key, in key order; empty without a file. Raises `WarehouseError` if the file cannot be read."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    try:
        document = json.loads(text)
        version = document["schema_version"]
        if version == SCHEMA_VERSION:
            items = document["entries"].items()
            return dict(sorted((key, Entry(**{**value, "files": tuple(value["files"])})) for key, value in items))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise WarehouseError(
            f"{path}: expected a manifest written by this program, found {error!r}; "
            f"restore the file from a backup or remove it to rebuild the table."
        ) from error
    raise WarehouseError(
        f"{path}: expected schema_version {SCHEMA_VERSION}, found {version!r}; "
        f"use the release that wrote it or remove it to rebuild the table."
    )


def save_manifest(path: Path, table: str, entries: Mapping[str, Entry]) -> None:
    """Replace a manifest in one step; on failure the old one stays."""
    document = {
        "schema_version": SCHEMA_VERSION,
        "table": table,
        "entries": {key: asdict(entry) for key, entry in sorted(entries.items())},
    }
    with explained(path, "write the manifest"):
        write_atomic(path, json.dumps(document, indent=1).encode())


@contextlib.contextmanager
def explained(path: Path, action: str) -> Iterator[None]:
    """Turn an operating system error into a `WarehouseError` that says what is safe and what to do."""
    try:
        yield
    except OSError as error:
        if error.errno in _DISK_FULL:
            raise WarehouseError(
                f"{path}: could not {action}, the disk or quota is full ({error}). "
                f"The previous snapshot is untouched; free space and run again."
            ) from error
        raise WarehouseError(f"{path}: could not {action}: {error}. The previous snapshot is untouched.") from error
