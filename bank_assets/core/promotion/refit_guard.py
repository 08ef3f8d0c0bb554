"""Would a refit of today have done worse than the champion, on days that neither learned from?

The other guards test a refit on rows that it learned from, where even shuffled outcomes look fine. This one fits the
champion's recipe once more on what is known *today* of the days before the champion's own day, and compares both on the
contacts since. If the delivered data have not changed, the two are the same model, and the comparison costs one fit. If
a past month was delivered again with other customers' outcomes, or a release broke a feature, only this shows it. A
fault of the newest days that still lasts cannot be seen, because there is no other truth to compare with.

It is no superiority gate, which costs 6 % of the profit (ADR 0009); the replay's history never changes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

import numpy as np

from bank_assets.core.arrays import FloatArray, effective_rarer, effective_size
from bank_assets.core.features.contacts import LearningData
from bank_assets.core.features.feature_set import FeatureSet
from bank_assets.core.quality import metrics
from bank_assets.core.quality.bootstrap import paired_bootstrap
from bank_assets.core.training.recipes import Recipe, encode, fit_recipe, rows_to_fit
from bank_assets.core.words import pct, sample_size


@dataclass(frozen=True, slots=True)
class RegressionPolicy:
    """When a refit counts as worse than the champion."""

    minimum_rows: int = 200  # contacts that a comparison needs,
    minimum_class: int = 20  # of them, subscribers and others each,
    minimum_days: int = 5  # on so many days, which are resampled as a whole
    tolerance: float = 0.01  # share of the champion's log loss that may be lost; the same data lose nothing
    confidence: float = 0.95  # P(worse) required for a refusal


LIMITS: Final = RegressionPolicy()


@dataclass(frozen=True, slots=True)
class AgainstChampion:
    """Whether a refit is worse than the champion, and a sentence with the numbers.

    `fits` holds the evidence of each fit made, by the day after its last training day.
    """

    is_worse: bool
    sentence: str
    fits: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def against_champion(
    recipe: Recipe,
    data: LearningData,
    champion_as_of: np.datetime64,
    champion: FloatArray,
    calibrated: Callable[[FloatArray], FloatArray],
    seed: int,
) -> AgainstChampion:
    """Compare a refit with the champion on the contacts since the champion's day.

    The first fit ends at that day. If it is worse, a second ends as late as enough contacts allow, so that months of
    good data since count too. The refit is worse only if both are. Too few contacts are no ground for a refusal.

    Args:
        recipe: the champion's.
        data: what the refit learned from, in time order, (n,).
        champion_as_of: the champion learned from days before it.
        champion: its probabilities before the day's intercept, (n,); rows before `champion_as_of` are not used.
        calibrated: its calibrator, from raw to calibrated probabilities.
        seed: of the bootstrap.
    """
    first = champion_as_of.astype("datetime64[D]")
    if not _is_enough(data, first):
        return AgainstChampion(
            False,
            f"{_size(data.rows(data.contact_dates >= first))} contacts since {first}, the champion's day, are too few "
            f"to compare with it (required: {LIMITS.minimum_rows} on {LIMITS.minimum_days} days, "
            f"{LIMITS.minimum_class} of each outcome)",
        )
    found = []
    for start in dict.fromkeys((first, _latest_start(data, first))):
        known = data.rows((data.contact_dates < start) & (data.known_on <= start))
        used, _ = rows_to_fit(known, np.arange(len(known)), start, recipe.half_life_days)
        if effective_rarer(known.is_subscribed[used], known.w[used]) < LIMITS.minimum_class:
            return AgainstChampion(False, f"{_size(known)} contacts before {start} are too few to fit the recipe on")
        estimator = fit_recipe(recipe, replace(known, as_of=start))
        tested = data.rows(data.contact_dates >= start)
        raw = estimator.predict_proba(encode(tested.features, FeatureSet.of(data.contract)))[:, 1]
        pair = (champion[data.contact_dates >= start], calibrated(np.asarray(raw, dtype=np.float64)))
        row = {"start": str(start), **_losses(tested, *pair, seed)}
        found.append(row)
        # A refusal needs a first fit that is worse with confidence, and a second that does not contradict it.
        is_worse = row["gain"] < -LIMITS.tolerance * row["log_loss_champion"]
        if not is_worse or found[0]["P_worse"] < LIMITS.confidence:
            return AgainstChampion(False, _sentence(found), {row["start"]: row for row in found})
    return AgainstChampion(True, _sentence(found), {row["start"]: row for row in found})


def _sentence(found: Sequence[Mapping[str, Any]]) -> str:
    reported = [
        f"of the days before {row['start']} has a log loss of {row['log_loss_refit']:.4f} on the "
        f"{sample_size(row['rows'], row.get('effective_rows'))} contacts since, the champion "
        f"{row['log_loss_champion']:.4f}"
        for row in found
    ]
    return (
        f"the recipe fitted on what is known today {'; '.join(reported)}; P(worse) = {found[0]['P_worse']:.3f} "
        f"(refused beyond {pct(LIMITS.tolerance, 0)} with P >= {LIMITS.confidence:g})"
    )


def _is_enough(data: LearningData, start: np.datetime64) -> bool:
    tested = data.contact_dates >= start
    w = data.w[tested]
    return (
        effective_size(w) >= LIMITS.minimum_rows
        and effective_rarer(data.is_subscribed[tested], w) >= LIMITS.minimum_class
        and len(np.unique(data.contact_dates[tested])) >= LIMITS.minimum_days
    )


def _size(data: LearningData) -> str:
    return sample_size(len(data), effective_size(data.w))


def _latest_start(data: LearningData, first: np.datetime64) -> np.datetime64:
    """The latest day with enough contacts since."""
    days = np.unique(data.contact_dates[data.contact_dates >= first])
    return next((day for day in days[::-1] if _is_enough(data, day)), first)


def _losses(tested: LearningData, champion: FloatArray, refit: FloatArray, seed: int) -> dict[str, Any]:
    """The evidence of one fit."""
    losses = [metrics.log_loss_rows(tested.is_subscribed, proba) for proba in (champion, refit)]
    gain = paired_bootstrap(losses[0] - losses[1], tested.contact_dates, seed=seed, weights=tested.weights)
    names = ("log_loss_champion", "log_loss_refit")
    means = {name: float(np.average(one, weights=tested.weights)) for name, one in zip(names, losses, strict=True)}
    size = {} if tested.weights is None else {"effective_rows": effective_size(tested.weights)}
    return {**asdict(gain), "P_worse": 1.0 - gain.probability, **means, **size}
