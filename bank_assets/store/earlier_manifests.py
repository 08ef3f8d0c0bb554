"""Tables of earlier releases, whose `manifest.json` named the files of each key: made Delta tables where they lie.

No Parquet file is written or moved, and fingerprints stay, so an upgrade recomputes nothing.
"""

from __future__ import annotations

from contextlib import nullcontext, suppress
from dataclasses import replace
from typing import Any, Final

import msgspec
import pyarrow as pa

from bank_assets.store.home_json import read_json
from bank_assets.store.keyed_delta import DataFile, KeyedDelta
from bank_assets.store.lake import explained, put_whole
from bank_assets.store.locks import locked
from bank_assets.store.places import BucketPath, Place, open_parquet
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
    folder = delta.folder
    manifest = folder / "manifest.json"
    with (
        suppress(FileNotFoundError),
        explained(folder, "convert the table of an earlier release", (FileNotFoundError,)),
    ):
        if manifest.read_bytes() == _MARKER:
            return
        with nullcontext() if isinstance(folder, BucketPath) else locked(folder / ".convert.lock"):
            base = delta.files()  # without a lock, another process may convert the table, and write to it, meanwhile
            if (content := manifest.read_bytes()) == _MARKER:
                return
            found, files, schemas = {}, {}, []
            for key, entry in _entries(manifest).items():
                with suppress(FileNotFoundError, pa.ArrowException):
                    footers = {name: open_parquet(folder / name).metadata for name in entry.files}
                    found[key] = entry
                    files[key] = [DataFile(name, _size(delta, name), one.num_rows) for name, one in footers.items()]
                    schemas += [one.schema.to_arrow_schema() for one in footers.values()]
            version = delta.replace(files, schemas, base)
            state.record(table, {key: replace(entry, version=version) for key, entry in found.items()})
            put_whole(folder / "manifest.json.converted", content)
            put_whole(manifest, _MARKER)


def _size(delta: KeyedDelta, name: str) -> int:
    return (delta.folder / name).stat().st_size


def _entries(path: Place) -> dict[str, Entry]:
    def parse(document: Any) -> dict[str, Entry]:
        if document["schema_version"] != _SCHEMA_VERSION:
            raise ValueError(f"schema_version {document['schema_version']}")
        return msgspec.convert(document["entries"], dict[str, Entry])

    to_do = "restore the file from a backup, use the release that wrote it, or remove it to rebuild the table"
    return read_json(path, parse, f"a manifest of schema_version {_SCHEMA_VERSION}", to_do)
