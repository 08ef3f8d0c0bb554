"""Random hold-out groups, and how large one must be to show what the calls bring.

What lives here: the deterministic assignment, the sample size of a lift test, the lift a test can detect.
What must not: choosing whom to call (`core.economics.planner`), evaluating a finished test.
Called by the planner and serving.

A hold-out contact is not called although it may be worth it; the difference in subscriptions between the called and
the held out of the same list is what calling causes. Membership is a hash of list and contact: the same list gives
the same group on any machine, and another list draws anew, so nobody is left out for ever.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

DEFAULT_SIGNIFICANCE: Final = 0.05
DEFAULT_POWER: Final = 0.8
MAXIMUM_SHARE: Final = 0.5
"""Above one half it is no longer a campaign with a hold-out group."""


class HoldoutError(ValueError):
    """A share, rate or power is unusable; the message says what was expected and what was found."""


def holdout_mask(contact_ids: Sequence[str] | NDArray[Any], list_id: str, share: float) -> NDArray[np.bool_]:
    """Draw the hold-out group of a list.

    Args:
        contact_ids: identifiers, (n_contacts,).
        list_id: identifier of the list, the seed of the draw.
        share: expected share of contacts held out, in [0, 0.5].

    Returns:
        True for held-out contacts, (n_contacts,); each contact's answer depends on no other contact. A larger share
        holds out the same contacts and more.

    Raises:
        HoldoutError: share outside [0, 0.5].
    """
    if not 0.0 <= share <= MAXIMUM_SHARE:
        raise HoldoutError(f"hold-out share: expected 0 to {MAXIMUM_SHARE}, found {share!r}; 10 % is written 0.1.")
    limit = int(share * 2**64)
    prefix = hashlib.blake2b(str(list_id).encode(), digest_size=16).digest()
    draws = (
        int.from_bytes(hashlib.blake2b(prefix + str(c).strip().encode(), digest_size=8).digest(), "big")
        for c in contact_ids
    )
    return np.fromiter((draw < limit for draw in draws), dtype=bool, count=len(contact_ids))


def _check_share(name: str, value: float) -> None:
    if not 0.0 < value < 1.0:
        raise HoldoutError(f"{name}: expected a number between 0 and 1, found {value!r}.")


def lift_test_size(
    rate_without_call: float,
    rate_with_call: float,
    *,
    holdout_share: float = 0.5,
    power: float = DEFAULT_POWER,
    significance: float = DEFAULT_SIGNIFICANCE,
) -> tuple[int, int]:
    """Contacts that a lift test needs.

    Two-sided z-test of two proportions (Fleiss, Levin, Paik 2003, section 4.3, unequal groups, no continuity
    correction): with r = called per held out, p = (p0 + r p1) / (1 + r), held out
    n = (z_a sqrt((1 + r) p (1 - p)) + z_b sqrt(r p0 (1 - p0) + p1 (1 - p1)))^2 / (r (p1 - p0)^2).

    Args:
        rate_without_call: subscription rate expected of the held out, in (0, 1).
        rate_with_call: subscription rate expected of the called, in (0, 1).
        holdout_share: held out as share of both groups, in (0, 1).
        power: probability of finding the difference if it is true, in (0, 1).
        significance: probability of finding one if there is none, in (0, 1).

    Returns:
        Contacts to hold out, contacts to call.

    Raises:
        HoldoutError: an argument outside its bounds, or equal rates (no sample is large enough).
    """
    for name, value in (
        ("rate without call", rate_without_call),
        ("rate with call", rate_with_call),
        ("hold-out share", holdout_share),
        ("power", power),
        ("significance", significance),
    ):
        _check_share(name, value)
    difference = rate_with_call - rate_without_call
    if difference == 0.0:
        raise HoldoutError("lift test: expected two different rates, found equal ones; no sample shows no difference.")
    ratio = (1.0 - holdout_share) / holdout_share
    pooled = (rate_without_call + ratio * rate_with_call) / (1.0 + ratio)
    z_alpha, z_beta = NormalDist().inv_cdf(1.0 - significance / 2.0), NormalDist().inv_cdf(power)
    null = z_alpha * math.sqrt((1.0 + ratio) * pooled * (1.0 - pooled))
    alternative = z_beta * math.sqrt(
        ratio * rate_without_call * (1.0 - rate_without_call) + rate_with_call * (1.0 - rate_with_call)
    )
    held_out = (null + alternative) ** 2 / (ratio * difference**2)
    return math.ceil(held_out), math.ceil(held_out * ratio)


def detectable_lift(
    n_held_out: int,
    n_called: int,
    rate_with_call: float,
    *,
    power: float = DEFAULT_POWER,
    significance: float = DEFAULT_SIGNIFICANCE,
) -> float | None:
    """Smallest rise of the subscription rate by calling that the groups can show.

    Args:
        n_held_out: size of the hold-out group.
        n_called: size of the called group.
        rate_with_call: subscription rate expected of the called, in (0, 1).
        power: see `lift_test_size`.
        significance: see `lift_test_size`.

    Returns:
        Difference of the rates, or None if the groups are too small to show even a rise from nothing.
    """
    _check_share("rate with call", rate_with_call)
    if n_held_out < 1 or n_called < 1:
        return None
    share = n_held_out / (n_held_out + n_called)

    def needed(lift: float) -> int:
        return lift_test_size(
            rate_with_call - lift, rate_with_call, holdout_share=share, power=power, significance=significance
        )[0]

    small, large = rate_with_call * 1e-6, rate_with_call * (1.0 - 1e-9)
    if needed(large) > n_held_out:
        return None
    for _ in range(60):
        middle = (small + large) / 2.0
        small, large = (small, middle) if needed(middle) <= n_held_out else (middle, large)
    return large
