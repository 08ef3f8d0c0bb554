"""The MLflow model registry: who is champion, fetching a version, moving an alias.

Importing mlflow takes 5 to 10 s, so it is imported on first use: a run that finds nothing to do never pays it, and the
web app answers from its last good bundle meanwhile. MLflow keeps no history of champions; `ledger.promotions` does.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bank_assets.contract.names import ALIAS_CHAMPION, ALIAS_PREVIOUS_CHAMPION, MODEL_NAME
from bank_assets.core.model.scorer import BundleError, Scorer, read_bundle
from bank_assets.store.bundles import BundleCache
from bank_assets.store.relocation import EXPERIMENT, database_file, present_address, relocate

if TYPE_CHECKING:
    from mlflow import MlflowClient

TAG_DIGEST: Final = "bank/digest"
_NO_SUCH: Final = frozenset({"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "NOT_FOUND"})


class RegistryError(RuntimeError):
    """The registry cannot do what was requested; the message says what was expected, found and what to do."""


class RegistryUnavailableError(RegistryError):
    """The registry does not answer, or not as expected."""


class UnknownVersionError(RegistryError):
    """The registry has no such version."""


@dataclass(frozen=True, slots=True)
class Version:
    """A model version."""

    version: str
    digest: str  # registered digest of its bundle, "" if none was registered
    run_id: str | None  # MLflow run that made it
    tags: Mapping[str, str] = field(default_factory=dict)


class Registry:
    """Model versions and aliases of `bank-marketing`. Every call may raise `RegistryUnavailableError`."""

    def __init__(self, uri: str, artifacts: str, cache: Path, *, fails_fast: bool = False) -> None:
        """Store the address; nothing is contacted or imported yet.

        `artifacts` is the root for the experiment, should it be created, and `cache` holds fetched bundles.
        `fails_fast` makes one retry where MLflow makes seven, which take four minutes; it is for callers that try again
        within seconds.
        """
        self.uri = uri
        self.artifacts = artifacts
        self.bundles = BundleCache(cache)
        self._fails_fast = fails_fast

    @cached_property
    def client(self) -> MlflowClient:
        """The MLflow client, imported here; its first use creates a missing database."""
        # A progress bar per file would spoil a log of JSON lines.
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        if self._fails_fast:
            os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
            os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
        try:
            import mlflow
        except ImportError as error:
            raise RegistryUnavailableError(f"registry: expected mlflow-skinny, found {error}; make env.") from error
        mlflow.set_tracking_uri(self.uri)
        mlflow.set_registry_uri(self.uri)
        return mlflow.MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)

    def experiment_id(self) -> str:
        """The experiment, with the configured artifact root; artifacts are written after this call only."""
        relocate(self.uri, self.artifacts)
        experiment = self.client.get_experiment_by_name(EXPERIMENT)
        if experiment is not None:
            return str(experiment.experiment_id)
        return str(self.client.create_experiment(EXPERIMENT, artifact_location=self.artifacts))

    # reading

    def champion(self) -> Version | None:
        """The champion, or None if the alias is not set."""
        return self.by_alias(ALIAS_CHAMPION)

    def by_alias(self, alias: str) -> Version | None:
        """The version that holds an alias, or None."""
        return _version(self._call("alias", lambda client: client.get_model_version_by_alias(MODEL_NAME, alias)))

    def get(self, version: str) -> Version:
        """A version by its number; raise `UnknownVersionError` if there is none."""
        found = _version(self._call("version", lambda client: client.get_model_version(MODEL_NAME, version)))
        if found is None:
            raise UnknownVersionError(
                f"model version: expected one of the registry's, found {version}; see /model/history."
            )
        return found

    def fetch(self, version: str) -> dict[str, bytes]:
        """The files of a bundle from the registry, not verified; raise `BundleError` if the version holds none."""
        with tempfile.TemporaryDirectory() as folder:

            def download(client: MlflowClient) -> str:
                import mlflow

                address = client.get_model_version_download_uri(MODEL_NAME, version)
                experiment = client.get_experiment_by_name(EXPERIMENT)
                if experiment is not None:
                    address = present_address(address, experiment.artifact_location, self.artifacts)
                return mlflow.artifacts.download_artifacts(address, dst_path=folder)

            path = self._call("download", download)
            decision = None if path is None else next(Path(path).rglob("decision.json"), None)
            if decision is None:
                raise BundleError(f"version {version}: expected a bundle, found no decision.json; register it again.")
            return read_bundle(decision.parent)

    def bundle(self, version: str) -> dict[str, bytes]:
        """The bundle of a version from disk or the registry; raise `BundleError` if it does not match the digest."""
        try:
            digest = self.get(version).digest
        except RegistryError:  # down, or it forgot the version: what is on disk is whole by a digest of its own
            digest = ""
        return self.bundles.obtain(version, digest, lambda: self.fetch(version))

    def scorer(self, version: str) -> Scorer:
        """A loaded scorer of a version."""
        return Scorer(self.bundle(version))

    # moving aliases

    def set_alias(self, alias: str, version: str) -> None:
        """Move an alias and read it back."""
        self._call("alias move", lambda client: client.set_registered_model_alias(MODEL_NAME, alias, version))
        found = self.by_alias(alias)
        if found is None or found.version != version:
            raise RegistryUnavailableError(
                f"alias {alias}: expected version {version} after the move, found "
                f"{found.version if found else 'none'}; check the registry and try again."
            )

    def move_champion(self, version: str) -> str | None:
        """Make a version the champion, keep the one before as `previous_champion`, and return that one.

        `previous_champion` moves first, so a caller that died in between can repeat the call without losing it.
        """
        self.get(version)
        before = self.champion()
        if before is not None and before.version == version:
            return version
        if before is not None:
            self.set_alias(ALIAS_PREVIOUS_CHAMPION, before.version)
        self.set_alias(ALIAS_CHAMPION, version)
        return before.version if before is not None else None

    def _call(self, what: str, call: Callable[[MlflowClient], Any]) -> Any:
        """The registry's answer to one call; None if there is no such thing."""
        file = database_file(self.uri)
        if file is not None and not file.is_file():
            # MLflow would create an empty database here.
            raise RegistryUnavailableError(
                f"registry: expected an MLflow database, found no {file.name}; run `make run` to train a first model."
            )
        try:
            return call(self.client)
        except RegistryError:
            raise
        except Exception as error:
            # Besides MlflowException, its stores raise database, socket and file errors.
            if getattr(error, "error_code", "") in _NO_SUCH:
                return None
            raise RegistryUnavailableError(
                f"registry: expected an answer to {what}, found {type(error).__name__}; check the MLflow server."
            ) from error


def _version(found: Any) -> Version | None:
    if found is None:
        return None
    return Version(str(found.version), found.tags.get(TAG_DIGEST, ""), found.run_id or None, dict(found.tags))
