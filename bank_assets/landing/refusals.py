"""Unusable files and why: moved to `landing/refused/` beside `<name>.reason.json`, or left where they are.

A file is left if it is no delivery by its name, or if it can be neither read nor moved. `raw/left.json` remembers those
that lie in the landing folder now, so that each is reported once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from bank_assets.landing.folders import REFUSED, Found
from bank_assets.landing.header import DeliveryRefused
from bank_assets.landing.register import Delivery, object_path, raw_root
from bank_assets.store.atomic_files import sha256_of, sync_folder, write_atomic
from bank_assets.store.home_json import UNREADABLE, read_derived

_REASON: Final = ".reason.json"
_NAME_BYTES: Final = 150  # leaves room for what a reason's name and a temporary file's append
_UNKNOWN: Final = dict.fromkeys(("kind", "name", "problem", "expected", "to_do", "refused_at"), "unknown")


def set_aside(landing: Path, found: Found, problem: DeliveryRefused, now: datetime) -> bool:
    """Move an unusable file; its reason is on disk before it moves. False if it cannot be read or moved."""
    folder = landing / REFUSED
    try:
        sha256 = sha256_of(found.path)
        target = folder / _short(problem.name, sha256)
        if target.exists():  # a second refused file of that name must not replace the first
            target = folder / f"{target.stem}-{sha256[:12]}{target.suffix}"
        reason = folder / f"{target.name}{_REASON}"
        document = {**_reason(found, problem, now), "sha256": sha256}
        write_atomic(reason, json.dumps(document, indent=2, ensure_ascii=False).encode())
        try:
            found.path.rename(target)
        except OSError:
            reason.unlink()
            raise
    except OSError:
        return False
    sync_folder(folder)
    return True


def keep_refused_rows(
    landing: Path,
    delivery: Delivery,
    content: bytes,
    problem: DeliveryRefused,
    reasons: Mapping[int, Sequence[str]],
    now: datetime,
) -> None:
    """Put the refused rows of a file beside their reasons, by line; the same rows again replace them."""
    name = _short(problem.name, delivery.sha256).partition(".")[0]
    target = landing / REFUSED / f"{name}.rows-{delivery.sha256[:12]}.csv"
    found = Found(delivery.key.partition("/")[0], target, (len(content), 0, 0))
    by_line = {str(line): list(sentences) for line, sentences in reasons.items()}
    document = {**_reason(found, problem, now), "name": target.name, "lines": by_line}
    write_atomic(target, content)
    write_atomic(
        landing / REFUSED / f"{target.name}{_REASON}", json.dumps(document, indent=2, ensure_ascii=False).encode()
    )


def reason_path(warehouse: Path, delivery: Delivery) -> Path:
    """Where `keep_reason` writes."""
    return raw_root(warehouse) / REFUSED / f"{delivery.sha256}{_REASON}"


def keep_reason(warehouse: Path, delivery: Delivery, problem: DeliveryRefused, now: datetime) -> None:
    """Keep why a registered file, or part of it, is not used, where the landing folder takes no reason: once a file."""
    path = reason_path(warehouse, delivery)
    if not path.exists():
        found = Found(
            delivery.key.partition("/")[0], object_path(warehouse, delivery.sha256), (delivery.size_bytes, 0, 0)
        )
        write_atomic(path, json.dumps(_reason(found, problem, now), indent=2, ensure_ascii=False).encode())


def left_files(warehouse: Path) -> dict[str, dict[str, Any]]:
    """The reasons of the files that were left, by their name below the landing folder, as of the last scan."""
    return {key: one for key, one in stored_object(_left_path(warehouse)).items() if isinstance(one, dict)}


def stored_object(path: Path) -> dict[str, Any]:
    """The JSON object of a file that may be deleted at any time; empty if there is none."""
    return read_derived(path, lambda found: msgspec.convert(found, dict[str, Any])) or {}


def remember_left(warehouse: Path, left: dict[str, dict[str, Any]]) -> None:
    """Write what `left_files` reads, if it changed."""
    if left != left_files(warehouse):
        write_atomic(_left_path(warehouse), json.dumps(left, indent=1, sort_keys=True).encode())


def left_reason(found: Found, problem: DeliveryRefused, now: datetime) -> dict[str, Any]:
    """What is remembered about a file that is left."""
    identity = json.dumps([found.key, found.stamp[:2]])
    digest = hashlib.sha256(identity.encode()).hexdigest()
    return {**_reason(found, problem, now), "stamp": list(found.stamp), "digest": digest}


def refusals(landing: Path, warehouse: Path) -> list[dict[str, Any]]:
    """The reasons of all unusable files: `kind`, `name`, `problem`, `expected`, `to_do`, `refused_at`, and `digest`.

    Those in the landing folder have the name of their `reason_file` too.
    """
    found, own = [], raw_root(warehouse) / REFUSED
    for path in sorted((*(landing / REFUSED).glob(f"*{_REASON}"), *own.glob(f"*{_REASON}"))):
        try:
            text = path.read_bytes()
        except FileNotFoundError:  # somebody has dealt with it in between
            continue
        document: dict[str, Any] = {"name": path.name.removesuffix(_REASON)}
        with suppress(*UNREADABLE):
            document |= json.loads(text)
        digest = hashlib.sha256(text).hexdigest()
        beside = {} if path.parent == own else {"reason_file": path.name}
        found.append({**_UNKNOWN, **document, "digest": digest, **beside})
    return found + [{**_UNKNOWN, **reason} for reason in left_files(warehouse).values()]


def _reason(found: Found, problem: DeliveryRefused, now: datetime) -> dict[str, Any]:
    return {
        "name": problem.name,
        "kind": found.kind,
        "size_bytes": found.stamp[0],
        "refused_at": now.isoformat(),
        "problem": str(problem),
        "expected": problem.expected,
        "found": problem.found,
        "to_do": problem.to_do,
    }


def _left_path(warehouse: Path) -> Path:
    return raw_root(warehouse) / "left.json"


def _short(name: str, sha256: str) -> str:
    if len(name.encode()) <= _NAME_BYTES:
        return name
    ending = "".join(Path(name).suffixes[-2:])[-20:]
    return f"{name.encode()[: _NAME_BYTES - 40].decode('utf-8', 'ignore')}-{sha256[:12]}{ending}"
