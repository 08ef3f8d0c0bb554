"""Lists of customers to choose from: delivered campaign files, and uploads of analysts.

Uploads hold customer data, so they are deleted after `KEPT_DAYS`. Those that are too long to be planned on a page are
delivered like any other file.
"""

from __future__ import annotations

import filecmp
import hashlib
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final
from urllib.parse import quote, unquote

from bank_assets.contract.values import escaped
from bank_assets.store.atomic_files import publish, publish_if_changed, remove_abandoned, temporary_beside
from bank_assets.store.locks import locked

FOLDER: Final = "campaigns"  # folder of delivered files, in the landing folder
UPLOADS: Final = "uploads"  # folder of the web app
DELIVERED: Final = "delivered"
UPLOADED: Final = "uploaded"
KEPT_DAYS: Final = 7
_NAME: Final = re.compile(r"[^A-Za-z0-9._-]+")
_NAME_CHARACTERS: Final = 60
_QUOTED_CHARACTERS: Final = 120  # the temporary file of an upload has a longer name
_SUFFIX_CHARACTERS: Final = 8
_DIGEST_CHARACTERS: Final = 16
_UPLOADS: Final = "[0-9a-f]" * _DIGEST_CHARACTERS + "-*"  # whatever else lies in the folder is none of ours
_ENDINGS: Final = (".csv", ".tsv", ".gz", ".zip", ".parquet")


class UnknownCampaignError(LookupError):
    """No such list; the message says what to do."""

    def __init__(self, key: str) -> None:
        super().__init__(
            f"campaign list: expected one of the lists on this page, found {key[:80]!r}; uploads are kept "
            f"{KEPT_DAYS} days, upload it again."
        )


def campaign_of(file_name: str) -> str:
    """Name of the campaign in a file; it is the key of its scores and lists, so no two files have the same."""
    stem = file_name.removesuffix(".csv")
    return file_name if stem.lower().endswith(_ENDINGS) else stem


def plain_name(name: str) -> str:
    """A name as part of a file name, on any system."""
    return _NAME.sub("-", Path(name).name).strip("-.")[-_NAME_CHARACTERS:]


@dataclass(frozen=True, slots=True)
class CampaignFile:
    """One list on disk."""

    key: str  # its name in URLs: `delivered:<name>` or `uploaded:<digest>-<name>`
    name: str  # for people
    path: Path

    @property
    def stamp(self) -> tuple[int, int]:
        """Changes when the file does."""
        found = self.path.stat()
        return found.st_mtime_ns, found.st_size


class CampaignFiles:
    """The lists of one home; `delivered` gives name and content of those that the register knows."""

    def __init__(self, delivered: Callable[[], Mapping[str, Path]], uploaded: Path) -> None:
        self._delivered, self._uploaded = delivered, uploaded

    def all(self) -> list[CampaignFile]:
        """Delivered lists by name, then uploads, the newest first."""
        # Browsers send a line break in another form than the page has it.
        names = {escaped(name): path for name, path in self._delivered().items()}
        delivered = [CampaignFile(f"{DELIVERED}:{name}", name, path) for name, path in names.items()]
        return delivered + [_upload(path) for _, path in sorted(self._uploads(), reverse=True)]

    def _uploads(self) -> Iterator[tuple[float, Path]]:
        """The uploads with their times; another process may remove one meanwhile."""
        for path in self._uploaded.glob(_UPLOADS):
            with suppress(FileNotFoundError):
                yield path.stat().st_mtime, path

    def get(self, key: str) -> CampaignFile:
        """A list by its key, or `UnknownCampaignError`; uploads disappear after some days."""
        for found in self.all():
            if found.key == key:
                return found
        raise UnknownCampaignError(key)

    def keep(self, name: str, content: IO[bytes], check: Callable[[Path, str], object]) -> CampaignFile:
        """Store an upload unless `check`, which reads the temporary file under the name of the list, raises."""
        digest = _digest_of(content)
        self._make_folder()
        self._forget_old()
        kept = _upload(self._uploaded / f"{digest[:_DIGEST_CHARACTERS]}-{_quoted(name)}")
        with temporary_beside(kept.path) as (stream, temporary):
            shutil.copyfileobj(content, stream)
            stream.flush()
            check(temporary, kept.name)
            publish(stream, temporary, kept.path)
        return kept

    def deliver(self, landing: Path, name: str, content: IO[bytes]) -> str:
        """Put an upload among the delivered files and return its name; a list of another content keeps its own.

        A list that came by way of a bucket does not lie in the landing folder any more. Uploads of one name that
        arrive together are delivered one after the other.
        """
        path = landing / FOLDER / unquote(_quoted(name))
        path = path.with_name(f"{path.stem}.csv")
        self._make_folder()
        with locked(self._uploaded / ".lock"), temporary_beside(path) as (stream, temporary):
            shutil.copyfileobj(content, stream)
            stream.flush()
            named = [one for one in (path, self._delivered().get(path.name)) if one is not None and one.exists()]
            if not all(filecmp.cmp(temporary, one, shallow=False) for one in named):
                path = path.with_name(f"{path.stem}-{_digest_of(content)[:_DIGEST_CHARACTERS]}.csv")
            publish_if_changed(stream, temporary, path)
        return path.name

    def _make_folder(self) -> None:
        self._uploaded.mkdir(parents=True, exist_ok=True, mode=0o700)

    def _forget_old(self) -> None:
        remove_abandoned(self._uploaded, time.time())
        oldest = time.time() - KEPT_DAYS * 86_400
        for at, path in self._uploads():
            if at < oldest:
                path.unlink(missing_ok=True)


def _digest_of(content: IO[bytes]) -> str:
    """SHA-256, in hex, of a stream, which is rewound."""
    content.seek(0)
    digest = hashlib.file_digest(content, "sha256").hexdigest()  # type: ignore[arg-type]
    content.seek(0)
    return digest


def _quoted(name: str) -> str:
    """The name of an upload as part of a file name, on any system; senders are known by it, so all of it counts."""
    shown = Path("".join(filter(str.isprintable, name)))
    stem, ending = shown.stem, shown.suffix[:_SUFFIX_CHARACTERS]
    while len(quote(stem)) > _QUOTED_CHARACTERS:
        stem = stem[:-1]
    return quote(f"{stem}{ending}" or "list.csv", safe="")


def _upload(path: Path) -> CampaignFile:
    return CampaignFile(f"{UPLOADED}:{path.name}", unquote(path.name[_DIGEST_CHARACTERS + 1 :]), path)
