"""A model registry in memory that tests can break."""

from dataclasses import dataclass, field

from bank_assets.core.model.scorer import digest_files
from bank_assets.store.registry import Registry, RegistryUnavailableError, UnknownVersionError, Version


@dataclass
class MemoryRegistry(Registry):
    """Bundles by version, and which of them is champion.

    Attributes:
        versions: files of each version.
        alias: the champion; None without one.
        is_down: whether every question fails.
        tags: digests on record that differ from those of the files.
        fetched: how often files were fetched.
        moves: versions the alias was moved to.
    """

    versions: dict[str, dict[str, bytes]]
    alias: str | None = "1"
    is_down: bool = False
    tags: dict[str, str] = field(default_factory=dict)
    fetched: int = 0
    moves: list[str] = field(default_factory=list)

    def _check(self) -> None:
        if self.is_down:
            raise RegistryUnavailableError("registry: expected an answer, found none; a test broke it.")

    def _version(self, version: str) -> Version:
        return Version(version, self.tags.get(version, digest_files(self.versions[version])), f"run-{version}")

    def champion(self) -> Version | None:
        self._check()
        return None if self.alias is None else self._version(self.alias)

    def get(self, version: str) -> Version:
        self._check()
        if version not in self.versions:
            raise UnknownVersionError(f"model version: expected one of the registry's, found {version}.")
        return self._version(version)

    def fetch(self, version: str) -> dict[str, bytes]:
        self._check()
        self.fetched += 1
        return self.versions[version]

    def move_champion(self, version: str) -> str | None:
        self.get(version)
        before, self.alias = self.alias, version
        self.moves.append(version)
        return before
