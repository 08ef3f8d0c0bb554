"""Explanations in plain words: a phrase for each feature group and its value, ordered by weight.

Labels of columns come from the contract.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from bank_assets.contract.contract import Contract
from bank_assets.core.features.feature_set import PLAN_GROUP, RATES_GROUP
from bank_assets.core.model.explanations import Explanation

SHOWN_POINTS: Final = 0.05
"""Contributions below this many percentage points are said to leave the probability as it is."""


@dataclass(frozen=True, slots=True)
class ReasonGiven:
    """One signed reason of a probability, in plain words; all of them add up to it.

    A probability contribution of 0.123 raises the probability by 12.3 percentage points.
    """

    group: str
    label: str
    probability_contribution: float
    log_odds_contribution: float
    sentence: str

    @classmethod
    def of(cls, group: str, label: str, probability: float, log_odds: float) -> ReasonGiven:
        """A reason with its sentence."""
        return cls(group, label, probability, log_odds, _sentence(label, probability))


GROUP_LABELS: Final[Mapping[str, str]] = {
    RATES_GROUP: "How many subscribed in recent weeks",
    PLAN_GROUP: "The kind of campaign planned for that day",
    "contact_date": "The time of the year",
}
OTHERS: Final = "others"


def label_of(group: str, values: Mapping[str, Any], contract: Contract) -> str:
    """Say what is true of a contact, as a phrase without full stop; without the group's value, what the group is."""
    if group in GROUP_LABELS:
        return GROUP_LABELS[group]
    column = contract.by_source.get(group)
    if column is not None:
        return column.in_words(values[group]) if group in values else column.description.rstrip(".")
    label = group.replace("_", " ").capitalize()
    return f"{label}: {values[group]}" if group in values else label


def _sentence(label: str, contribution: float) -> str:
    points = abs(contribution) * 100.0
    if points < SHOWN_POINTS:
        return f"{label} leaves the probability as it is."
    return f"{label} {'raises' if contribution > 0 else 'lowers'} the probability by {points:.1f} points."


def reasons_of(
    explanation: Explanation, row: int, values: Mapping[str, Any], contract: Contract, limit: int | None = None
) -> list[ReasonGiven]:
    """Return reasons for one contact's probability, the weightiest first.

    `row` selects the contact in the explanation and `values` holds its features. With a `limit` the remaining groups
    come together as a last reason, so that contributions still add up to the probability minus the base.
    """
    probability, log_odds = explanation.probability_contributions[row], explanation.log_odds_contributions[row]
    order = sorted(range(len(explanation.groups)), key=lambda group: (-abs(probability[group]), group))
    shown = order[:limit]
    names = explanation.groups
    parts = [(names[group], label_of(names[group], values, contract), [group]) for group in shown]
    rest = order[len(shown) :]
    if rest:
        parts.append((OTHERS, f"Everything else ({len(rest)} reasons)", rest))
    reasons = []
    for name, label, groups in parts:
        share, moved = float(probability[groups].sum()), float(log_odds[groups].sum())
        reasons.append(ReasonGiven.of(name, label, share, moved))
    return reasons
