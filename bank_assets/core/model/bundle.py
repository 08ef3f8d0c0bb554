"""The content of a model version: the four files of a bundle, built from a fit.

`store.registry` writes them and `core.model.scorer` reads them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bank_assets.contract.contract import Contract
from bank_assets.contract.names import MODEL_NAME
from bank_assets.core.economics.economics import Economics
from bank_assets.core.features.feature_set import FeatureSet
from bank_assets.core.model.scorer import BUNDLE_SCHEMA_VERSION
from bank_assets.core.training.recipes import Recipe

NO_RANGES: Mapping[str, list[float]] = {"probability": [0.0, 1.0], "low": [0.0, 1.0], "high": [0.0, 1.0]}
"""Ranges of zero width, for graphs that are only compared (parity, folds) and never decide."""


@dataclass(frozen=True, slots=True)
class ModelLineage:
    """Where a model version comes from.

    `as_of` is the first day whose contacts it has not learned from, and `snapshot` the content hash of its training
    rows. `is_real` is false for simulated data. The bundle carries `contract` and is always read by it. `sample` is
    what `core.training.recipes.sample_facts` says of the fit; {} if it used all rows.
    """

    as_of: str
    snapshot: str
    rows: int
    source: str
    is_real: bool
    run_id: str
    git_revision: str
    contract: Contract
    sample: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BundleParts:
    """Everything that goes into decision.json.

    Attributes:
        calibrator: steps that `core.model.scorer` applies.
        ranges: knots of the probability ranges.
        feature_ranges: smallest and largest training value by numeric payload column.
        background: rows that explanations start from, by feature.
        importance: mean absolute contribution by feature group.
        shift: JSON form of `core.model.shift.Shift`.
        is_on_probation: True if it decides although the gate of a first model refused it; pages and records say so.
    """

    recipe: Recipe
    calibrator: Sequence[Mapping[str, Any]]
    ranges: Mapping[str, Sequence[float]]
    economics: Economics
    f1_threshold: float
    metrics: Mapping[str, Any]
    lineage: ModelLineage
    feature_ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    background: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    importance: Mapping[str, float] = field(default_factory=dict)
    shift: Mapping[str, float | int] = field(default_factory=dict)
    is_on_probation: bool = False


def observed_ranges(features: Mapping[str, NDArray[Any]], contract: Contract) -> dict[str, tuple[float, float]]:
    """Return the smallest and largest training value of each numeric column; a value outside is scored but flagged."""
    return {name: (float(np.min(features[name])), float(np.max(features[name]))) for name in contract.numeric_columns}


def decision_document(parts: BundleParts) -> dict[str, Any]:
    """Return the content of decision.json."""
    lineage, contract = parts.lineage, parts.lineage.contract
    feature_set, groups = FeatureSet.of(contract), FeatureSet.of(contract).groups
    as_they_are = ("calibrator", "ranges", "metrics", "feature_ranges", "background", "importance", "shift")
    learned_from = ("as_of", "snapshot", "rows", "source", "is_real", "git_revision")
    return {
        "schema_version": BUNDLE_SCHEMA_VERSION,
        "contract_version": str(contract.version),
        "contract_digest": contract.digest,
        "contract": contract.to_dict(),
        "model_name": MODEL_NAME,
        "recipe": parts.recipe.to_dict(),
        "features": [
            {"name": name, "kind": feature_set.kind_of(name), "group": groups[name]} for name in feature_set.names
        ],
        "economics": parts.economics.to_dict(),
        "thresholds": {"f1": parts.f1_threshold, "profit": parts.economics.single_break_even},
        "training": {name: getattr(lineage, name) for name in learned_from}
        | {"mlflow_run_id": lineage.run_id}
        | ({"sample": dict(lineage.sample)} if lineage.sample else {}),
        **{name: getattr(parts, name) for name in as_they_are},
        **({"is_on_probation": True} if parts.is_on_probation else {}),
    }


def model_card(parts: BundleParts) -> str:
    """Return a page about the model version, in Markdown."""
    lineage, recipe = parts.lineage, parts.recipe
    scalars = {name: value for name, value in parts.metrics.items() if isinstance(value, (int, float))}
    rows = "\n".join(f"| {name} | {value:.6g} |" for name, value in sorted(scalars.items()))
    protected = ", ".join(lineage.contract.protected_columns)
    kind = "real" if lineage.is_real else "simulated"
    probation = (
        "\nOn probation: the gate of a first model refused every candidate; this one decides until a gate opens.\n"
        if parts.is_on_probation
        else ""
    )
    drawn = "\nFitted on {drawn:,} of them, drawn by customer and recency (limit {limit:,}, effective {effective:,})."
    sample = drawn.format(**lineage.sample) if lineage.sample else ""
    return f"""# {MODEL_NAME}

Decides whether a phone call to a customer is worth making. {recipe.algorithm}, sampler {recipe.sampler},
half-life {recipe.half_life_days:g} days, seed {recipe.seed}.
{probation}
Learned from {lineage.rows:,} contacts before {lineage.as_of}; source: {lineage.source} ({kind}).{sample}
Training snapshot `{lineage.snapshot}`, MLflow run `{lineage.run_id}`, code `{lineage.git_revision}`.

Intended use: rank and select contacts at a cost of {parts.economics.cost_amount} a call and a value of
{parts.economics.value_amount} a subscription, or any other economics given with the request.
Not intended: credit decisions, or any use of what is known only after the call.
Protected columns ({protected}) are inputs; the fairness evidence is with the promotion.

| out-of-time metric | value |
|---|---|
{rows}
"""


def bundle_files(graph: bytes, parts: BundleParts, reference_profile: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the content of the four files by name, `core.model.scorer.BUNDLE_FILES`.

    `graph` is the serialized ONNX model; `reference_profile` is the JSON form of the training profile, the reference of
    drift.
    """
    return {
        "model.onnx": graph,
        "decision.json": json.dumps(decision_document(parts), indent=1, sort_keys=True, allow_nan=False).encode(),
        "reference_profile.json": json.dumps(dict(reference_profile), sort_keys=True, allow_nan=False).encode(),
        "model_card.md": model_card(parts).encode(),
    }
