"""Tables of earlier releases, whose `manifest.json` named the files of each key: they become Delta tables in place.

No Parquet file is written or moved, and fingerprints stay, so an upgrade recomputes nothing.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from bank_assets.store.atomic_files import write_atomic
from bank_assets.store.home_json import read_json
from bank_assets.store.keyed_delta import DataFile, KeyedDelta
from bank_assets.store.lake import explained
from bank_assets.store.locks import locked
from bank_assets.store.table_state import Entry, TableState

_SCHEMA_VERSION: Final = 1
# Stays in the manifest's place, so that an earlier release refuses the table instead of making it anew.
_MARKER: Final = b'{"schema_version": 2, "converted": "a Delta table now; see manifest.json.converted"}\n'


def convert(table: str, delta: KeyedDelta, state: TableState) -> None:
    """Add the files of a manifest to the table, record what it says, and put it aside.

    If the process is killed in between, the next one finishes. Keys whose files are gone are left out and made again.

    Raises:
        DamagedFileError: the manifest cannot be read.
    """
    if not isinstance(folder := delta.folder, Path):
        return  # no release kept manifests in a bucket
    manifest = folder / "manifest.json"
    with suppress(FileNotFoundError):
        if manifest.read_bytes() == _MARKER:
            return
        with explained(folder, "convert the table of an earlier release"), locked(folder / ".convert.lock"):
            if (content := manifest.read_bytes()) == _MARKER:
                return
            found, files, schemas = {}, {}, []
            for key, entry in _entries(manifest).items():
                with suppress(FileNotFoundError, pa.ArrowException):
                    footers = {name: pq.read_metadata(delta.folder / name) for name in entry.files}
                    found[key] = entry
                    files[key] = [DataFile(name, _size(delta, name), one.num_rows) for name, one in footers.items()]
                    schemas += [one.schema.to_arrow_schema() for one in footers.values()]
            version = delta.replace(files, schemas)
            state.record(table, {key: replace(entry, version=version) for key, entry in found.items()})
            write_atomic(manifest.with_name("manifest.json.converted"), content)
            write_atomic(manifest, _MARKER)


def _size(delta: KeyedDelta, name: str) -> int:
    return (delta.folder / name).stat().st_size


def _entries(path: Path) -> dict[str, Entry]:
    def parse(document: Any) -> dict[str, Entry]:
        if document["schema_version"] != _SCHEMA_VERSION:
            raise ValueError(f"schema_version {document['schema_version']}")
        return msgspec.convert(document["entries"], dict[str, Entry])

    to_do = "restore the file from a backup, use the release that wrote it, or remove it to rebuild the table"
    return read_json(path, parse, f"a manifest of schema_version {_SCHEMA_VERSION}", to_do)
