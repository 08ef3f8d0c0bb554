"""Drawing categories fast, and fitting conditional tables to margins: the arithmetic of the simulator.

What lives here: the alias method over many contexts at once, and raking (iterative proportional fitting).
What must not: names of columns, files, seeds.
Called by `simulator` and `scripts/fit_profile.py`.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]
_RAKING_ROUNDS: Final = 40


class AliasTable:
    """Walker's alias method for one distribution per context: two look-ups a draw, whatever the number of categories.

    Args:
        probabilities: (contexts, categories), each row sums to 1.
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
        """One category per row.

        Args:
            uniform: (rows,), in [0, 1).
            context: (rows,) context numbers, or one for all rows.

        Returns:
            (rows,) category numbers.
        """
        scaled = uniform * np.float32(self._size)
        slot = scaled.astype(np.intp)
        # float32 rounds a uniform of 1 - 2^-24 times the size up to the size itself about once in 10^7 draws
        np.minimum(slot, self._size - 1, out=slot)
        cell = slot + context * self._size
        return np.where(scaled - slot < self._keep[cell], slot, self._alias[cell])


def rake(links: Floats, weights: Floats, target: Floats) -> Floats:
    """Tilt conditional tables so that their mixture has a given margin, keeping their odds ratios.

    Args:
        links: (contexts, categories), positive, rows sum to 1.
        weights: (contexts,), share of each context, sums to 1.
        target: (categories,), wanted margin, sums to 1; zeros stay zero.

    Returns:
        (contexts, categories), rows sum to 1.
    """
    factor = target.copy()
    table = links
    for _ in range(_RAKING_ROUNDS):
        table = links * factor
        table /= table.sum(axis=1, keepdims=True)
        factor *= np.divide(target, weights @ table, out=np.zeros_like(target), where=target > 0)
    return table
