"""Random hold-out groups, and how large one must be to show what the calls bring.

A held-out contact is not called although the list chose it. The difference in subscriptions between the called and the
held out of a list is what calling causes. Membership is a hash of list and person: the same on any machine and for each
contact of a person, and drawn anew for each list, so nobody is left out for ever.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from statistics import NormalDist
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

SIGNIFICANCE: Final = 0.05
"""Probability of finding a difference if there is none."""
POWER: Final = 0.8
"""Probability of finding the difference if there is one."""
MAXIMUM_SHARE: Final = 0.5


class HoldoutError(ValueError):
    """A share or rate is unusable."""


def holdout_mask(customer_ids: Sequence[str] | NDArray[Any], list_id: str, share: float) -> NDArray[np.bool_]:
    """The hold-out group of a list as a mask, (n_contacts,), from the person behind each contact.

    A person's draw depends on nobody else, and a larger share, in [0, 0.5], adds people to the same ones.
    """
    if not 0.0 <= share <= MAXIMUM_SHARE:
        raise HoldoutError(f"hold-out share: expected 0 to {MAXIMUM_SHARE}, found {share!r}; 10 % is written 0.1.")
    if not share:
        return np.zeros(len(customer_ids), dtype=bool)
    return hash_draws(customer_ids, list_id) < np.uint64(share * 2**64)


def hash_draws(keys: Iterable[Any], list_id: str, purpose: bytes = b"") -> NDArray[np.uint64]:
    """A random whole number below 2**64 for each key, (n,): a hash of list and key, independent for each purpose."""
    prefix = hashlib.blake2b(str(list_id).encode(), digest_size=16).digest()
    hashes = (hashlib.blake2b(prefix + str(key).strip().encode(), digest_size=8, person=purpose) for key in keys)
    return np.fromiter((int.from_bytes(one.digest(), "big") for one in hashes), dtype=np.uint64)


def _check_share(name: str, value: float) -> None:
    if not 0.0 < value < 1.0:
        raise HoldoutError(f"{name}: expected a number between 0 and 1, found {value!r}.")


def lift_test_size(rate_without_call: float, rate_with_call: float, *, holdout_share: float = 0.5) -> tuple[int, int]:
    """Contacts that a lift test must hold out, and contacts that it must call.

    Two-sided z-test of two proportions at the module's power and significance (Fleiss, Levin, Paik 2003, section 4.3,
    unequal groups, no continuity correction): with r = called per held out, p = (p0 + r p1) / (1 + r), held out
    n = (z_a sqrt((1 + r) p (1 - p)) + z_b sqrt(r p0 (1 - p0) + p1 (1 - p1)))^2 / (r (p1 - p0)^2).
    Rates and the share of held-out contacts are in (0, 1).

    Raises:
        HoldoutError: an argument is out of bounds, or the rates are equal (no sample is large enough).
    """
    _check_share("rate without call", rate_without_call)
    _check_share("rate with call", rate_with_call)
    _check_share("hold-out share", holdout_share)
    difference = rate_with_call - rate_without_call
    if difference == 0.0:
        raise HoldoutError("lift test: expected two different rates, found equal ones; no sample shows no difference.")
    ratio = (1.0 - holdout_share) / holdout_share
    pooled = (rate_without_call + ratio * rate_with_call) / (1.0 + ratio)
    z_alpha, z_beta = NormalDist().inv_cdf(1.0 - SIGNIFICANCE / 2.0), NormalDist().inv_cdf(POWER)
    null = z_alpha * math.sqrt((1.0 + ratio) * pooled * (1.0 - pooled))
    alternative = z_beta * math.sqrt(
        ratio * rate_without_call * (1.0 - rate_without_call) + rate_with_call * (1.0 - rate_with_call)
    )
    held_out = (null + alternative) ** 2 / (ratio * difference**2)
    return math.ceil(held_out), math.ceil(held_out * ratio)


def detectable_lift(n_held_out: int, n_called: int, rate_with_call: float) -> float | None:
    """Smallest rise of the subscription rate that groups of these sizes can show; None if they are too small."""
    _check_share("rate with call", rate_with_call)
    if n_held_out < 1 or n_called < 1:
        return None
    share = n_held_out / (n_held_out + n_called)

    def needed(lift: float) -> int:
        return lift_test_size(rate_with_call - lift, rate_with_call, holdout_share=share)[0]

    small, large = rate_with_call * 1e-6, rate_with_call * (1.0 - 1e-9)
    if needed(large) > n_held_out:
        return None
    for _ in range(60):
        middle = (small + large) / 2.0
        small, large = (small, middle) if needed(middle) <= n_held_out else (middle, large)
    return large
