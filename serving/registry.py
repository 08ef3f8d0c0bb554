"""The MLflow registry as serving sees it: who is champion, fetch a version, move the alias back.

What lives here: a plain object over mlflow-skinny's client. What must not: scoring, caching, threads.
Called by `champion.Watcher` (in its thread) and by the rollback route (in a thread).

mlflow is imported on the first call, never at start: the import takes 5 to 7 s and the last good bundle answers before.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, runtime_checkable

from bank_assets.contract import ALIAS_CHAMPION, ALIAS_PREVIOUS_CHAMPION, MODEL_NAME
from bank_assets.core.scorer import BundleError, read_bundle
from serving.errors import ConflictError, NotFoundError, RegistryUnavailableError

if TYPE_CHECKING:
    from mlflow import MlflowClient

TAG_DIGEST: Final = "bank/digest"


@dataclass(frozen=True, slots=True)
class Version:
    """A model version in the registry.

    Attributes:
        version: its number, as text.
        digest: registered digest of its bundle, "" if none was registered.
        run_id: MLflow run that made it.
    """

    version: str
    digest: str
    run_id: str | None


@runtime_checkable
class Registry(Protocol):
    """What serving needs of a registry; tests pass their own."""

    def champion(self) -> Version | None:
        """The version in force, None if the alias is not set."""

    def get(self, version: str) -> Version:
        """A version by number."""

    def fetch(self, version: str) -> dict[str, bytes]:
        """The files of a version's bundle."""

    def move_champion(self, version: str) -> str | None:
        """Put a version in force; returns the one before."""


class MlflowRegistry:
    """The registry behind an MLflow URI."""

    def __init__(self, uri: str) -> None:
        """Remember the address; nothing is contacted or imported yet.

        Args:
            uri: tracking and registry URI.
        """
        self._uri = uri
        self._client: MlflowClient | None = None

    def _connected(self) -> MlflowClient:
        if self._client is None:
            if self._uri.startswith("sqlite:///") and not Path(self._uri.removeprefix("sqlite:///")).is_file():
                # MLflow would create an empty database here and call it a registry.
                raise RegistryUnavailableError(
                    "registry: expected an MLflow database, found none yet; run `make run` to train a first model."
                )
            # A progress bar per file has no place in a log of JSON lines.
            os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
            # The watcher asks again within seconds. With MLflow's own seven retries a look took four minutes to fail,
            # and readiness went on saying that the registry answers.
            os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
            os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
            try:
                import mlflow
            except ImportError as error:
                raise RegistryUnavailableError(f"registry: expected mlflow-skinny, found {error}; make env.") from error
            mlflow.set_tracking_uri(self._uri)
            mlflow.set_registry_uri(self._uri)
            self._client = mlflow.MlflowClient(tracking_uri=self._uri, registry_uri=self._uri)
        return self._client

    def _call(self, what: str, call: Any) -> Any:
        """Run one registry call; None if it says that there is no such thing."""
        try:
            return call(self._connected())
        except (RegistryUnavailableError, BundleError):
            raise
        except Exception as error:
            # MlflowException, but also whatever its stores let through: database, socket and file errors.
            if getattr(error, "error_code", "") in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "NOT_FOUND"}:
                return None
            raise RegistryUnavailableError(
                f"registry: expected an answer to {what}, found {type(error).__name__}; check the MLflow server."
            ) from error

    def champion(self) -> Version | None:
        """The version in force, None if the alias is not set.

        Raises:
            RegistryUnavailableError: the registry does not answer.
        """
        return _version(self._call("alias", lambda c: c.get_model_version_by_alias(MODEL_NAME, ALIAS_CHAMPION)))

    def get(self, version: str) -> Version:
        """A version by number.

        Raises:
            NotFoundError: no such version.
            RegistryUnavailableError: the registry does not answer.
        """
        found = _version(self._call("version", lambda c: c.get_model_version(MODEL_NAME, version)))
        if found is None:
            raise NotFoundError(f"model version: expected one of the registry's, found {version}; see /model/history.")
        return found

    def fetch(self, version: str) -> dict[str, bytes]:
        """The files of a version's bundle.

        Raises:
            BundleError: the version holds no bundle.
            RegistryUnavailableError: the registry or its artifact store does not answer.
        """
        with tempfile.TemporaryDirectory() as folder:

            def download(_client: Any) -> str:
                import mlflow

                return mlflow.artifacts.download_artifacts(f"models:/{MODEL_NAME}/{version}", dst_path=folder)

            path = self._call("download", download)
            decision = None if path is None else next(Path(path).rglob("decision.json"), None)
            if decision is None:
                raise BundleError(f"version {version}: expected a bundle, found no decision.json; register it again.")
            return read_bundle(decision.parent)

    def move_champion(self, version: str) -> str | None:
        """Put a version in force and keep the one before as `previous_champion`.

        Args:
            version: its number.

        Returns:
            The version that was in force.

        Raises:
            ConflictError: it is in force already.
            NotFoundError: no such version.
            RegistryUnavailableError: the registry does not answer, or the alias does not read back as set.
        """
        self.get(version)
        before = self.champion()
        if before is not None and before.version == version:
            raise ConflictError(f"rollback: expected another version than the one in force, found {version}.")

        def move(client: Any) -> bool:
            client.set_registered_model_alias(MODEL_NAME, ALIAS_CHAMPION, version)
            if before is not None:
                client.set_registered_model_alias(MODEL_NAME, ALIAS_PREVIOUS_CHAMPION, before.version)
            return True

        self._call("alias move", move)
        after = self.champion()
        if after is None or after.version != version:
            raise RegistryUnavailableError(
                f"rollback: expected version {version} in force afterwards, found "
                f"{after.version if after else 'none'}; try again."
            )
        return before.version if before is not None else None


def _version(found: Any) -> Version | None:
    if found is None:
        return None
    return Version(str(found.version), found.tags.get(TAG_DIGEST, ""), found.run_id or None)
