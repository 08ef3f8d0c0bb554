"""What simulated customers do, called or not: dispositions of calls, and the bank's own books (docs/adr/0043).

A simulated contact says what a call would lead to. A declared share of those whom a call wins subscribes without it,
too. Their draws are hashes of seed and contact: they change no contact and no outcome, and depend on no other contact.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bank_assets.contract.feeds import NOT_REACHED, OBJECTION, REFUSED, SUBSCRIBED
from bank_assets.core.arrays import BoolArray, DayArray, FloatArray
from bank_assets.core.economics.holdout import hash_draws

DELAY_DAYS: Final = 14
"""The books show a subscription on the planned day of the call or on one of the days after it, all equally likely."""
NOT_REACHED_SHARE: Final = 0.05
OBJECTION_SHARE: Final = 0.02
"""Share of those who decline and object to any further call."""


def dispositions_of(contact_ids: NDArray[Any], won: BoolArray, seed: int) -> NDArray[np.str_]:
    """What a call of each contact comes to, (n,); `won` says whether it leads to a subscription if it is answered."""
    is_missed = _uniform(contact_ids, seed, b"missed") < NOT_REACHED_SHARE
    is_objecting = _uniform(contact_ids, seed, b"objecting") < OBJECTION_SHARE
    return np.select([is_missed, won, is_objecting], [NOT_REACHED, SUBSCRIBED, OBJECTION], REFUSED)


def subscription_days(
    contact_ids: NDArray[Any], contact_dates: DayArray, won: BoolArray, reached: BoolArray, share: float, seed: int
) -> DayArray:
    """Day of each contact's subscription, (n,), NaT without one.

    `won` says whether a call leads to a subscription, `reached` whether one was answered; `share`, from 0 to 1, of the
    won subscribe without a call.
    """
    is_spontaneous = _uniform(contact_ids, seed, b"spontaneous") < share
    delay = np.floor(_uniform(contact_ids, seed, b"delay") * DELAY_DAYS).astype("timedelta64[D]")
    days: DayArray = np.where(won & (reached | is_spontaneous), contact_dates + delay, np.datetime64("NaT"))
    return days


def _uniform(contact_ids: NDArray[Any], seed: int, purpose: bytes) -> FloatArray:
    """A random number in [0, 1) for each contact and purpose."""
    return hash_draws(contact_ids, f"simulated-{seed}", purpose) / 2.0**64
