"""Which contacts the platform works on: `BANK_SOURCE` resolved, and never silently.

What lives here: the `Source` record that log, summary, table metadata and pages show, and the marker that keeps one
home from mixing real and simulated contacts.
What must not: writing deliveries (see `landing`).
Called by the command line, the assets `raw_contacts` (metadata) and `serving` settings pages.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal

from bank_assets.contract.contract import Contract
from bank_assets.contract.reading import head_of
from bank_assets.landing.header import delivery_kinds, read_header
from bank_assets.settings import Settings
from bank_assets.sources.uci import UCI_FILE, UCI_SHA256, SourceError, download_uci, is_pinned
from bank_assets.store.atomic_files import write_atomic

_LOG: Final = logging.getLogger(__name__)
DEFAULT_FILE: Final = Path(__file__).resolve().parents[2] / "data" / UCI_FILE
"""Where `auto` looks first: the repository's data folder."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where the contacts come from.

    Attributes:
        kind: `file` (a CSV path), `uci` (downloaded) or `simulated`.
        label: for people; says "UCI" only of the pinned file and "simulated" of everything generated.
        is_real: True only if the bytes are the pinned UCI file.
        path: the CSV, or None if simulated.
        reason: why `auto` chose it, or "".
    """

    kind: Literal["file", "uci", "simulated"]
    label: str
    is_real: bool
    path: Path | None = None
    reason: str = ""

    @property
    def family(self) -> str:
        """What may share a home: the pinned UCI file however it came, one simulation, or a user's deliveries."""
        if self.is_real:
            return "uci"
        return self.label if self.kind == "simulated" else "file"


def _marker(landing: Path) -> Path:
    return landing / "source.json"


def landed_source(landing: Path) -> Source | None:
    """The source that a home was filled from, or None if nothing was landed yet.

    Args:
        landing: the landing folder.

    Returns:
        The source recorded by the last landing.
    """
    try:
        record = json.loads(_marker(landing).read_bytes())
    except FileNotFoundError:
        return None
    record["path"] = Path(record["path"]) if record["path"] else None
    return Source(**record)


def claim_landing(source: Source, landing: Path) -> None:
    """Record the source of a home before anything of it is landed.

    Args:
        source: what will be landed.
        landing: the landing folder.

    Raises:
        SourceError: the home holds contacts of another source; the two must not mix.
    """
    holder = landed_source(landing)
    if holder is not None and holder.family != source.family:
        raise SourceError(
            f"{landing}: expected deliveries from one source, found {holder.label} there and "
            f"{source.label} to land; set BANK_HOME to another folder, or BANK_SOURCE to the former source."
        )
    record = asdict(source) | {"path": str(source.path) if source.path else None}
    write_atomic(_marker(landing), json.dumps(record, indent=2, ensure_ascii=False).encode())


def _simulated(settings: Settings, reason: str = "") -> Source:
    label = f"simulated ({settings.simulated_rows:,} rows in 31 months, seed {settings.seed})"
    return Source("simulated", label, is_real=False, reason=reason)


def _from_file(path: Path, contract: Contract, reason: str = "", kind: Literal["file", "uci"] = "file") -> Source:
    if not path.is_file():
        raise SourceError(
            f"BANK_SOURCE: expected a CSV file, uci, simulated or auto, found {str(path)!r}, which does not "
            f"exist; correct the path."
        )
    if is_pinned(path):
        return Source(kind, f"UCI {UCI_FILE} (sha256 {UCI_SHA256[:6]}…)", is_real=True, path=path, reason=reason)
    read_header(
        head_of(path), delivery_kinds(contract)["contacts"], path.name
    )  # a dateless file is refused before anything is written
    return Source("file", f"file {path.name} ({path.stat().st_size:,} bytes)", is_real=False, path=path, reason=reason)


def _auto(settings: Settings, default_file: Path, download: Callable[[Path], Path]) -> Source:
    holder = landed_source(settings.landing)
    if holder is not None and holder.kind == "simulated":
        return _simulated(
            settings, "auto: this home was begun with simulated contacts, which must not mix with real ones"
        )
    if default_file.is_file():
        return _from_file(
            default_file, settings.contract, f"auto: found {default_file.parent.name}/{default_file.name}"
        )
    try:
        path = download(settings.home / "downloads")
    except SourceError as error:
        return _simulated(settings, f"auto: no {default_file.parent.name}/{default_file.name}, and {error}")
    return _from_file(path, settings.contract, "auto: downloaded from UCI", "uci")


def resolve_source(
    settings: Settings, *, default_file: Path = DEFAULT_FILE, download: Callable[[Path], Path] = download_uci
) -> Source:
    """Decide which contacts to work on.

    Args:
        settings: reads `source` (a CSV path, `uci`, `simulated` or `auto`), `home`, `seed` and `simulated_rows`.
        default_file: where `auto` looks first.
        download: fetches the UCI file into a folder.

    Returns:
        The source; the choice and its reason are logged.

    Raises:
        SourceError: the path does not exist, or `uci` was asked for and cannot be had.
        DeliveryRefused: the file's header is not a contacts delivery and it is not the pinned UCI file.
    """
    match settings.source:
        case "auto":
            source = _auto(settings, default_file, download)
        case "simulated":
            source = _simulated(settings)
        case "uci":
            source = _from_file(download(settings.home / "downloads"), settings.contract, kind="uci")
        case path:
            source = _from_file(Path(path).expanduser(), settings.contract)
    level = logging.WARNING if settings.source == "auto" and source.kind == "simulated" else logging.INFO
    _LOG.log(level, "source of contacts: %s%s", source.label, f"; {source.reason}" if source.reason else "")
    return source
