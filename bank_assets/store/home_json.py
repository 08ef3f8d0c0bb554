"""JSON files that the platform keeps in its home and reads back, whole or one value a line.

A disk, a restore or an editor may damage them. A record that cannot be made again raises `DamagedFileError` and is
never written over; anything else reads as missing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

from bank_assets.store.atomic_files import write_atomic

T = TypeVar("T")
# What parsing raises if the content is damaged or of another release.
UNREADABLE: Final = (ValueError, KeyError, TypeError, AttributeError, RecursionError)


class _HasBytes(Protocol):
    def read_bytes(self) -> bytes: ...


class DamagedFileError(ValueError):
    """A file of the home cannot be read; the message says where, what was expected, what was found, what to do."""


def read_json(path: _HasBytes, parse: Callable[[Any], T], expected: str, to_do: str) -> T:
    """What `parse` makes of a file; raises `FileNotFoundError` or `DamagedFileError`."""
    return _parsed(path.read_bytes(), str(path), parse, expected, to_do)


def read_json_lines(path: Path, parse: Callable[[Any], T], expected: str, to_do: str) -> list[T]:
    """What `parse` makes of each line, blank ones left out; empty without a file. Raises `DamagedFileError`."""
    # Read first: what is appended meanwhile can only make the file longer. An earlier release wrote no length.
    written, length = read_derived(_length_of(path), int) or 0, _length_of(path).name
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    # Only LF ends a line: a name may hold other characters that `splitlines` takes for line ends.
    lines = content.split(b"\n")
    parsed = [
        _parsed(line, f"{path}:{number}", parse, expected, to_do)
        for number, line in enumerate(lines, start=1)
        if line.strip()
    ]
    if len(content) < written:
        found = f"expected the {written} bytes that were written, found {len(content)}, so its last lines are missing"
        raise DamagedFileError(f"{path}: {found}; {to_do}. If lines were removed on purpose, remove {length} too.")
    return parsed


def append_json_lines(path: Path, values: Iterable[object]) -> None:
    """Append a line for each value, all or none, and keep the file's length: a cut at the end of a line looks whole."""
    lines = [json.dumps(value, separators=(",", ":"), ensure_ascii=False) for value in values]
    if lines:
        # Rewritten whole, so that readers never see a partial line. 10,000 deliveries are 6 MB.
        before = path.read_bytes() if path.exists() else b""
        content = before + "".join(line + "\n" for line in lines).encode()
        write_atomic(path, content)
        write_atomic(_length_of(path), b"%d" % len(content))


def _length_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.length")


def read_derived(path: Path, parse: Callable[[Any], T]) -> T | None:
    """What `parse` makes of a file that can be made again; None if it is missing or damaged."""
    try:
        return parse(json.loads(path.read_bytes()))
    except (FileNotFoundError, *UNREADABLE):
        return None


def shown_json(content: bytes) -> Any:
    r"""The JSON of a file for people; raise `ValueError` if a text holds half a character (`\ud800`): no page can."""
    found = json.loads(content)
    if b"\\ud" in content.lower():
        json.dumps(found, ensure_ascii=False).encode()
    return found


def _parsed(text: bytes, where: str, parse: Callable[[Any], T], expected: str, to_do: str) -> T:
    try:
        return parse(json.loads(text))
    except UNREADABLE as error:
        found = f"none with {error}" if isinstance(error, KeyError) else f"something else ({str(error).rstrip('.')})"
        raise DamagedFileError(f"{where}: expected {expected}, found {found}; {to_do}.") from error
