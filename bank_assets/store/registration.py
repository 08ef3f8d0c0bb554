"""Registers a bundle as a plain MLflow model that any tool can load.

This needs MLflow's model flavours and pandas, which the web app does not have.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from contextlib import nullcontext
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any, Final

from bank_assets.contract.file import contract_on_record
from bank_assets.contract.names import MODEL_NAME
from bank_assets.core.features.feature_set import FeatureSet
from bank_assets.core.model.scorer import digest_files
from bank_assets.store.registry import TAG_DIGEST, Registry, Version

TAG_AS_OF: Final = "bank/as_of"
TAG_KIND: Final = "bank/kind"
# Modules that a plain MLflow installation needs to load the pyfunc.
SCORING_MODULES: Final = (
    "__init__.py",
    "core/__init__.py",
    "core/arrays.py",
    "core/model/__init__.py",
    "core/model/scorer.py",
)
REQUIREMENTS: Final = ("mlflow", "numpy", "onnxruntime", "pandas")


def register(registry: Registry, bundle: Mapping[str, bytes], *, run_id: str, kind: str, as_of: str) -> Version:
    """Log a bundle (four files by name) as an MLflow model of a run and register it as a new version."""
    import mlflow

    client = registry.client
    feature_set = FeatureSet.of(contract_on_record(json.loads(bundle["decision.json"]).get("contract")))
    with tempfile.TemporaryDirectory() as folder:
        _write(bundle, Path(folder))
        active = mlflow.active_run()
        is_running = active is not None and active.info.run_id == run_id
        with nullcontext() if is_running else mlflow.start_run(run_id=run_id, nested=active is not None):
            info = mlflow.pyfunc.log_model(name="bundle", **_model_arguments(Path(folder), feature_set))
    if not client.search_registered_models(filter_string=f"name = '{MODEL_NAME}'"):
        client.create_registered_model(MODEL_NAME, description="Whom is it worth calling?")
    tags = {TAG_DIGEST: digest_files(bundle), TAG_AS_OF: as_of, TAG_KIND: kind}
    found = client.create_model_version(
        MODEL_NAME, source=info.model_uri, run_id=run_id, tags=tags, model_id=info.model_id
    )
    registry.bundles.keep(str(found.version), bundle)
    return Version(str(found.version), tags[TAG_DIGEST], run_id, tags)


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


def _model_arguments(folder: Path, feature_set: FeatureSet) -> dict[str, Any]:
    import pandas as pd
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    words, names = feature_set.category, feature_set.names
    inputs: list[Any] = [ColSpec("string" if name in words else "double", name) for name in names]
    outputs: list[Any] = [ColSpec("double", name) for name in ("probability", "probability_low", "probability_high")]
    example = pd.DataFrame({name: [feature_set.categories_of(name)[0] if name in words else 1.0] for name in names})
    return {
        "python_model": str(package_files("bank_assets").joinpath("store/bundle_model.py")),
        "artifacts": {"bundle": str(folder / "bundle")},
        "code_paths": [str(folder / "code" / "bank_assets")],
        "signature": ModelSignature(Schema(inputs), Schema(outputs)),
        "input_example": example,
        "pip_requirements": list(REQUIREMENTS),
    }
