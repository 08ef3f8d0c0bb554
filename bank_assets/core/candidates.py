"""Recipes of models: algorithm, sampler, hyper-parameters, recency; and how one is fitted.

What lives here: the candidate grid, the encoder, samplers inside the fold, the fit.
What must not: choosing between candidates (`core.promotion`), calibration, export, MLflow.
Called by training, evaluation and replay: the champion's refit and a candidate's fold fit are the same function.

Trees get **unscaled** inputs: with a scaler in front of the ONNX graph, float32 rounding flips splits at ties
(measured max |dp| 0.47 for XGBoost on 14,095 rows; passthrough gives at most 7e-7). Only logistic regression scales.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from bank_assets.core.arrays import BoolArray, FloatArray
from bank_assets.core.features import FeatureSet

ALGORITHMS: Final = ("logistic_regression", "random_forest", "xgboost", "lightgbm")
SAMPLERS: Final = ("none", "class_weight", "smote", "tomek", "smote_tomek")
DEFAULT_HALF_LIFE_DAYS: Final = 90.0
"""Weight of a contact halves with each so many days of age; chosen by replay on the first year, see docs/adr/."""

DEFAULT_PARAMETERS: Final[Mapping[str, Mapping[str, float | int | str]]] = {
    "logistic_regression": {"C": 0.3, "max_iter": 100, "solver": "newton-cholesky"},
    "random_forest": {
        "n_estimators": 60,
        "max_depth": 12,
        "min_samples_leaf": 15,
        "max_features": "sqrt",
        "max_samples": 0.4,
    },
    "xgboost": {
        "n_estimators": 150,
        "learning_rate": 0.05,
        "max_depth": 4,
        "min_child_weight": 10.0,
        "subsample": 0.8,
        "colsample_bytree": 0.6,
        "reg_lambda": 5.0,
        "max_bin": 128,
    },
    "lightgbm": {
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
}


class RecipeError(ValueError):
    """A recipe is none that can be fitted; the message says which there are."""


class Estimator(Protocol):
    """What a fitted estimator of any library offers."""

    def predict_proba(self, X: FloatArray) -> FloatArray:
        """Probabilities (n, 2)."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that determines a fit but the data.

    Attributes:
        algorithm: one of `ALGORITHMS`.
        sampler: one of `SAMPLERS`.
        parameters: hyper-parameters of the algorithm.
        half_life_days: recency weighting; `inf` weighs all contacts alike.
        seed: seed of sampler and estimator.
    """

    algorithm: str
    sampler: str = "none"
    parameters: Mapping[str, float | int | str] = field(default_factory=dict)
    half_life_days: float = DEFAULT_HALF_LIFE_DAYS
    seed: int = 0

    def __post_init__(self) -> None:
        if self.algorithm not in ALGORITHMS or self.sampler not in SAMPLERS:
            raise ValueError(
                f"recipe: expected an algorithm of {ALGORITHMS} and a sampler of {SAMPLERS}, "
                f"found {self.algorithm!r} and {self.sampler!r}."
            )
        object.__setattr__(self, "parameters", {**DEFAULT_PARAMETERS[self.algorithm], **self.parameters})

    @property
    def name(self) -> str:
        """Short name for tables and runs."""
        return f"{self.algorithm}/{self.sampler}"

    def to_dict(self) -> dict[str, Any]:
        """JSON form stored in decision.json and MLflow."""
        return {
            "algorithm": self.algorithm,
            "sampler": self.sampler,
            "parameters": dict(self.parameters),
            "half_life_days": None if np.isinf(self.half_life_days) else self.half_life_days,
            "seed": self.seed,
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Recipe:
        """Read the JSON form."""
        return cls(
            content["algorithm"],
            content["sampler"],
            content["parameters"],
            float("inf") if content["half_life_days"] is None else float(content["half_life_days"]),
            int(content["seed"]),
        )


def default_recipes(seed: int) -> tuple[Recipe, ...]:
    """The default search: four algorithms x five samplers."""
    return tuple(Recipe(algorithm, sampler, seed=seed) for algorithm in ALGORITHMS for sampler in SAMPLERS)


def named_recipes(names: Sequence[str], seed: int) -> tuple[Recipe, ...]:
    """The recipes that a search compares.

    Args:
        names: `algorithm/sampler`; empty for all twenty.
        seed: seed of samplers and estimators.

    Raises:
        RecipeError: a name is none of the twenty.
    """
    known = {recipe.name: recipe for recipe in default_recipes(seed)}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise RecipeError(f"BANK_CANDIDATES: expected names of {', '.join(known)}, found {', '.join(unknown)}.")
    return tuple(known[name] for name in names) if names else tuple(known.values())


def encoded_names(feature_set: FeatureSet) -> tuple[str, ...]:
    """Names of the encoded columns, in order: numbers first, then one column per category value."""
    return (
        *feature_set.numeric,
        *(f"{name}={value}" for name in feature_set.category for value in feature_set.categories_of(name)),
    )


def encode(features: Mapping[str, NDArray[Any]], feature_set: FeatureSet) -> FloatArray:
    """Encode features: numbers as they are, categories one column per allowed value.

    Nothing is fitted: the values come from the contract, so the encoding cannot differ between fit and scoring.

    Args:
        features: one array (n,) per feature.
        feature_set: which features there are.

    Returns:
        Matrix (n, len(encoded_names(feature_set))), float32 values in float64: the ONNX graph computes in float32.
    """
    n = len(next(iter(features.values())))
    matrix = np.empty((n, len(encoded_names(feature_set))), dtype=np.float32)
    for column, name in enumerate(feature_set.numeric):
        matrix[:, column] = features[name]
    column = len(feature_set.numeric)
    for name in feature_set.category:
        for value in feature_set.categories_of(name):
            matrix[:, column] = features[name] == value
            column += 1
    return matrix.astype(np.float64)


def recency_weights(contact_dates: NDArray[np.datetime64], as_of: np.datetime64, half_life_days: float) -> FloatArray:
    """Weights that halve with each half-life of age, mean 1.

    Args:
        contact_dates: day of each contact, (n,).
        as_of: the day of training.
        half_life_days: days; `inf` gives ones.

    Returns:
        Weights (n,), mean 1.
    """
    age = (as_of - contact_dates.astype("datetime64[D]")).astype(np.float64)
    weights = np.ones(len(age)) if np.isinf(half_life_days) else 0.5 ** (age / half_life_days)
    return np.asarray(weights / weights.mean())


def resample(
    sampler: str, X: FloatArray, y: BoolArray, weights: FloatArray, seed: int
) -> tuple[FloatArray, BoolArray, FloatArray]:
    """Resample a fold's training rows; never called on rows that are scored.

    SMOTE on encoded columns: SMOTENC costs 45 times as much (9.4 s against 0.2 s on 45,211 rows). Its new rows come
    after the old ones and carry the mean weight of the class they copy. Neighbours are sought among standardised
    columns, else the balance in EUR alone would decide who is near whom. `class_weight` leaves rows, balances weights.

    Args:
        sampler: one of `SAMPLERS`.
        X: encoded features (n, k).
        y: outcomes (n,).
        weights: recency weights (n,).
        seed: random seed.

    Returns:
        Rows, outcomes and weights of the resampled fold.
    """
    if sampler == "none" or y.sum() < 6 or (~y).sum() < 6:  # SMOTE needs k=5 neighbours of the rare class
        return X, y, weights
    if sampler == "class_weight":
        positive, negative = weights[y].sum(), weights[~y].sum()
        half = 0.5 * weights.sum()
        return X, y, np.where(y, weights * half / positive, weights * half / negative)
    from imblearn.over_sampling import SMOTE
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(X)
    scaled = scaler.transform(X)
    if sampler in ("smote", "smote_tomek"):
        rare = bool(y.mean() < 0.5)
        n_old, weight_new = len(y), float(weights[y == rare].mean())
        scaled, y = SMOTE(random_state=seed).fit_resample(scaled, y)
        X = np.vstack([X, scaler.inverse_transform(scaled[n_old:])])
        weights = np.concatenate([weights, np.full(len(y) - n_old, weight_new)])
    if sampler in ("tomek", "smote_tomek"):
        from bank_assets.core.tomek import TreeTomekLinks

        cleaner = TreeTomekLinks(sampling_strategy="auto" if sampler == "tomek" else "all")
        cleaner.fit_resample(scaled, y)
        keep = cleaner.sample_indices_
        X, y, weights = X[keep], y[keep], weights[keep]
    return X, np.asarray(y, bool), weights


def load_libraries(recipes: Iterable[Recipe]) -> None:
    """Import what the recipes need, so that limits on threads, which reach loaded libraries only, reach all of it."""
    needed = {recipe.algorithm for recipe in recipes} & {"xgboost", "lightgbm"}
    shared = {"sklearn.linear_model", "sklearn.ensemble", "imblearn.over_sampling", "bank_assets.core.tomek"}
    for name in sorted(needed | shared):
        import_module(name)


def _estimator(recipe: Recipe, n_jobs: int) -> Any:
    parameters: dict[str, Any] = dict(recipe.parameters)
    if recipe.algorithm == "logistic_regression":
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        return make_pipeline(StandardScaler(), LogisticRegression(random_state=recipe.seed, **parameters))
    if recipe.algorithm == "random_forest":
        from sklearn.ensemble import RandomForestClassifier

        return RandomForestClassifier(random_state=recipe.seed, n_jobs=n_jobs, **parameters)
    if recipe.algorithm == "xgboost":
        from xgboost import XGBClassifier

        return XGBClassifier(random_state=recipe.seed, n_jobs=n_jobs, tree_method="hist", **parameters)
    from lightgbm import LGBMClassifier

    return LGBMClassifier(
        random_state=recipe.seed, n_jobs=n_jobs, verbosity=-1, deterministic=True, force_row_wise=True, **parameters
    )


def fit_encoded(recipe: Recipe, X: FloatArray, y: BoolArray, weights: FloatArray, *, n_jobs: int = 1) -> Estimator:
    """Fit a recipe on encoded (and already resampled) rows.

    Args:
        recipe: algorithm, parameters and seed.
        X: encoded features (n, k).
        y: outcomes (n,).
        weights: sample weights (n,).
        n_jobs: threads of the fit; the result does not depend on it.

    Returns:
        The fitted estimator.
    """
    estimator = _estimator(recipe, n_jobs)
    if recipe.algorithm == "logistic_regression":
        estimator.fit(
            X, y.astype(np.int64), logisticregression__sample_weight=weights, standardscaler__sample_weight=weights
        )
    else:
        estimator.fit(X, y.astype(np.int64), sample_weight=weights)
    return estimator


def fit_recipe(
    recipe: Recipe,
    features: Mapping[str, NDArray[Any]],
    feature_set: FeatureSet,
    y: BoolArray,
    contact_dates: NDArray[np.datetime64],
    as_of: np.datetime64,
    *,
    n_jobs: int = 1,
    sample_weights: FloatArray | None = None,
) -> Estimator:
    """Fit a recipe on features: encode, weigh by recency, resample, fit.

    Args:
        recipe: what to fit.
        features: one array (n,) per feature.
        feature_set: which features the estimator takes.
        y: outcomes (n,).
        contact_dates: day of each contact, (n,); all before `as_of`.
        as_of: the day of training.
        n_jobs: threads.
        sample_weights: inverse probability of having learned each outcome, (n,), times recency; default 1.

    Returns:
        The fitted estimator.

    Raises:
        ValueError: a contact lies on or after `as_of`, or only one class is present.
    """
    if len(y) == 0 or bool(y.all()) or not bool(y.any()):
        raise ValueError(
            f"training rows: expected both outcomes, found {int(y.sum())} yes of {len(y)}; wait for more outcomes."
        )
    if bool((contact_dates >= as_of).any()):
        raise ValueError(
            f"training rows: expected contacts before {as_of}, found one on {contact_dates.max()}; "
            "a model may not see the future."
        )
    weights = recency_weights(contact_dates, as_of, recipe.half_life_days)
    if sample_weights is not None:
        weights = weights * sample_weights
        weights = weights / weights.mean()
    X, y, weights = resample(recipe.sampler, encode(features, feature_set), y, weights, recipe.seed)
    return fit_encoded(recipe, X, y, weights, n_jobs=n_jobs)
