"""Resolves `BANK_SOURCE` to the contacts the platform works on, and logs the choice.

`Source` is shown in logs, table metadata and pages. A marker file in the landing folder keeps real and simulated
contacts apart.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal

from bank_assets.contract.uci import UCI_FILE_COLUMNS
from bank_assets.landing.delivery_file import check_first_line
from bank_assets.landing.formats import is_packed, unpack
from bank_assets.landing.header import check_header, delivery_kinds
from bank_assets.settings import Settings
from bank_assets.sources.database import is_database, plain_address
from bank_assets.sources.uci import UCI_FILE, UCI_SHA256, SourceError, download_uci, is_pinned
from bank_assets.sources.undated import completed_head, completed_rows, is_undated, sender_of, source_head
from bank_assets.store.atomic_files import write_atomic
from bank_assets.store.home_json import DamagedFileError, read_json

_LOG: Final = logging.getLogger(__name__)
# Where `auto` looks first: the repository's data folder.
DEFAULT_FILE: Final = Path(__file__).resolve().parents[2] / "data" / UCI_FILE


@dataclass(frozen=True, slots=True)
class Source:
    """Where the contacts come from. Only the pinned file's `label` says "UCI"."""

    kind: Literal["file", "uci", "simulated", "database"]  # `file` (a path), `uci` (downloaded), …
    label: str
    path: Path | None = None  # the CSV, or None if simulated
    reason: str = ""  # why `auto` chose it, or ""
    open_from: str = ""  # first day of the campaign that was landed with it, ISO, or ""

    @property
    def is_real(self) -> bool:
        """Whether customers did what the data says: everything but simulated contacts."""
        return self.kind != "simulated"

    @property
    def family(self) -> str:
        """Sources of one family may share a home: the UCI file, one simulation, or a user's deliveries."""
        if self.label.startswith("UCI "):
            return "uci"
        return self.label if self.kind == "simulated" else "file"


def _marker(landing: Path) -> Path:
    return landing / "source.json"


def landed_source(landing: Path) -> Source | None:
    """The source recorded by the last landing; None if nothing was landed yet, or if the record cannot be read."""
    try:
        return _recorded(landing)
    except (OSError, DamagedFileError) as error:  # senders write to this folder, too
        _LOG.warning("%s", error)
        return None


def _recorded(landing: Path) -> Source | None:
    def parse(record: Any) -> Source:
        record.pop("is_real", None)  # of earlier releases
        return Source(**record | {"path": Path(record["path"]) if record["path"] else None})

    to_do = "restore the file, or remove it if the home shall continue with BANK_SOURCE as it is"
    with suppress(FileNotFoundError):
        return read_json(_marker(landing), parse, "the record of the source of this home", to_do)
    return None


def open_from(landing: Path) -> str:
    """First day of the campaign that was landed with the source, ISO, or "": its customers are still to be called."""
    source = landed_source(landing)
    return source.open_from if source else ""


def claim_landing(source: Source, landing: Path) -> None:
    """Record the source before anything is landed.

    Raises:
        SourceError: the home holds contacts of another source.
        DamagedFileError: the record of its source cannot be read.
    """
    holder = _recorded(landing)
    if holder is not None and holder.family != source.family:
        raise SourceError(
            f"{landing}: expected deliveries from one source, found {holder.label} there and "
            f"{source.label} to land; set BANK_HOME to another folder, or BANK_SOURCE to the former source."
        )
    opened = source.open_from or (holder.open_from if holder else "")
    record = asdict(source) | {"path": str(source.path) if source.path else None, "open_from": opened}
    write_atomic(_marker(landing), json.dumps(record, indent=2, ensure_ascii=False).encode())


def _simulated(settings: Settings, reason: str = "") -> Source:
    if lacking := set(UCI_FILE_COLUMNS) - set(settings.contract.delivery_columns):
        raise SourceError(
            f"BANK_SOURCE: expected a file for contract {settings.contract.name}, found {settings.source}, which has "
            f"the UCI columns, among them {', '.join(sorted(lacking))}; set BANK_SOURCE to the path of your file."
        )
    label = f"simulated ({settings.simulated_rows:,} rows in 31 months, seed {settings.seed})"
    return Source("simulated", label, reason=reason)


def _from_file(path: Path, settings: Settings, reason: str = "", kind: Literal["file", "uci"] = "file") -> Source:
    name = path.name
    if not path.is_file():
        raise SourceError(
            f"BANK_SOURCE: expected a CSV or Parquet file, uci, simulated or auto, found {str(path)!r}, which is no "
            f"file; correct the path."
        )
    if is_packed(path):
        path = unpack(path, settings.home / "downloads", sender_of(settings.contract))
    if is_pinned(path):
        return Source(kind, f"UCI {UCI_FILE} (sha256 {UCI_SHA256[:6]}…)", path=path, reason=reason)
    # A file without dates is refused before anything is written, unless its order implies them.
    check_first_line(path, name)
    contract, wanted = settings.contract, delivery_kinds(settings.contract)["contacts"]
    head, undated = source_head(path, contract), is_undated(path, contract)
    check_header(completed_head(head, contract) if undated else head, wanted, name)
    if undated:
        completed_rows(path, contract)
    return Source("file", f"file {name} ({path.stat().st_size:,} bytes)", path=path, reason=reason)


def _auto(settings: Settings, default_file: Path, download: Callable[[Path], Path]) -> Source:
    if not set(UCI_FILE_COLUMNS) <= set(settings.contract.delivery_columns):
        return _simulated(settings)  # says what to set
    holder = landed_source(settings.landing)
    if holder is not None and holder.kind == "simulated":
        reason = "auto: this home was begun with simulated contacts, which must not mix with real ones"
        return _simulated(settings, reason)
    name = f"{default_file.parent.name}/{default_file.name}"
    if default_file.is_file():
        return _from_file(default_file, settings, f"auto: found {name}")
    try:
        path = download(settings.home / "downloads")
    except SourceError as error:
        return _simulated(settings, f"auto: no {name}, and {error}")
    return _from_file(path, settings, "auto: downloaded from UCI", "uci")


def resolve_source(
    settings: Settings, *, default_file: Path = DEFAULT_FILE, download: Callable[[Path], Path] = download_uci
) -> Source:
    """Choose the contacts to work on by `settings.source`, and log the choice with its reason.

    Raises:
        SourceError: the path does not exist, or `uci` was requested and cannot be downloaded.
        DeliveryRefused: the file's header is not a contacts delivery and it is not the pinned UCI file.
    """
    match settings.source:
        case "auto":
            source = _auto(settings, default_file, download)
        case "simulated":
            source = _simulated(settings)
        case "uci":
            source = _from_file(download(settings.home / "downloads"), settings, kind="uci")
        case address if is_database(address):
            source = Source("database", f"database {plain_address(settings)}")
        case path:
            source = _from_file(Path(path).expanduser(), settings)
    level = logging.WARNING if settings.source == "auto" and source.kind == "simulated" else logging.INFO
    _LOG.log(level, "source of contacts: %s%s", source.label, f"; {source.reason}" if source.reason else "")
    return source


def resolve_history(settings: Settings) -> Source:
    """`resolve_source` for what needs a whole history, which a database does not deliver again."""
    source = resolve_source(settings)
    if source.kind == "database":
        raise SourceError(
            "BANK_SOURCE: expected a CSV file, uci, simulated or auto for a whole history, found a database, which "
            "delivers only what is new; export its rows to a file."
        )
    return source
