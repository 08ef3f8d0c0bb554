"""Which contacts are called to learn from, although the plan would not choose them.

Nothing is learned about contacts that are never called. A list therefore reserves a learning budget and draws its
explorers from the other eligible contacts: a sample of fixed size with known inclusion probabilities, which
`core.economics.planner` records as propensities. A draw hashes list, person and contact, so it can be repeated.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bank_assets.core.arrays import SLICE_ROWS, BoolArray, DayArray, FloatArray, IntArray
from bank_assets.core.economics.economics import MAXIMUM_EUR
from bank_assets.core.economics.holdout import hash_draws

EXPLORATION_SCORE: Final = "exploration_score"
"""Column of rows with a score, from 0, that inclusion probabilities are proportional to; equal for all without it."""
ANSWERS: Final = "randomized answers"
"""The list of all single requests that asked for a randomized answer."""
CENTS: Final = 100
ROUNDING: Final = 1e-6  # keeps 0.29 x 100 = 28.999999999999996 from losing its last cent


class ExplorationError(ValueError):
    """A learning budget or a score is unusable."""


class Reserve(NamedTuple):
    """The most calls of explorers, and what they may cost at most in whole cents."""

    calls: int
    cents: int


@dataclass(frozen=True, slots=True)
class LearningBudget:
    """What a list spends on exploration; nothing if all is 0.

    Attributes:
        share: of the eligible contacts, or of the calls that the limits of the list allow if they are fewer, in [0, 1].
        minimum: calls of a list, where the share is smaller.
        maximum_eur: largest cost of a list's explorers; None for no limit but the share.
    """

    share: float = 0.0
    minimum: int = 0
    maximum_eur: float | None = None

    def __post_init__(self) -> None:
        if not (_is_number(self.share) and 0.0 <= self.share <= 1.0):  # NaN fails the comparison
            raise ExplorationError(f"learning share: expected 0 to 1, found {self.share!r}; 5 % is written 0.05.")
        if isinstance(self.minimum, bool) or not isinstance(self.minimum, int) or self.minimum < 0:
            raise ExplorationError(
                f"fewest explored calls: expected a whole number from 0, found {self.minimum!r}; correct it."
            )
        largest, most = MAXIMUM_EUR * 1_000, self.maximum_eur
        if most is not None and not (_is_number(most) and 0.0 <= most <= largest):
            raise ExplorationError(
                f"learning budget: expected 0 to {largest:,.0f} EUR or nothing, found {most!r}; correct it."
            )

    @property
    def is_on(self) -> bool:
        """Whether anybody may be explored."""
        return (self.share > 0.0 or self.minimum > 0) and self.maximum_eur != 0

    def answer(self, contact_id: str, is_worth_calling: bool) -> tuple[bool, float]:
        """Whether to call the contact of a single request, and with which probability: 1 if worth it, else the share.

        The draw hashes the contact alone, so a request that is repeated is not drawn again.
        """
        if is_worth_calling:
            return True, 1.0
        share = self.share if self.is_on else 0.0
        return float(hash_draws([contact_id], ANSWERS, b"exploration")[0]) / 2.0**64 < share, share

    def for_days(
        self, contact_dates: DayArray, cost_cents: IntArray, budget: int | None, capacity: int | None
    ) -> LearningBudget:
        """The budget of a list of which nobody stated the fewest explored calls: the minimum is for each planned day.

        Days and costs are of the contacts, (n,). Where limits keep contacts off the list, more than the minimum of one
        day takes at most half of the calls that they allow, so that a tight limit does not leave a random list.
        """
        fewest, possible = self.minimum * len(np.unique(contact_dates)), _possible(cost_cents, budget, capacity)
        if possible < len(cost_cents):
            fewest = min(fewest, possible // 2)
        return replace(self, minimum=max(self.minimum, fewest))

    def reserve(self, cost_cents: IntArray, budget: int | None, capacity: int | None) -> Reserve:
        """What the list sets aside: the same share of its calls and, under a budget in cents, of its money.

        `cost_cents` are of the eligible contacts, (n,). A list that allows fewer calls than the minimum reserves all.
        """
        possible = _possible(cost_cents, budget, capacity)
        if not self.is_on or not possible:
            return Reserve(0, 0)
        calls = min(possible, max(self.minimum, round(self.share * possible)))
        cents = int(cost_cents.sum()) if budget is None else budget * calls // possible
        if self.maximum_eur is not None:
            cents = min(cents, math.floor(self.maximum_eur * CENTS + ROUNDING))
        return Reserve(calls, cents)

    def inclusion(
        self, reserve: Reserve, cost_cents: IntArray, score: FloatArray | None = None
    ) -> tuple[FloatArray, Reserve]:
        """Probability of each of the other contacts to be drawn, (n,), and what the sample can need of the reserve.

        The probabilities add up to the size of the sample, a whole number: the largest whose dearest draw the reserve
        pays. A contact is out of reach, with probability 0, if it is so dear that the reserve with it could not pay for
        the minimum, or for half of its calls; and if its score is 0.
        """
        n_others = len(cost_cents)
        if score is None and n_others and int(cost_cents.min()) == (cost := int(cost_cents.max())) > 0:
            # What follows comes to this, with ten times the memory.
            size = min(reserve.calls, reserve.cents // cost, n_others)
            return np.full(n_others, min(size * (1.0 / n_others), 1.0)), Reserve(size, size * cost)
        probability = np.zeros(n_others)
        if not reserve.calls:
            return probability, Reserve(0, 0)
        scores = np.ones(n_others) if score is None else score
        if not np.all((scores >= 0.0) & np.isfinite(scores)):
            raise ExplorationError("exploration score: expected numbers from 0, found others; correct the scores.")
        cheapest_first = np.argsort(np.where(scores > 0.0, cost_cents, np.iinfo(np.int64).max), kind="stable")
        cheapest_first = cheapest_first[: int((scores > 0.0).sum())]
        ordered = cost_cents[cheapest_first]
        if not len(ordered):
            return probability, Reserve(0, 0)
        spent = np.append(0, np.cumsum(ordered))
        # For each cost, the contacts within it, and how many of them the reserve pays even if the dearest are drawn
        within = np.flatnonzero(np.diff(ordered, append=np.iinfo(np.int64).max)) + 1
        sizes = np.minimum(reserve.calls, within - np.searchsorted(spent, spent[within] - reserve.cents))
        least = min(max(self.minimum, -(-reserve.calls // 2)), int(sizes.max()))
        widest = np.flatnonzero(sizes >= max(least, 1))
        if not len(widest):
            return probability, Reserve(0, 0)
        n_within, size = int(within[widest[-1]]), int(sizes[widest[-1]])
        in_reach = cheapest_first[:n_within]
        probability[in_reach] = _proportional(scores[in_reach], size)
        return probability, Reserve(size, int(spent[n_within] - spent[n_within - size]))


def _possible(cost_cents: IntArray, budget: int | None, capacity: int | None) -> int:
    """The most calls within limits."""
    possible = len(cost_cents) if capacity is None else min(capacity, len(cost_cents))
    if budget is None:
        return possible
    return min(possible, int(np.searchsorted(np.cumsum(np.sort(cost_cents)), budget, side="right")))


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)


def _proportional(score: FloatArray, size: int) -> FloatArray:
    """Inclusion probabilities proportional to the scores, at most 1, that add up to the size; all (n,), scores > 0."""
    probability = np.ones(len(score))
    is_open = np.ones(len(score), dtype=bool)
    while n_left := size - int((~is_open).sum()):
        probability[is_open] = n_left * (score[is_open] / score[is_open].sum())
        is_certain = is_open & (probability >= 1.0)
        if not is_certain.any():
            break
        probability[is_certain] = 1.0
        is_open &= ~is_certain
    return probability


def draw(probability: FloatArray, persons: NDArray[Any], contact_ids: NDArray[Any], list_id: str) -> BoolArray:
    """Draw the sample of a list, (n,): systematic sampling over a random order, so its size never varies.

    Exact for any probabilities that add up to a whole number (Madow 1949). The order hashes contacts beside persons:
    two contacts of a person are two draws, since equal hashes would fall into the sample together or by their order.
    """
    is_drawn = probability >= 1.0
    rows = np.flatnonzero((probability > 0.0) & ~is_drawn)
    if not len(rows):
        return is_drawn
    parts = (rows[first : first + SLICE_ROWS] for first in range(0, len(rows), SLICE_ROWS))
    both = (one for part in parts for one in zip(persons[part], contact_ids[part], strict=True))
    order = hash_draws((f"{person}\x1f{contact}" for person, contact in both), list_id, b"exploration")
    at = np.argsort(order, kind="stable")
    if (order[at[1:]] == order[at[:-1]]).any():
        at = np.lexsort((contact_ids[rows], order))
    rows = rows[at]
    start = float(hash_draws([""], list_id, b"start")[0]) / 2.0**64
    steps = np.cumsum(probability[rows])
    steps[-1] = np.rint(steps[-1])
    is_drawn[rows[np.diff(np.floor(np.append(0.0, steps) + start)) > 0]] = True
    return is_drawn


USUAL_LEARNING: Final = LearningBudget(share=0.02, minimum=8)
"""What a list of a day explores where only called contacts teach; chosen on seven months of the replay (ADR 0037)."""
