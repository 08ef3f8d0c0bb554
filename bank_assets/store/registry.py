"""The MLflow model registry, as far as the platform uses it: register a bundle, move an alias, fetch a version.

What lives here: `Registry`, a plain object over `MlflowClient`.
What must not: runs and metrics of trainings (`resources.tracking`), the history of champions (`ledger.promotions`:
MLflow keeps none), scoring.
Called by promotion, evaluation, scoring and performance assets and by the command line.

Importing mlflow takes 5 to 10 s, so it is imported on first use: a run that finds nothing to do never pays it. Fetched
versions stay in `$BANK_HOME/models/<version>`; their digest is verified each time they are opened.
"""

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files as package_files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bank_assets.contract import MODEL_NAME
from bank_assets.core.features import FEATURES, categories_of, feature_kind
from bank_assets.core.scorer import BUNDLE_FILES, BundleError, Scorer, digest_files, read_bundle

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT: Final = "bank-marketing"
TAG_DIGEST: Final = "bank/digest"
TAG_AS_OF: Final = "bank/as_of"
TAG_KIND: Final = "bank/kind"
SCORING_MODULES: Final = ("__init__.py", "contract.py", "core/__init__.py", "core/arrays.py", "core/scorer.py")
"""What a plain MLflow installation needs of this package to load the pyfunc."""
REQUIREMENTS: Final = ("mlflow", "numpy", "onnxruntime", "pandas")


class RegistryError(RuntimeError):
    """The registry cannot do what was asked; the message says what was expected, found and what to do."""


@dataclass(frozen=True, slots=True)
class RegisteredVersion:
    """A model version.

    Attributes:
        version: its number in the registry, as text.
        digest: digest of its bundle.
        run_id: MLflow run that made it.
        tags: its tags.
    """

    version: str
    digest: str
    run_id: str
    tags: Mapping[str, str]


class Registry:
    """Model versions and aliases of `bank-marketing`."""

    def __init__(self, uri: str, artifacts: str, cache: Path) -> None:
        self.uri = uri
        self.artifacts = artifacts
        self.cache = cache

    @cached_property
    def client(self) -> "MlflowClient":
        """The MLflow client; the import happens here."""
        import mlflow

        mlflow.set_tracking_uri(self.uri)
        mlflow.set_registry_uri(self.uri)
        return mlflow.MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)

    def experiment_id(self) -> str:
        """The experiment, created with the configured artifact root if it does not exist."""
        experiment = self.client.get_experiment_by_name(EXPERIMENT)
        if experiment is not None:
            return str(experiment.experiment_id)
        return str(self.client.create_experiment(EXPERIMENT, artifact_location=self.artifacts))

    def register(self, bundle: Mapping[str, bytes], *, run_id: str, kind: str, as_of: str) -> RegisteredVersion:
        """Log a bundle as an MLflow model of a run and register it.

        Args:
            bundle: the four files.
            run_id: run that the model belongs to.
            kind: kind of the promotion that it is meant for.
            as_of: data time of the fit.

        Returns:
            The new version.
        """
        import mlflow

        digest = digest_files(bundle)
        client = self.client
        with tempfile.TemporaryDirectory() as folder:
            self._write(bundle, Path(folder))
            active = mlflow.active_run()
            if active is not None and active.info.run_id == run_id:
                info = mlflow.pyfunc.log_model(name="bundle", **self._model_arguments(Path(folder)))
            else:
                with mlflow.start_run(run_id=run_id, nested=active is not None):
                    info = mlflow.pyfunc.log_model(name="bundle", **self._model_arguments(Path(folder)))
        if not client.search_registered_models(filter_string=f"name = '{MODEL_NAME}'"):
            client.create_registered_model(MODEL_NAME, description="Whom is it worth calling about a term deposit?")
        tags = {TAG_DIGEST: digest, TAG_AS_OF: as_of, TAG_KIND: kind}
        version = client.create_model_version(
            MODEL_NAME, source=info.model_uri, run_id=run_id, tags=tags, model_id=info.model_id
        )
        self._keep(str(version.version), bundle)
        return RegisteredVersion(str(version.version), digest, run_id, tags)

    @staticmethod
    def _write(bundle: Mapping[str, bytes], folder: Path) -> None:
        target = folder / "bundle"
        target.mkdir()
        for name, content in bundle.items():
            (target / name).write_bytes(content)
        package = package_files("bank_assets")
        for module in SCORING_MODULES:
            path = folder / "code" / "bank_assets" / module
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(package.joinpath(module).read_text())

    @staticmethod
    def _model_arguments(folder: Path) -> dict[str, Any]:
        import pandas as pd
        from mlflow.models import ModelSignature
        from mlflow.types import ColSpec, Schema

        inputs: list[Any] = [
            ColSpec("string" if feature_kind(name) == "category" else "double", name) for name in FEATURES
        ]
        outputs: list[Any] = [
            ColSpec("double", name) for name in ("probability", "probability_low", "probability_high")
        ]
        example = pd.DataFrame(
            {name: [categories_of(name)[0] if feature_kind(name) == "category" else 1.0] for name in FEATURES}
        )
        return {
            "python_model": str(package_files("bank_assets").joinpath("store/bundle_model.py")),
            "artifacts": {"bundle": str(folder / "bundle")},
            "code_paths": [str(folder / "code" / "bank_assets")],
            "signature": ModelSignature(Schema(inputs), Schema(outputs)),
            "input_example": example,
            "pip_requirements": list(REQUIREMENTS),
        }

    def _keep(self, version: str, bundle: Mapping[str, bytes]) -> Path:
        target = self.cache / version
        partial = self.cache / f".{version}.{digest_files(bundle)[:12]}"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        for name, content in bundle.items():
            (partial / name).write_bytes(content)
        shutil.rmtree(target, ignore_errors=True)
        partial.rename(target)
        return target

    def by_alias(self, alias: str) -> RegisteredVersion | None:
        """The version that holds an alias, or None."""
        from mlflow.exceptions import MlflowException

        try:
            found = self.client.get_model_version_by_alias(MODEL_NAME, alias)
        except MlflowException as error:
            if error.error_code in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
                return None
            raise
        return self._version(found)

    def get(self, version: str) -> RegisteredVersion:
        """A version by its number."""
        return self._version(self.client.get_model_version(MODEL_NAME, version))

    @staticmethod
    def _version(found: Any) -> RegisteredVersion:
        return RegisteredVersion(str(found.version), found.tags.get(TAG_DIGEST, ""), found.run_id, dict(found.tags))

    def set_alias(self, alias: str, version: str) -> None:
        """Move an alias and read it back.

        Raises:
            RegistryError: the alias does not read back as set; nothing else was changed, set it again.
        """
        self.client.set_registered_model_alias(MODEL_NAME, alias, version)
        found = self.by_alias(alias)
        if found is None or found.version != version:
            raise RegistryError(
                f"alias {alias}: expected version {version} after the move, found "
                f"{found.version if found else 'none'}; check the registry and promote again."
            )

    def bundle(self, version: str) -> dict[str, bytes]:
        """The bundle of a version, from the local cache or the registry, digest verified.

        Raises:
            BundleError: the files do not have the registered digest.
        """
        folder = self.cache / version
        if all((folder / name).is_file() for name in BUNDLE_FILES):
            return read_bundle(folder)
        import mlflow

        found = self.get(version)
        with tempfile.TemporaryDirectory() as target:
            path = mlflow.artifacts.download_artifacts(f"models:/{MODEL_NAME}/{version}", dst_path=target)
            decision = next(Path(path).rglob("decision.json"), None)
            if decision is None:
                raise BundleError(f"version {version}: expected a bundle, found no decision.json; register it again.")
            bundle = read_bundle(decision.parent)
        if found.digest and digest_files(bundle) != found.digest:
            raise BundleError(
                f"version {version}: expected digest {found.digest}, found {digest_files(bundle)}; "
                "the artifacts were changed after registration, roll back to another version."
            )
        self._keep(version, bundle)
        return bundle

    def scorer(self, version: str) -> Scorer:
        """A loaded scorer of a version."""
        return Scorer(self.bundle(version))
