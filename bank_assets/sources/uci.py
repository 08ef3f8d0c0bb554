"""The UCI Bank Marketing file (S. Moro, P. Rita, P. Cortez; dataset 222, DOI 10.24432/C5K306, CC BY 4.0).

It is not part of this repository. This module pins its sha256 and downloads it.
"""

from __future__ import annotations

import hashlib
import io
import time
import urllib.request
import zipfile
from pathlib import Path
from typing import Final

from bank_assets.store.atomic_files import sha256_of, write_atomic

UCI_URL: Final = "https://archive.ics.uci.edu/static/public/222/bank+marketing.zip"
UCI_SHA256: Final = "d1513ec63b385506f7cfce9f2c5caa9fe99e7ba4e8c3fa264b3aaf0f849ed32d"
UCI_BYTES: Final = 4_610_348
UCI_FILE: Final = "bank-full.csv"
UCI_ARCHIVE: Final = "bank.zip"  # the download nests the file in this archive

_CHUNK_BYTES: Final = 256 * 1024
_LIMIT_BYTES: Final = 64 * 1024 * 1024


class SourceError(ValueError):
    """The source of contacts cannot be used; the message says what was expected, what was found and what to do."""


def is_pinned(path: Path) -> bool:
    """Whether a file is the UCI file, byte for byte; files of another size are not read."""
    return path.stat().st_size == UCI_BYTES and sha256_of(path) == UCI_SHA256


def _fetch(url: str, timeout_seconds: float) -> bytes:
    deadline = time.monotonic() + timeout_seconds
    received = bytearray()
    with urllib.request.urlopen(url, timeout=timeout_seconds) as response:  # noqa: S310 - the address is a constant
        while chunk := response.read(_CHUNK_BYTES):
            received += chunk
            if time.monotonic() > deadline:  # the socket's timeout is per read, so a trickle never reaches it
                raise TimeoutError(f"{len(received):,} bytes after {timeout_seconds:g} s")
            if len(received) > _LIMIT_BYTES:
                raise OSError(f"more than {_LIMIT_BYTES:,} bytes")
    return bytes(received)


def _member(archive: bytes, name: str) -> bytes:
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        if opened.getinfo(name).file_size > _LIMIT_BYTES:
            raise OSError(f"{name} says it holds more than {_LIMIT_BYTES:,} bytes")
        return opened.read(name)


def download_uci(folder: Path, *, url: str = UCI_URL, sha256: str = UCI_SHA256, timeout_seconds: float = 60.0) -> Path:
    """Download the UCI file into a folder once; later calls verify and return the copy.

    Raises:
        SourceError: offline, or the download is not the pinned file; nothing is kept of it.
    """
    path = folder / UCI_FILE
    if path.is_file() and sha256_of(path) == sha256:
        return path
    instead = "set BANK_SOURCE to the path of a downloaded bank-full.csv, or to simulated to work without real data"
    try:
        content = _member(_member(_fetch(url, timeout_seconds), UCI_ARCHIVE), UCI_FILE)
    except OSError as error:
        reason = getattr(error, "reason", None) or error
        raise SourceError(
            f"UCI download: expected {url} to answer within {timeout_seconds:g} s, found: {reason}; "
            f"connect to the internet and run again, or {instead}."
        ) from error
    except (zipfile.BadZipFile, KeyError) as error:
        raise SourceError(
            f"UCI download: expected {UCI_FILE} inside {UCI_ARCHIVE} at {url}, found: {error}; {instead}."
        ) from error
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise SourceError(
            f"UCI download: expected sha256 {sha256}, found {found} at {url}; the file was changed, "
            f"so it is not used: {instead}."
        )
    write_atomic(path, content)
    return path
