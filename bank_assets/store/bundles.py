"""Verified bundles on disk, in folders named `<version>-<start of digest>`; a cache that may be deleted."""

from __future__ import annotations

import logging
import secrets
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from bank_assets.core.model.scorer import BundleError, digest_files, read_bundle
from bank_assets.store.atomic_files import changed_at, sync_folder, write_atomic

logger = logging.getLogger(__name__)

_DIGEST_CHARACTERS: Final = 16
_RENAME_ATTEMPTS: Final = 3


class BundleCache:
    """The bundles of one folder; processes may share it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, version: str, digest: str = "") -> dict[str, bytes] | None:
        """The files of a version, or None if it is not here; raise `BundleError` if they do not match the digest.

        Without a digest, the folder's name says which one is expected.
        """
        # Earlier releases named the folder by the version alone.
        names = [self._name(version, digest)] if digest else [path.name for path in self.folder.glob(f"{version}-*")]
        folder = next((self.folder / name for name in [*names, version] if (self.folder / name).is_dir()), None)
        if folder is None:
            return None
        files = read_bundle(folder)
        expected = digest or folder.name.partition("-")[2]
        verify(version, files, expected)
        return files

    def obtain(self, version: str, digest: str, fetch: Callable[[], dict[str, bytes]]) -> dict[str, bytes]:
        """The files of a version from disk, or else fetched, verified and kept."""
        try:
            found = self.read(version, digest)
        except BundleError as error:
            logger.warning("bundle on disk refused, fetching again", extra={"error": str(error)})
            found = None
        if found is None:
            found = fetch()
            verify(version, found, digest)
            self.keep(version, found)
        return found

    def keep(self, version: str, files: Mapping[str, bytes]) -> None:
        """Store a bundle, whole or not at all."""
        target = self.folder / self._name(version, digest_files(files))
        # Random, because replicas in containers share this folder and all have process id 1.
        partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
        for name, content in files.items():
            write_atomic(partial / name, content)
        for attempt in range(_RENAME_ATTEMPTS):
            shutil.rmtree(target, ignore_errors=True)
            try:
                partial.rename(target)
                break
            except OSError:  # another replica stored or removed this version in between
                if target.is_dir():
                    break
                if attempt == _RENAME_ATTEMPTS - 1:
                    raise
        shutil.rmtree(partial, ignore_errors=True)
        sync_folder(self.folder)

    def prune(self, newest: int, *, spare: tuple[str, str]) -> None:
        """Remove all but the `newest` versions written last; the version and digest of `spare` stay in any case."""
        for old in sorted(self.folder.glob("[0-9]*"), key=changed_at)[:-newest]:
            if old.name != self._name(*spare):
                shutil.rmtree(old, ignore_errors=True)

    @staticmethod
    def _name(version: str, digest: str) -> str:
        return f"{version}-{digest[:_DIGEST_CHARACTERS]}"


def verify(version: str, files: Mapping[str, bytes], expected: str) -> None:
    """Raise `BundleError` unless the digest of the files starts with the expected one; "" accepts any."""
    found = digest_files(files)
    if not found.startswith(expected):
        raise BundleError(
            f"version {version}: expected digest {expected}, found {found}; "
            "the artifacts were changed after registration, roll back to another version."
        )
