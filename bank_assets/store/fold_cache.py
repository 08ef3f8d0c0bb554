"""Resampled folds on disk, shared by the algorithms of a search.

Tomek links cost seconds per pass on the real file, and without the cache every algorithm would pay them again. A
damaged or missing file is computed anew.
"""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bank_assets.store.atomic_files import replacing

if TYPE_CHECKING:
    from bank_assets.core.training.folds import Fold, Resampled, ResampledFold


class FoldCache:
    """Resampled rows of one training snapshot, computed by `compute` if they are not stored."""

    def __init__(self, folder: Path, snapshot: str, compute: ResampledFold) -> None:
        self._folder = folder / snapshot
        self._compute = compute

    def __call__(self, sampler: str, fold: Fold, half_life_days: float, seed: int) -> Resampled:
        """Resampled rows, outcomes and weights of a fold."""
        if sampler in ("none", "class_weight"):  # nothing worth caching
            return self._compute(sampler, fold, half_life_days, seed)
        key = f"{sampler}|{fold.name}|{fold.test_start}|{half_life_days!r}|{seed}"
        path = self._folder / f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.npz"
        try:
            with np.load(path) as stored:
                return stored["X"].astype(np.float64), stored["y"], stored["weights"]
        except (FileNotFoundError, zipfile.BadZipFile, KeyError, ValueError, EOFError):
            X, y, weights = self._compute(sampler, fold, half_life_days, seed)
        with replacing(path) as stream:
            np.savez(stream, X=X.astype(np.float32), y=y, weights=weights)
        # float32 in both cases, so that a cached fold equals a computed one
        return X.astype(np.float32).astype(np.float64), y, weights
