"""Model bundles: the real files around any graph; a test names only the parts that it is about."""

from typing import Any

import numpy as np

from bank_assets.contract.columns import ColumnKind
from bank_assets.contract.uci import UCI
from bank_assets.core.economics.economics import Economics
from bank_assets.core.features.as_of import AsOfState
from bank_assets.core.features.contacts import Contacts, LearningData
from bank_assets.core.features.feature_set import FeatureSet
from bank_assets.core.model.bundle import BundleParts, ModelLineage, bundle_files, observed_ranges
from bank_assets.core.training.challenger import fit_deployment
from bank_assets.core.training.export import to_onnx
from bank_assets.core.training.recipes import Recipe, fit_recipe

FEATURE_SET = FeatureSet.of(UCI)

AS_OF = "2010-11-17"
RANGES = {"probability": [0.0, 0.5, 1.0], "low": [0.0, 0.4, 0.9], "high": [0.1, 0.6, 1.0]}
LINEAGE = ModelLineage("2020-02-20", "5f" * 32, 1_000, "simulated", False, "run-1", "revision", UCI)


def make_bundle(graph: bytes, recipe: Recipe, *, reference: Any = None, **parts: Any) -> dict[str, bytes]:
    """The files of a bundle.

    Args:
        graph: the ONNX model.
        recipe: what it was fitted by.
        reference: the training profile.
        parts: other parts than those of a plain bundle, see `BundleParts`.
    """
    plain = {
        "calibrator": [],
        "ranges": RANGES,
        "economics": Economics(),
        "f1_threshold": 0.3,
        "metrics": {},
        "lineage": LINEAGE,
    }
    return bundle_files(graph, BundleParts(recipe=recipe, **(plain | parts)), reference or {})


def made_up_contacts(n: int, seed: int) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Payload columns, dates and outcomes of `n` contacts with a signal in poutcome and balance."""
    random = np.random.default_rng(seed)
    frame: dict[str, np.ndarray] = {}
    for name in UCI.payload_columns:
        column = UCI.by_source[name]
        if column.kind is ColumnKind.INTEGER:
            low, high = {"age": (18, 90), "balance": (-2_000, 9_000)}.get(name, (column.minimum, 20))
            frame[name] = random.integers(low, high, n)
        else:
            frame[name] = random.choice(np.asarray(column.categories, dtype=object), n)
    dates = np.sort(np.datetime64("2010-05-01") + random.integers(0, 190, n))
    odds = -1.5 + 2.0 * (frame["poutcome"] == "success") + frame["balance"] / 5_000
    return frame, dates, random.random(n) < 1 / (1 + np.exp(-odds))


def fitted_bundle(algorithm: str = "logistic_regression", seed: int = 1) -> tuple[dict[str, bytes], AsOfState]:
    """A bundle fitted on a few hundred made-up contacts, and the as-of state after them."""
    frame, dates, y = made_up_contacts(400, seed)
    learned = Contacts(np.arange(len(y)), frame, dates, dates + 1, y, UCI)
    history, features = learned.history(), learned.features()
    as_of = np.datetime64(AS_OF)
    recipe = Recipe(algorithm, seed=seed)
    estimator = fit_recipe(recipe, LearningData(features, dates, dates + 1, y, as_of, UCI))
    background = {
        name: [value if isinstance(value, str) else float(value) for value in features[name][:8]]
        for name in FEATURE_SET.names
    }
    files = make_bundle(
        to_onnx(estimator, FEATURE_SET, recipe.algorithm),
        recipe,
        calibrator=[{"kind": "affine", "slope": 1.0, "intercept": 0.0}],
        metrics={"roc_auc": 0.7},
        lineage=ModelLineage(AS_OF, "s" * 64, len(y), "made up", False, f"run-{seed}", "revision", UCI),
        feature_ranges=observed_ranges(features, UCI),
        background=background,
        importance={"balance": 0.1},
    )
    return files, history.state(as_of)


def bundle_of(recipe: Recipe, data: LearningData) -> dict[str, bytes]:
    """The bundle of a recipe that was really fitted, with a calibrator that moves every probability."""
    fit = fit_deployment(recipe, data)
    return make_bundle(
        fit.graph,
        fit.recipe,
        calibrator=[{"kind": "affine", "slope": 0.9, "intercept": -0.1}],
        metrics={"roc_auc": 0.7},
        lineage=ModelLineage("2020-03-02", "snapshot", len(data), "made", False, "", "rev", UCI),
        feature_ranges=observed_ranges(data.features, UCI),
    )
