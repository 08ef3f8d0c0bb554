"""Recipes of models (algorithm, sampler, hyper-parameters, recency) and how one is fitted.

The champion's refit and a candidate's fold fit use the same functions. Samplers see only the rows of a fit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pkgutil import resolve_name
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from bank_assets.core.arrays import BoolArray, DayArray, FloatArray, IntArray, effective_size
from bank_assets.core.features.contacts import LearningData
from bank_assets.core.features.feature_set import FeatureSet
from bank_assets.core.training.algorithms import ALGORITHMS, DEFAULT_ALGORITHM, Parameters
from bank_assets.core.training.learning_sample import draw

SAMPLERS: Final = ("none", "class_weight", "smote", "tomek", "smote_tomek")
DEFAULT_HALF_LIFE_DAYS: Final = 90.0
"""Age at which a contact's weight has halved; chosen by replay on the first year, see docs/adr/."""


class RecipeError(ValueError):
    """There is no such recipe."""


class Estimator(Protocol):
    """What a fitted estimator of any library offers."""

    def predict_proba(self, X: FloatArray) -> FloatArray:
        """Return probabilities (n, 2)."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that determines a fit except the data; a `half_life_days` of `inf` weighs all contacts alike."""

    algorithm: str = DEFAULT_ALGORITHM
    sampler: str = "none"
    parameters: Parameters = field(default_factory=dict)
    half_life_days: float = DEFAULT_HALF_LIFE_DAYS
    seed: int = 0

    def __post_init__(self) -> None:
        if self.algorithm not in ALGORITHMS or self.sampler not in SAMPLERS:
            raise ValueError(
                f"recipe: expected an algorithm of {', '.join(ALGORITHMS)} and a sampler of {', '.join(SAMPLERS)}, "
                f"found {self.algorithm!r} and {self.sampler!r}."
            )
        object.__setattr__(self, "parameters", {**ALGORITHMS[self.algorithm].defaults, **self.parameters})

    @property
    def name(self) -> str:
        """Short name for tables and runs."""
        return f"{self.algorithm}/{self.sampler}"

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form stored in decision.json and MLflow."""
        return asdict(self) | {"half_life_days": None if np.isinf(self.half_life_days) else self.half_life_days}

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
    """Return the default search: every algorithm with every sampler."""
    return tuple(Recipe(algorithm, sampler, seed=seed) for algorithm in ALGORITHMS for sampler in SAMPLERS)


def named_recipes(names: Sequence[str], seed: int) -> tuple[Recipe, ...]:
    """Return the recipes that a search compares by `algorithm/sampler`; all of them without names."""
    known = {recipe.name: recipe for recipe in default_recipes(seed)}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise RecipeError(f"BANK_CANDIDATES: expected names of {', '.join(known)}, found {', '.join(unknown)}.")
    return tuple(known[name] for name in names) if names else tuple(known.values())


def encoded_names(feature_set: FeatureSet) -> tuple[str, ...]:
    """Return names of the encoded columns, in order: numbers first, then one column per category value."""
    return (
        *feature_set.numeric,
        *(f"{name}={value}" for name in feature_set.category for value in feature_set.categories_of(name)),
    )


def encode(features: Mapping[str, NDArray[Any]], feature_set: FeatureSet) -> FloatArray:
    """Encode features into (n, n_columns): numbers as they are, categories as one column per allowed value.

    Nothing is fitted: the values come from the contract, so the encoding cannot differ between fit and scoring. The
    result holds float32 values in float64, because the ONNX graph computes in float32.
    """
    return encode_compact(features, feature_set).astype(np.float64)


def encode_compact(features: Mapping[str, NDArray[Any]], feature_set: FeatureSet) -> NDArray[np.float32]:
    """Encode as `encode` does, in half the memory; an estimator needs the rows as float64."""
    n = len(next(iter(features.values())))
    matrix = np.empty((n, len(encoded_names(feature_set))), dtype=np.float32)
    for column, name in enumerate(feature_set.numeric):
        matrix[:, column] = features[name]
    column = len(feature_set.numeric)
    for name in feature_set.category:
        for value in feature_set.categories_of(name):
            matrix[:, column] = features[name] == value
            column += 1
    return matrix


def recency_weights(contact_dates: DayArray, as_of: np.datetime64, half_life_days: float) -> FloatArray:
    """Return weights (n,) of mean 1 that halve with each half-life of age; `inf` gives ones.

    Fits leave inverse probabilities of having learned an outcome out: who is called depends on features and on chance
    alone, so given the features the called subscribe as the others would. Weights of 20 only add noise (ADR 0037).
    """
    age = (as_of - contact_dates.astype("datetime64[D]")).astype(np.float64)
    weights = np.ones(len(age)) if np.isinf(half_life_days) else 0.5 ** (age / half_life_days)
    return np.asarray(weights / weights.mean())


def rows_to_fit(
    data: LearningData, train: IntArray, as_of: np.datetime64, half_life_days: float
) -> tuple[IntArray, FloatArray]:
    """Return the rows that a fit as of a day uses and their weights of mean 1: all of `train`, or a sample of them.

    The sample is drawn by these weights, so nearly all of its rows weigh the same.
    """
    weights = recency_weights(data.contact_dates[train], as_of, half_life_days)
    if data.numbers is None or data.fit_rows is None:
        return train, weights
    drawn, inverse = np.arange(len(train)), np.ones(len(train))
    if len(train) > data.fit_rows:
        drawn, inverse = draw(weights, data.numbers[train], data.fit_rows)
    if data.stands_for is not None:  # for a fit that the snapshot was not drawn for, it may be the smaller sample
        inverse = np.maximum(inverse, data.stands_for[train[drawn]])
    if len(drawn) == len(train) and (inverse == 1.0).all():
        return train, weights
    weights = weights[drawn] * inverse
    return train[drawn], weights / weights.mean()


def sample_facts(data: LearningData, half_life_days: float = DEFAULT_HALF_LIFE_DAYS) -> dict[str, int]:
    """Return the limit, the eligible and drawn rows of a fit on all data, and their effective number; {} if all fit."""
    rows, weights = rows_to_fit(data, np.arange(len(data)), data.as_of, half_life_days)
    eligible = data.eligible or len(data)
    if data.fit_rows is None or len(rows) == eligible:
        return {}
    size = round(effective_size(weights))
    return {"limit": data.fit_rows, "eligible": eligible, "drawn": len(rows), "effective": size}


def resample(
    sampler: str, X: FloatArray, y: BoolArray, weights: FloatArray, seed: int
) -> tuple[FloatArray, BoolArray, FloatArray]:
    """Resample a fold's training rows; never called on rows that are scored.

    SMOTE works on encoded columns, because SMOTENC takes 45 times as long (9.4 s against 0.2 s on 45,211 rows). Its new
    rows come last and carry the mean weight of the class they copy. Neighbours are sought among standardised columns;
    otherwise the balance in EUR alone would decide. `class_weight` keeps the rows and balances their weights. SMOTE and
    Tomek links count rows whatever their weights, because neighbours are a matter of columns: a contact that stands for
    twenty has one neighbourhood, and a removed row takes its weight along. The calibrator corrects the level.
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
        from bank_assets.core.training.tomek import TreeTomekLinks

        cleaner = TreeTomekLinks(sampling_strategy="auto" if sampler == "tomek" else "all")
        cleaner.fit_resample(scaled, y)
        keep = cleaner.sample_indices_
        X, y, weights = X[keep], y[keep], weights[keep]
    return X, np.asarray(y, bool), weights


def load_libraries(recipes: Iterable[Recipe]) -> None:
    """Import what the recipes need, because limits on threads reach only libraries that are already loaded."""
    shared = {"sklearn.pipeline", "imblearn.over_sampling", "bank_assets.core.training.tomek"}
    for name in sorted(shared | {ALGORITHMS[recipe.algorithm].estimator for recipe in recipes}):
        resolve_name(name)


def fit_encoded(recipe: Recipe, X: FloatArray, y: BoolArray, weights: FloatArray) -> Estimator:
    """Fit a recipe on encoded (and already resampled) rows."""
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    algorithm = ALGORITHMS[recipe.algorithm]
    estimator = resolve_name(algorithm.estimator)(random_state=recipe.seed, **algorithm.arguments, **recipe.parameters)
    if not algorithm.is_scaled:
        return estimator.fit(X, y.astype(np.int64), sample_weight=weights)
    pipeline = make_pipeline(StandardScaler(), estimator)
    weighted = {f"{step}__sample_weight": weights for step, _ in pipeline.steps}
    return pipeline.fit(X, y.astype(np.int64), **weighted)


def fit_recipe(recipe: Recipe, data: LearningData) -> Estimator:
    """Fit a recipe: draw rows if there are too many, encode, weight by recency before `data.as_of`, resample, fit."""
    if bool((data.contact_dates >= data.as_of).any()):
        raise ValueError(
            f"training rows: expected contacts before {data.as_of}, found one on {data.contact_dates.max()}; "
            "a model may not see the future."
        )
    rows, weights = rows_to_fit(data, np.arange(len(data)), data.as_of, recipe.half_life_days)
    data = data if len(rows) == len(data) else data.rows(rows)
    y = data.is_subscribed
    if bool(y.all()) or not bool(y.any()):
        raise ValueError(
            f"training rows: expected both outcomes, found {int(y.sum())} yes of {len(y)}; wait for more outcomes."
        )
    encoded = encode(data.features, FeatureSet.of(data.contract))
    return fit_encoded(recipe, *resample(recipe.sampler, encoded, y, weights, recipe.seed))
