"""What calling caused: whom a list called against whom its draw held out.

Each customer that a list chose is held out with a known probability, so both groups are compared as assigned, whether
or not a call was made. Over lists with different shares h, a held-out customer stands for (1 - h) / h called ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from bank_assets.core.arrays import BoolArray, FloatArray, check_lengths, check_rows, effective_size
from bank_assets.core.economics.holdout import MAXIMUM_SHARE, lift_test_size
from bank_assets.core.quality.intervals import LEVEL, Estimate, binomial_p, difference, rank_sum_p
from bank_assets.core.quality.off_policy import MINIMUM_EFFECTIVE_SIZE
from bank_assets.core.words import pct, whole

FALSE_ALARMS: Final = 0.01
"""Most of the lists with a correct draw whose sample-ratio check fails."""
FROM_NOTHING: Final = 1e-9  # the formula for the size of a test takes no rate of 0
NO_HOLDOUT: Final = (
    "No hold-out: nobody was held out at random, so nothing shows what happens without a call; set a hold-out share "
    "for later lists."
)


@dataclass(frozen=True, slots=True)
class Groups:
    """The customers that lists chose, one row per list and customer, each array (n,).

    `holdout_share` is the probability in (0, 0.5] that the draw held the customer out, `probability` the predicted one,
    `value_eur` the worth of a subscription.

    Raises:
        ValueError: lengths differ, or a share, probability or value is unusable.
    """

    is_held_out: BoolArray
    holdout_share: FloatArray
    probability: FloatArray
    value_eur: FloatArray
    is_subscribed: BoolArray

    def __post_init__(self) -> None:
        check_lengths(self, "lift")
        share, probability, value = self.holdout_share, self.probability, self.value_eur
        for expected, column, is_right in (
            (f"a hold-out share above 0 and at most {MAXIMUM_SHARE}", share, (share > 0.0) & (share <= MAXIMUM_SHARE)),
            ("a probability in [0, 1]", probability, (probability >= 0.0) & (probability <= 1.0)),
            ("a value in EUR above 0", value, (value > 0.0) & np.isfinite(value)),
        ):
            check_rows("lift", expected, column, ~is_right)


@dataclass(frozen=True, slots=True)
class Lift:
    """What calling caused, or in `reason` why there is no number yet; then the estimates are empty.

    `more` customers, chosen by later lists with the same hold-out share, would make the groups large enough. The
    difference of the two rates is `rate`; `subscriptions` and `profit_eur` are totals of the called, profit after the
    cost of their calls. `is_assumed` if nobody was taken to subscribe without a call.
    """

    called: int
    held_out: int
    called_subscribed: int
    held_out_subscribed: int
    more: int = 0
    reason: str = ""
    rate: Estimate | None = None
    subscriptions: Estimate | None = None
    profit_eur: Estimate | None = None
    is_assumed: bool = False

    def without_estimates(self, reason: str) -> Lift:
        """The same counts with a reason instead of numbers."""
        return replace(self, more=0, reason=reason, rate=None, subscriptions=None, profit_eur=None)

    def assuming_none(self, calls: int, subscriptions: int, profit_eur: float) -> Lift:
        """Of all calls, if nobody subscribes without one: calling caused all that they brought, hold-out or not."""
        counts, profit = (Estimate(one, one, one) for one in (float(subscriptions), profit_eur))
        assumed = replace(self, called=calls, called_subscribed=subscriptions, more=0, reason="", rate=None)
        return replace(assumed, subscriptions=counts, profit_eur=profit, is_assumed=True)

    @property
    def sentence(self) -> str:
        """What calling earned, and whether that may be chance, in one sentence for everybody."""
        if self.profit_eur is None:
            return self.reason
        one = self.profit_eur
        earned = f"{'earned' if one.value >= 0.0 else 'lost'} {abs(one.value):,.0f} EUR against not calling them"
        if self.is_assumed:
            return f"Calling {self.called:,} customers {earned}, assuming that nobody subscribes without a call."
        chance = "may be" if self.may_be_chance else "is hardly"
        return (
            f"Calling {self.called:,} customers {earned} (between {whole(one.low)} and {whole(one.high)} EUR at "
            f"{pct(LEVEL, 0)}), which {chance} chance."
        )

    @property
    def may_be_chance(self) -> bool:
        """Whether the interval of the profit leaves open if calling earned or lost money."""
        return self.profit_eur is not None and self.profit_eur.low <= 0.0 <= self.profit_eur.high


def measured_lift(groups: Groups, spent_eur: float) -> Lift:
    """Compare the called with the held-out customers; `spent_eur` is the cost of the calls of the called.

    The intervals count the effective sizes of the weights. In EUR the weights are the values: the rate without a call
    among the called is that of the held out, valued as the called are. Whether there is a number depends on sizes and
    predictions alone, never on outcomes, so numbers are not selected by luck (ADR 0039).
    """
    held_out, is_subscribed = groups.is_held_out, groups.is_subscribed
    called = ~held_out
    odds = (1.0 - groups.holdout_share[held_out]) / groups.holdout_share[held_out]
    n_called, size = int(called.sum()), effective_size(odds)
    counts = (n_called, len(odds), int(is_subscribed[called].sum()), int(is_subscribed[held_out].sum()))
    if not len(held_out):
        return Lift(*counts, reason=NO_HOLDOUT)
    more = customers_missing(groups)
    if more:
        return Lift(
            *counts,
            more,
            f"Too small yet: {len(odds):,} held out and {n_called:,} called cannot show even the whole expected rate; "
            f"{more:,} more customers chosen with the same hold-out share make the groups large enough.",
        )
    without, with_calls = is_subscribed[held_out], is_subscribed[called]
    rate = difference(float(with_calls.mean()), n_called, _share(odds, without), size)
    value, stands_for = groups.value_eur[called], odds * groups.value_eur[held_out]
    worth = difference(
        _share(value, with_calls), effective_size(value), _share(stands_for, without), effective_size(stands_for)
    )
    profit = worth.scaled(float(value.sum()), less=spent_eur)
    return Lift(*counts, rate=rate, subscriptions=rate.scaled(n_called), profit_eur=profit)


def customers_missing(groups: Groups) -> int:
    """How many more customers must be chosen until the groups can show the whole expected rate; 0 if they can.

    They can if a rise from nothing to the mean prediction would be found with the power and at the significance of a
    plan (`core.economics.holdout`), and if neither group is smaller than any estimate may rest on.
    """
    held_out, share = groups.is_held_out, groups.holdout_share
    kept = 1.0 - share
    # The one share whose draw would hold out as many customers, weighted, for as many called
    holdout = float(1.0 / (1.0 + (kept**2 / share).sum() / kept.sum()))
    rate = float(np.clip(groups.probability.mean(), 1e-6, 1.0 - 1e-6))
    needed = lift_test_size(FROM_NOTHING, rate, holdout_share=holdout)
    found = effective_size(kept[held_out] / share[held_out]), float((~held_out).sum())
    missing = (max(need, MINIMUM_EFFECTIVE_SIZE) - has for need, has in zip(needed, found, strict=True))
    return max(0, *(math.ceil(lack / part) for lack, part in zip(missing, (holdout, 1.0 - holdout), strict=True)))


@dataclass(frozen=True, slots=True)
class SampleRatio:
    """Whether the hold-out groups are what their draws can have made, with the smallest p-value of each check.

    `count` is of the numbers held out, `balance` of their predictions. `checks` were made.
    """

    held_out: int
    expected: float
    count: float
    balance: float
    checks: int

    @property
    def is_broken(self) -> bool:
        """Whether a correct draw would look like this in at most 1 % of the cases (Bonferroni)."""
        return min(self.count, self.balance) * self.checks <= FALSE_ALARMS

    @property
    def reason(self) -> str:
        """What a broken draw looks like, and what to do; "" if nothing is wrong."""
        if not self.is_broken:
            return ""
        found = f"{self.held_out:,} held out" if self.count <= self.balance else "other customers held out than called"
        return (
            f"Broken draw: expected about {self.expected:,.0f} customers held out at random, found {found} "
            f"(p = {min(self.count, self.balance):.1g}); find out who left the list or was added after the draw."
        )


def sample_ratio(groups: Groups) -> SampleRatio:
    """Check each hold-out share: the number held out by the exact binomial test, their predictions by ranks.

    A wrong number alone would miss a draw that takes the wrong customers, such as the least promising ones.
    """
    shares = [float(one) for one in np.unique(groups.holdout_share)]
    counts, balances = [1.0], [1.0]
    for share in shares:
        at = groups.holdout_share == share
        held_out, probability = groups.is_held_out[at], groups.probability[at]
        counts.append(binomial_p(int(held_out.sum()), len(held_out), share))
        balances.append(rank_sum_p(probability[held_out], probability[~held_out]))
    n_held, expected = int(groups.is_held_out.sum()), float(groups.holdout_share.sum())
    return SampleRatio(n_held, expected, min(counts), min(balances), max(2 * len(shares), 1))


def _share(weight: FloatArray, is_subscribed: BoolArray) -> float:
    return float(weight[is_subscribed].sum() / weight.sum())
