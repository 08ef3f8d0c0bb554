"""Paired bootstrap: is one model better than another on the same contacts, and by how much?

Whole contact days are drawn for differences that each contact has by itself, contacts for statistics of a whole sample.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bank_assets.core.arrays import BoolArray, FloatArray, IntArray, central_interval, weights_or_ones

RESAMPLES: Final = 2_000
CONFIDENCE: Final = 0.9

_CHUNK_CELLS: Final = 4_000_000
"""Random indices held at once: 32 MB."""


@dataclass(frozen=True, slots=True)
class BootstrapGain:
    """Gain of the challenger over the champion on the same contacts.

    `gain` is the mean per contact, or the difference of the statistic; `low` and `high` are percentiles. `probability`
    is the share of resamples with a gain above 0. Ties count half, so equal models get 0.5.
    """

    gain: float
    probability: float
    low: float
    high: float
    confidence: float
    rows: int
    resamples: int
    seed: int


def _summary(gain: float, drawn: FloatArray, rows: int, seed: int) -> BootstrapGain:
    low, high = central_interval(drawn, CONFIDENCE)
    probability = float(np.mean(drawn > 0) + np.mean((drawn == 0) | np.isnan(drawn)) / 2)
    return BootstrapGain(gain, probability, float(low), float(high), CONFIDENCE, rows, drawn.size, seed)


def _refuse_nothing(rows: int) -> None:
    if rows == 0:
        raise ValueError("paired bootstrap: expected at least one contact, found none; compare on a longer window.")


def paired_bootstrap(
    difference: FloatArray,
    clusters: NDArray[Any],
    *,
    seed: int,
    resamples: int = RESAMPLES,
    weights: FloatArray | None = None,
) -> BootstrapGain:
    """Bootstrap the mean of a difference that each contact has by itself (profit, log loss, Brier).

    `difference` is challenger minus champion per contact, (n,); higher is better. Whole `clusters`, a label per contact
    such as its day, are drawn, because contacts of one day share effects that the columns do not show. The mean has the
    `weights`, (n,).
    """
    _refuse_nothing(difference.size)
    if clusters.shape != difference.shape:
        raise ValueError(
            f"paired bootstrap: expected one cluster per contact, found {clusters.shape} clusters for "
            f"{difference.shape} contacts; pass the contact day of each row."
        )
    _, codes = np.unique(clusters, return_inverse=True)
    w = weights_or_ones(weights, difference.size)
    sums, sizes = np.bincount(codes, weights=w * difference), np.bincount(codes, weights=w)
    chunks = _index_chunks(sums.size, resamples, np.random.default_rng(seed))
    drawn = np.concatenate([sums[at].sum(axis=1) / sizes[at].sum(axis=1) for at in chunks])
    return _summary(float(np.average(difference, weights=w)), drawn, difference.size, seed)


def paired_bootstrap_statistic(
    statistic: Callable[[IntArray], float], rows: int, *, seed: int, resamples: int = RESAMPLES
) -> BootstrapGain:
    """Bootstrap a difference that only a whole sample has (AUC, average precision).

    `statistic` maps row indices (rows,) to challenger minus champion, and is called once per resample. Resamples with
    one class only give NaN: they count as half a win and do not enter the interval.
    """
    _refuse_nothing(rows)
    rng = np.random.default_rng(seed)
    drawn = np.array([statistic(at) for chunk in _index_chunks(rows, resamples, rng) for at in chunk])
    return _summary(float(statistic(np.arange(rows))), drawn, rows, seed)


def paired_bootstrap_f1(
    outcomes: BoolArray,
    champion: BoolArray,
    challenger: BoolArray,
    *,
    seed: int,
    weights: FloatArray | None = None,
) -> BootstrapGain:
    """Bootstrap the gain in F1 between the calls of two models, each (n,).

    A contact is one of eight kinds (outcome, called by either model), so a resample is one multinomial draw. Weighted
    contacts are drawn one by one.
    """
    _refuse_nothing(outcomes.size)
    kinds, rng = outcomes * 4 + champion * 2 + challenger * 1, np.random.default_rng(seed)
    counts = np.bincount(kinds, weights, minlength=8)
    if weights is None:
        drawn = rng.multinomial(outcomes.size, counts / outcomes.size, size=RESAMPLES)
    else:
        draws = (at for chunk in _index_chunks(outcomes.size, RESAMPLES, rng) for at in chunk)
        drawn = np.asarray([np.bincount(kinds[at], weights[at], minlength=8) for at in draws])
    gains = _f1_gain(np.vstack([counts, drawn]))
    return _summary(float(gains[0]), gains[1:], outcomes.size, seed)


def _f1_gain(counts: NDArray[Any]) -> FloatArray:
    """F1 of the challenger minus the champion for (m, 8) counts of kinds `y * 4 + champion * 2 + challenger`."""
    kind = np.arange(8)
    outcomes = counts[:, kind >= 4].sum(axis=1)
    scores = []
    for bit in (2, 1):
        called = (kind & bit) > 0
        together = outcomes + counts[:, called].sum(axis=1)
        scores.append(2 * counts[:, called & (kind >= 4)].sum(axis=1) / np.where(together > 0, together, 1))
    return np.asarray(scores[1] - scores[0])


def _index_chunks(rows: int, resamples: int, rng: np.random.Generator) -> Iterator[IntArray]:
    """Yield resampled indices in blocks of bounded memory, each (block, rows)."""
    block = max(1, _CHUNK_CELLS // rows)
    return (rng.integers(0, rows, size=(min(block, resamples - begin), rows)) for begin in range(0, resamples, block))
