"""What lies in the landing folder: deliveries, leftovers that everybody ignores, and what people must be told about."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bank_assets.contract.values import escaped
from bank_assets.landing.formats import ENDINGS, is_leftover
from bank_assets.landing.header import KINDS, DeliveryRefused

REFUSED: Final = "refused"  # folder of unusable files, beside their reasons
SOURCE_MARKER: Final = "source.json"
WITHDRAWALS: Final = "withdrawals"  # folder of files that take deliveries back
_FOLDERS: Final = (*KINDS, WITHDRAWALS)
_OWN: Final = frozenset({*_FOLDERS, REFUSED, SOURCE_MARKER})
# What else lies in a folder, by the last ending of its name: what it is, and what to do.
_UNPACKED: Final = "deliver it unpacked, or packed as .csv.gz or .zip"
_OTHER_ENDINGS: Final = (
    ((".xlsx", ".xls", ".xlsm", ".xlsb", ".ods"), "an Excel workbook", "save the sheet as CSV UTF-8"),
    ((".gz", ".bz2", ".xz", ".zst", ".lz4", ".7z", ".rar", ".tar", ".tgz"), "a packed file of another kind", _UNPACKED),
    ((".gpg", ".pgp", ".asc", ".enc"), "an encrypted file", "deliver it decrypted"),
    ((".md5", ".sha1", ".sha256", ".sig", ".ok", ".done"), "a file about another one", "leave it out"),
)
_ENDINGS: Final = f"a file that ends in {', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}"


class LandingError(OSError):
    """The landing folder cannot be read; the message says which part and what to do."""


@dataclass(frozen=True, slots=True)
class Found:
    """Something in the landing folder."""

    kind: str  # folder that it lies in; "" for the landing folder itself
    path: Path
    stamp: tuple[int, ...]  # size in bytes, modification and status-change time in ns; equal ones mean it is untouched
    problem: DeliveryRefused | None = None  # why it is no delivery, by name alone

    @property
    def key(self) -> str:
        """Its name below the landing folder."""
        return f"{self.kind}/{self.path.name}" if self.kind else self.path.name

    @property
    def is_untouched(self) -> bool:
        """Whether the file is still as it was found."""
        try:
            return _stamp(self.path.stat()) == self.stamp
        except OSError:
            return False


def landing_is_missing(landing: Path, bucket: str = "") -> bool:
    """Whether there is no landing folder; raise `LandingError` if it or a folder in it exists and cannot be listed.

    With a bucket to fetch deliveries from, the folder is made when one is fetched.

    `pathlib` lists an unreadable folder as empty, and an empty landing folder is normal, so a lost mount would go
    unnoticed.
    """
    if not landing.exists():
        return not bucket
    for folder in (landing, *(landing / kind for kind in _FOLDERS)):
        _listed(folder)
    return False


def _listed(folder: Path) -> list[os.DirEntry[str]]:
    """What is in a folder; nothing if there is no such folder."""
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except NotADirectoryError as error:
        if folder.name in _FOLDERS:  # `look` reports the file
            return []
        cause: OSError = error
    except FileNotFoundError as error:
        if not folder.is_symlink():
            return []
        cause = error
    except OSError as error:
        cause = error
    raise LandingError(
        f"{folder}: expected a folder that this process may list, found {cause.strerror or cause}; "
        "mount it again or give the right to read it. Deliveries wait there until then."
    ) from cause


def readable(name: str) -> str:
    r"""A file name for people: what cannot be printed is written as an escape, such as `\xff` or `\u2028`."""
    return escaped(os.fsencode(name).decode("utf-8", "backslashreplace"))


def look(landing: Path, kinds: Iterable[str]) -> list[Found]:
    """What lies in the folders of some kinds, among the withdrawals, and beside all folders; leftovers are left out.

    The oldest comes first, so that within one scan arrival order follows writing order.
    """
    beside = (one for one in _entries("", landing) if one.path.name not in _OWN or _is_no_folder(one.path))
    found = [*beside, *(one for kind in (*kinds, WITHDRAWALS) for one in _entries(kind, landing / kind))]
    return sorted(found, key=lambda one: (one.stamp[1], one.kind, os.fsencode(one.path.name)))


def _is_no_folder(path: Path) -> bool:
    """Whether a file has the name of one of our folders."""
    return path.name != SOURCE_MARKER and path.is_file()


def _entries(kind: str, folder: Path) -> Iterator[Found]:
    for entry in _listed(folder):
        if is_leftover(entry.name):
            continue
        path = Path(entry.path)
        try:
            status = entry.stat()
        except OSError as error:
            if entry.is_symlink():
                found = f"a link that leads nowhere ({error.strerror})"
                yield Found(kind, path, (0, 0, 0), _problem(entry.name, "a file", found, "remove it"))
            continue  # gone again
        problem = _problem_of(kind, entry.name, status.st_mode)
        # A folder's times change with its content, which is none of ours.
        is_file = stat.S_ISREG(status.st_mode)
        yield Found(kind, path, _stamp(status) if is_file else (0, 0, 0), problem)


def _stamp(status: os.stat_result) -> tuple[int, ...]:
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _problem_of(kind: str, name: str, mode: int) -> DeliveryRefused | None:
    """Why something is no delivery, by its name and type alone; None if it may be one."""
    lower, expected = name.lower(), _ENDINGS
    if not kind:
        into = f"put deliveries into one of {', '.join(f'{one}/' for one in _FOLDERS)}"
        expected = f"only the folders {', '.join(_FOLDERS)} in the landing folder"
        return _problem(name, expected, "a folder" if stat.S_ISDIR(mode) else "a file", into)
    if stat.S_ISDIR(mode):
        return _problem(name, expected, "a folder", f"put its files into {kind}/ itself")
    if not stat.S_ISREG(mode):
        return _problem(name, expected, "a pipe or device", "remove it")
    if any("\udc80" <= one <= "\udcff" for one in name):
        return _problem(name, "a name in UTF-8", "other bytes in it", "rename it")
    if lower.endswith(ENDINGS):
        return None
    for endings, what, to_do in _OTHER_ENDINGS:
        if lower.endswith(endings):
            return _problem(name, expected, what, to_do)
    if lower.strip().endswith(ENDINGS):
        return _problem(name, expected, "blanks around its name", f"rename it to {readable(name.strip())}")
    inner, _, last = name.rpartition(".")
    if inner.lower().endswith(ENDINGS):
        return _problem(name, expected, f"the ending .{readable(last)} after it", f"rename it to {readable(inner)}")
    found = f"the ending .{readable(last)}" if inner else "no ending"
    return _problem(name, expected, found, "export it as CSV UTF-8 and deliver that")


def _problem(name: str, expected: str, found: str, to_do: str) -> DeliveryRefused:
    return DeliveryRefused(readable(name), expected=expected, found=found, to_do=to_do)
