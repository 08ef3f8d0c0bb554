"""What other policies would have earned on the rows of a list: other thresholds, and the champion before.

They have neither limits nor a hold-out group, and call nobody whom a rule excludes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from bank_assets.core.arrays import FloatArray
from bank_assets.core.economics.economics import COST_COLUMN, VALUE_COLUMN, Economics
from bank_assets.core.quality.off_policy import PolicyValue, policy_value
from bank_assets.core.quality.read_out import ListResults

THRESHOLDS: Final[Mapping[str, tuple[float, str]]] = {
    "half_threshold": (0.5, "Calling from half the threshold"),
    "threshold": (1.0, "Calling all who are worth a call"),
    "twice_threshold": (2.0, "Calling from twice the threshold"),
}
"""Name -> how many times the threshold of each row, and the policy in words."""
FORMER: Final = "previous_champion"


@dataclass(frozen=True, slots=True)
class OtherPolicy:
    """A policy and what it would have earned; without a `value`, `reason` says why it cannot decide the rows."""

    name: str
    text: str
    value: PolicyValue | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class OtherModel:
    """Another model's probability for each row, (n,), and the economics that it calls by."""

    version: str
    probability: FloatArray
    economics: Economics


def other_policies(
    rows: ListResults, days: int, economics: Economics, former: OtherModel | str
) -> tuple[OtherPolicy, ...]:
    """Estimate each policy's profit from the calls of a list whose attribution window of `days` is over.

    `economics` decided the list; amounts are those of the rows. `former` is the champion before, or why it cannot
    decide these rows.
    """
    logged, eligible = rows.logged(days), rows.is_eligible

    def value(model: Economics, probability: FloatArray, times: float = 1.0) -> PolicyValue:
        amounts = {COST_COLUMN: rows.cost_eur * times, VALUE_COLUMN: rows.value_eur}
        calls_from = None if model.calls_from is None else model.calls_from * times
        decides = replace(model, calls_from=calls_from).on_record(amounts)
        return policy_value(logged, decides.decide(probability, amounts)[eligible])

    found = [
        OtherPolicy(name, text, value(economics, rows.probability, times)) for name, (times, text) in THRESHOLDS.items()
    ]
    if isinstance(former, str):
        return (*found, OtherPolicy(FORMER, "The champion before", None, former))
    text = f"The champion before, version {former.version}"
    return (*found, OtherPolicy(FORMER, text, value(former.economics, former.probability)))
