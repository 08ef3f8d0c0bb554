"""The arithmetic of the simulator: fast draws of categories, and raking (iterative proportional fitting)."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]
_RAKING_ROUNDS: Final = 40


class AliasTable:
    """Walker's alias method for one distribution per context: two look-ups per draw for any number of categories.

    `probabilities` is (contexts, categories), and each row sums to 1.
    """

    def __init__(self, probabilities: Floats) -> None:
        contexts, self._size = probabilities.shape
        share = probabilities * self._size
        keep = np.ones_like(share)
        alias = np.tile(np.arange(self._size), (contexts, 1))
        for row in range(contexts):
            small = [k for k in range(self._size) if share[row, k] < 1.0]
            large = [k for k in range(self._size) if share[row, k] >= 1.0]
            while small and large:
                lower, upper = small.pop(), large[-1]
                keep[row, lower], alias[row, lower] = share[row, lower], upper
                share[row, upper] -= 1.0 - share[row, lower]
                if share[row, upper] < 1.0:
                    small.append(large.pop())
        self._keep, self._alias = keep.astype(np.float32).ravel(), alias.astype(np.intp).ravel()

    def draw(self, uniform: NDArray[np.float32], context: Codes | int) -> Codes:
        """One category number per row, from (rows,) uniforms in [0, 1) and their (rows,) contexts."""
        scaled = uniform * np.float32(self._size)
        slot = scaled.astype(np.intp)
        # about once in 10^7 draws, float32 rounds uniform times size up to the size
        np.minimum(slot, self._size - 1, out=slot)
        cell = slot + context * self._size
        return np.where(scaled - slot < self._keep[cell], slot, self._alias[cell])


def rake(links: Floats, weights: Floats, target: Floats) -> Floats:
    """Tilt conditional tables (contexts, categories) to a margin (categories,), keeping their odds ratios.

    `weights` (contexts,) and `target` sum to 1, and so do the rows of `links` and of the result; zeros stay zero.
    """
    factor = target.copy()
    table = links
    for _ in range(_RAKING_ROUNDS):
        table = links * factor
        table /= table.sum(axis=1, keepdims=True)
        factor *= np.divide(target, weights @ table, out=np.zeros_like(target), where=target > 0)
    return table
