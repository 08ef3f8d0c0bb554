"""Explanations in plain words.

What lives here: a phrase for each group of features and its value, and reasons ordered by weight.
What must not: numbers of an explanation's making (`core.model.explanations`), markup.
Called by serving (API and pages) and batch scoring. Labels of columns without a phrase here come from the contract.
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
class Reason:
    """One reason for a probability.

    Attributes:
        group: name of the feature group; "others" for the rest of a shortened list.
        label: what is true of the contact, in words.
        probability_contribution: signed, as share of 1; 0.123 is 12.3 percentage points.
        log_odds_contribution: signed, in log-odds.
        sentence: label and effect as one sentence.
    """

    group: str
    label: str
    probability_contribution: float
    log_odds_contribution: float
    sentence: str

    def to_dict(self) -> dict[str, str | float]:
        """JSON form."""
        return {
            "group": self.group,
            "label": self.label,
            "probability_contribution": self.probability_contribution,
            "log_odds_contribution": self.log_odds_contribution,
            "sentence": self.sentence,
        }


GROUP_LABELS: Final[Mapping[str, str]] = {
    RATES_GROUP: "How many subscribed in recent weeks",
    PLAN_GROUP: "The kind of campaign planned for that day",
    "contact_date": "The time of the year",
}
OTHERS: Final = "others"


def label_of(group: str, values: Mapping[str, Any], contract: Contract) -> str:
    """What is true of a contact, in words.

    Args:
        group: name of a feature group.
        values: the contact's value of each feature; only a group that is itself a column needs its own.
        contract: the words of its columns.

    Returns:
        A phrase without full stop.
    """
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
) -> list[Reason]:
    """Reasons for one contact's probability, the weightiest first.

    Args:
        explanation: result of `Explainer.explain`.
        row: which contact.
        values: its value of each feature.
        contract: the words of its columns.
        limit: at most so many reasons; the others come together as a last one, so that the sum stays exact.

    Returns:
        Reasons whose contributions add up to the probability less the base.
    """
    probability, log_odds = explanation.probability_contributions[row], explanation.log_odds_contributions[row]
    order = sorted(range(len(explanation.groups)), key=lambda group: (-abs(probability[group]), group))
    shown = order if limit is None or limit >= len(order) else order[:limit]
    reasons = []
    for group in shown:
        label = label_of(explanation.groups[group], values, contract)
        share = float(probability[group])
        reasons.append(Reason(explanation.groups[group], label, share, float(log_odds[group]), _sentence(label, share)))
    rest = order[len(shown) :]
    if rest:
        share, odds = float(probability[rest].sum()), float(log_odds[rest].sum())
        label = f"Everything else ({len(rest)} reasons)"
        reasons.append(Reason(OTHERS, label, share, odds, _sentence(label, share)))
    return reasons
