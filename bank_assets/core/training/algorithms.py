"""The registry of algorithms: one entry holds all that the platform knows of an algorithm.

A new algorithm is one more entry here and its library in the requirements. Entries name libraries instead of importing
them, so that the web app reads labels without scikit-learn.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pkgutil import resolve_name
from typing import Any, Final

import numpy as np

Parameters = Mapping[str, float | int | str]
OPSET: Final = {"": 18, "ai.onnx.ml": 3}


@dataclass(frozen=True, slots=True)
class Range:
    """Values of a hyper-parameter that a search tries; whole numbers if `low` is one."""

    low: float
    high: float
    step: int = 1
    is_log: bool = False


def _by_skl2onnx(estimator: Any, width: int, *, alias: str = "", converter: str = "") -> Any:
    """Graph of an estimator; `alias` and `converter` are for a class that skl2onnx does not know itself."""
    from skl2onnx import convert_sklearn, update_registered_converter
    from skl2onnx.common.data_types import FloatTensorType
    from skl2onnx.common.shape_calculator import calculate_linear_classifier_output_shapes

    if converter:
        update_registered_converter(
            type(estimator),
            alias,
            calculate_linear_classifier_output_shapes,
            resolve_name(converter),
            options={"nocl": [True, False], "zipmap": [True, False, "columns"]},
        )
    final = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
    return convert_sklearn(
        estimator,
        initial_types=[("encoded", FloatTensorType([None, width]))],
        options={id(final): {"zipmap": False}},
        target_opset=OPSET,
    )


def _lightgbm_to_onnx(estimator: Any, width: int) -> Any:
    """Graph of a LightGBM model with each threshold rounded down to a float32.

    A graph compares in float32, and its converter rounds to the nearest. LightGBM splits in the middle between two
    values that it saw. Between neighbouring float32 numbers (the same subscription rate, summed in another order) the
    nearest is one of them, and half of the time the upper one, which then takes the wrong branch (seen: p off by
    0.007). For float32 inputs `x <= t` and `x <= floor32(t)` are the same.
    """
    from lightgbm import Booster

    lines = estimator.booster_.model_to_string().split("\n")
    # Lengths of the trees as text, which change; LightGBM reads without them, and past the end with wrong ones.
    lines = [line for line in lines if not line.startswith("tree_sizes=")]
    for position, line in enumerate(lines):
        if line.startswith("threshold="):
            exact = np.array(line.removeprefix("threshold=").split(), dtype=np.float64)
            nearest = exact.astype(np.float32)
            floored = np.where(nearest > exact, np.nextafter(nearest, np.float32(-np.inf)), nearest)
            lines[position] = "threshold=" + " ".join(f"{value:.17g}" for value in floored)
    twin = copy.copy(estimator)
    twin._Booster = Booster(model_str="\n".join(lines))  # noqa: SLF001 - the converter asks for `booster_`, its getter
    converter = "onnxmltools.convert.lightgbm.operator_converters.LightGbm:convert_lightgbm"
    return _by_skl2onnx(twin, width, alias="LightGbmLGBMClassifier", converter=converter)


@dataclass(frozen=True, slots=True, kw_only=True)
class Algorithm:
    """One algorithm that a recipe may name.

    Attributes:
        library: the distribution that its results depend on, by its installed name.
        estimator: `module:class` with scikit-learn's interface; takes `random_state`, and `sample_weight` at a fit.
        arguments: of the class, which no recipe changes.
        defaults: hyper-parameters of a recipe that names none.
        is_scaled: whether features are standardised first. Not for trees: with a scaler in front of the ONNX graph,
            float32 rounding flips splits at ties (measured max |dp| 0.47 for XGBoost on 14,095 rows; 7e-7 without).
        to_onnx: graph of a fitted estimator with the given number of inputs, in one tensor `encoded`.
    """

    name: str
    label: str
    description: str
    library: str
    estimator: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    defaults: Parameters
    space: Mapping[str, Range]
    is_scaled: bool = False
    to_onnx: Callable[[Any, int], Any] = _by_skl2onnx

    @property
    def kind(self) -> str:
        """The library as Dagster tags it."""
        return self.library.replace("-", "")


# Each fit has one thread, since fits run side by side; see `core.training.folds`.
ALGORITHMS: Final[dict[str, Algorithm]] = {
    one.name: one
    for one in (
        Algorithm(
            name="logistic_regression",
            label="logistic regression",
            description="Logistic regression on scaled features",
            library="scikit-learn",
            estimator="sklearn.linear_model:LogisticRegression",
            defaults={"C": 0.3, "max_iter": 100, "solver": "newton-cholesky"},
            space={"C": Range(1e-3, 30.0, is_log=True)},
            is_scaled=True,
        ),
        Algorithm(
            name="random_forest",
            label="random forest",
            description="Random forest",
            library="scikit-learn",
            estimator="sklearn.ensemble:RandomForestClassifier",
            arguments={"n_jobs": 1},
            defaults={
                "n_estimators": 60,
                "max_depth": 12,
                "min_samples_leaf": 15,
                "max_features": "sqrt",
                "max_samples": 0.4,
            },
            space={
                "n_estimators": Range(40, 160, step=20),
                "max_depth": Range(6, 16),
                "min_samples_leaf": Range(5, 60, is_log=True),
                "max_samples": Range(0.2, 0.8),
            },
        ),
        Algorithm(
            name="xgboost",
            label="XGBoost",
            description="XGBoost gradient boosting",
            library="xgboost",
            estimator="xgboost:XGBClassifier",
            arguments={"n_jobs": 1, "tree_method": "hist"},
            defaults={
                "n_estimators": 150,
                "learning_rate": 0.05,
                "max_depth": 4,
                "min_child_weight": 10.0,
                "subsample": 0.8,
                "colsample_bytree": 0.6,
                "reg_lambda": 5.0,
                "max_bin": 128,
            },
            space={
                "n_estimators": Range(60, 300, step=20),
                "learning_rate": Range(0.02, 0.15, is_log=True),
                "max_depth": Range(2, 6),
                "min_child_weight": Range(1.0, 60.0, is_log=True),
                "colsample_bytree": Range(0.3, 1.0),
                "reg_lambda": Range(0.5, 60.0, is_log=True),
            },
            to_onnx=partial(
                _by_skl2onnx,
                alias="XGBoostXGBClassifier",
                converter="onnxmltools.convert.xgboost.operator_converters.XGBoost:convert_xgboost",
            ),
        ),
        Algorithm(
            name="lightgbm",
            label="LightGBM",
            description="LightGBM gradient boosting",
            library="lightgbm",
            estimator="lightgbm:LGBMClassifier",
            arguments={"n_jobs": 1, "verbosity": -1, "deterministic": True, "force_row_wise": True},
            defaults={
                "n_estimators": 100,
                "learning_rate": 0.05,
                "num_leaves": 15,
                "min_child_samples": 40,
                "colsample_bytree": 0.6,
                "subsample": 0.8,
                "subsample_freq": 1,
                "reg_lambda": 20.0,
                "max_bin": 127,
            },
            space={
                "n_estimators": Range(60, 300, step=20),
                "learning_rate": Range(0.02, 0.15, is_log=True),
                "num_leaves": Range(4, 40, is_log=True),
                "min_child_samples": Range(10, 120, is_log=True),
                "colsample_bytree": Range(0.3, 1.0),
                "reg_lambda": Range(0.5, 60.0, is_log=True),
            },
            to_onnx=_lightgbm_to_onnx,
        ),
    )
}
"""By name, in the order of assets and tables."""
DEFAULT_ALGORITHM: Final = "lightgbm"
"""The algorithm of the default recipe, which decides until a search finds a better one."""
