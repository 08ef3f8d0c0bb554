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
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from bank_assets.core.arrays import FloatArray
from bank_assets.core.features.contacts import LearningData
from bank_assets.core.features.feature_set import FeatureSet
from bank_assets.core.quality import metrics
from bank_assets.core.quality.bootstrap import paired_bootstrap
from bank_assets.core.training.recipes import Recipe, encode, fit_recipe


@dataclass(frozen=True, slots=True)
class RegressionPolicy:
    """When a refit counts as worse than the champion."""

    minimum_rows: int = 200  # contacts that a comparison needs,
    minimum_class: int = 20  # of them, subscribers and others each,
    minimum_days: int = 5  # on so many days, which are resampled as a whole
    tolerance: float = 0.01  # share of the champion's log loss that may be lost; the same data lose nothing
    confidence: float = 0.95  # P(worse) required for a refusal


@dataclass(frozen=True, slots=True)
class AgainstChampion:
    """Whether a refit is worse than the champion, a sentence with the numbers, and one row of evidence per fit made."""

    is_worse: bool
    sentence: str
    evidence: tuple[Mapping[str, Any], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """JSON form, kept with the challenger and the verdict; fits by the day after their last training day."""
        fits = {str(row["start"]): dict(row) for row in self.evidence}
        return {"is_worse": self.is_worse, "sentence": self.sentence, "fits": fits}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> AgainstChampion:
        """Read the JSON form."""
        return cls(bool(content["is_worse"]), str(content["sentence"]), tuple(content["fits"].values()))


def against_champion(
    recipe: Recipe,
    data: LearningData,
    champion_as_of: np.datetime64,
    champion: FloatArray,
    calibrated: Callable[[FloatArray], FloatArray],
    *,
    seed: int,
    policy: RegressionPolicy | None = None,
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
        policy: limits.
    """
    limits = policy or RegressionPolicy()
    first = champion_as_of.astype("datetime64[D]")
    if not _is_enough(data, first, limits):
        return AgainstChampion(
            False,
            f"{int((data.contact_dates >= first).sum())} contacts since {first}, the champion's day, are too few "
            f"to compare with it (required: {limits.minimum_rows} on {limits.minimum_days} days, "
            f"{limits.minimum_class} of each outcome)",
        )
    found = []
    for start in dict.fromkeys((first, _latest_start(data, first, limits))):
        known = data.rows((data.contact_dates < start) & (data.known_on <= start))
        if min(int(known.is_subscribed.sum()), int((~known.is_subscribed).sum())) < limits.minimum_class:
            return AgainstChampion(False, f"{len(known)} contacts before {start} are too few to fit the recipe on")
        row = _compare(recipe, known, data, start, champion, calibrated, seed=seed)
        found.append(row)
        # A refusal needs a first fit that is worse with confidence, and a second that does not contradict it.
        is_worse = row["gain"] < -limits.tolerance * row["log_loss_champion"]
        if not is_worse or found[0]["P_worse"] < limits.confidence:
            return AgainstChampion(False, _sentence(found, limits), tuple(found))
    return AgainstChampion(True, _sentence(found, limits), tuple(found))


def _sentence(found: Sequence[Mapping[str, Any]], limits: RegressionPolicy) -> str:
    reported = [
        f"of the days before {row['start']} has a log loss of {row['log_loss_refit']:.4f} on the {row['rows']} "
        f"contacts since, the champion {row['log_loss_champion']:.4f}"
        for row in found
    ]
    return (
        f"the recipe fitted on what is known today {'; '.join(reported)}; P(worse) = {found[0]['P_worse']:.3f} "
        f"(refused beyond {limits.tolerance:.0%} with P >= {limits.confidence:g})"
    )


def _is_enough(data: LearningData, start: np.datetime64, limits: RegressionPolicy) -> bool:
    tested = data.contact_dates >= start
    yes = int(data.is_subscribed[tested].sum())
    return (
        int(tested.sum()) >= limits.minimum_rows
        and min(yes, int(tested.sum()) - yes) >= limits.minimum_class
        and len(np.unique(data.contact_dates[tested])) >= limits.minimum_days
    )


def _latest_start(data: LearningData, first: np.datetime64, limits: RegressionPolicy) -> np.datetime64:
    """The latest day with enough contacts since."""
    days = np.unique(data.contact_dates[data.contact_dates >= first])
    return next((day for day in days[::-1] if _is_enough(data, day, limits)), first)


def _compare(
    recipe: Recipe,
    known: LearningData,
    data: LearningData,
    start: np.datetime64,
    champion: FloatArray,
    calibrated: Callable[[FloatArray], FloatArray],
    *,
    seed: int,
) -> dict[str, Any]:
    feature_set = FeatureSet.of(data.contract)
    estimator = fit_recipe(recipe, replace(known, as_of=start))
    rows = data.contact_dates >= start
    tested = data.rows(rows)
    refit = calibrated(
        np.asarray(estimator.predict_proba(encode(tested.features, feature_set))[:, 1], dtype=np.float64)
    )
    losses = [metrics.log_loss_rows(tested.is_subscribed, proba) for proba in (champion[rows], refit)]
    gain = paired_bootstrap(losses[0] - losses[1], seed=seed, clusters=tested.contact_dates)
    return {
        **asdict(gain),
        "P_worse": 1.0 - gain.probability,
        "start": str(start),
        "log_loss_champion": float(losses[0].mean()),
        "log_loss_refit": float(losses[1].mean()),
    }
