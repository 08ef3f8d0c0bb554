"""Explanations in plain words.

What lives here: a phrase for each group of features and its value, and reasons ordered by weight.
What must not: numbers of an explanation's making (`core.explain`), markup.
Called by serving (API and pages) and batch scoring. Labels of columns without a phrase here come from the contract.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from bank_assets.contract import BY_SOURCE
from bank_assets.core.explain import Explanation

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


def _number(value: Any) -> str:
    return f"{float(value):,.0f}"


def _campaign(value: Any) -> str:
    return (
        "First contact of this campaign" if float(value) <= 1 else f"Contact number {_number(value)} of this campaign"
    )


def _pdays(value: Any) -> str:
    return "Never contacted in an earlier campaign" if float(value) < 0 else f"Last contacted {_number(value)} days ago"


def _previous(value: Any) -> str:
    count = int(float(value))
    return (
        "No contact before this campaign" if count <= 0 else f"{count} contact{'s' * (count != 1)} before this campaign"
    )


def _chosen(phrases: Mapping[str, str], other: str) -> Callable[[Any], str]:
    return lambda value: phrases.get(str(value), other.format(value))


PHRASES: Final[Mapping[str, Callable[[Any], str]]] = {
    "age": lambda value: f"Age {_number(value)}",
    "job": _chosen({"unknown": "Job not known", "admin.": "Job: administration"}, "Job: {}"),
    "marital": _chosen({"divorced": "Divorced or widowed", "married": "Married", "single": "Single"}, "Marital: {}"),
    "education": _chosen({"unknown": "Education not known"}, "Education: {}"),
    "default": _chosen({"yes": "Has a credit in default", "no": "No credit in default"}, "Credit in default: {}"),
    "balance": lambda value: f"Yearly balance of {_number(value)} EUR",
    "housing": _chosen({"yes": "Has a housing loan", "no": "No housing loan"}, "Housing loan: {}"),
    "loan": _chosen({"yes": "Has a personal loan", "no": "No personal loan"}, "Personal loan: {}"),
    "contact": _chosen(
        {"cellular": "Contact by mobile phone", "telephone": "Contact by landline", "unknown": "Channel not known"},
        "Contact by {}",
    ),
    "campaign": _campaign,
    "pdays": _pdays,
    "previous": _previous,
    "poutcome": _chosen(
        {
            "success": "Previous campaign was a success",
            "failure": "Previous campaign was a failure",
            "other": "Previous campaign ended otherwise",
            "unknown": "No result of a previous campaign",
        },
        "Previous campaign: {}",
    ),
}
GROUP_LABELS: Final[Mapping[str, str]] = {
    "recent_subscription_rates": "How many subscribed in recent weeks",
    "call_list_of_the_day": "The kind of campaign planned for that day",
    "contact_date": "The time of the year",
}
OTHERS: Final = "others"


def label_of(group: str, values: Mapping[str, Any]) -> str:
    """What is true of a contact, in words.

    Args:
        group: name of a feature group.
        values: the contact's value of each feature; only a group that is itself a column needs its own.

    Returns:
        A phrase without full stop.
    """
    if group in GROUP_LABELS:
        return GROUP_LABELS[group]
    if group in PHRASES and group in values:
        return PHRASES[group](values[group])
    known = BY_SOURCE.get(group)
    label = known.description.rstrip(".") if known else group.replace("_", " ").capitalize()
    return f"{label}: {values[group]}" if group in values else label


def _sentence(label: str, contribution: float) -> str:
    points = abs(contribution) * 100.0
    if points < SHOWN_POINTS:
        return f"{label} leaves the probability as it is."
    return f"{label} {'raises' if contribution > 0 else 'lowers'} the probability by {points:.1f} points."


def reasons_of(explanation: Explanation, row: int, values: Mapping[str, Any], limit: int | None = None) -> list[Reason]:
    """Reasons for one contact's probability, the weightiest first.

    Args:
        explanation: result of `Explainer.explain`.
        row: which contact.
        values: its value of each feature.
        limit: at most so many reasons; the others come together as a last one, so that the sum stays exact.

    Returns:
        Reasons whose contributions add up to the probability less the base.
    """
    probability, log_odds = explanation.probability_contributions[row], explanation.log_odds_contributions[row]
    order = sorted(range(len(explanation.groups)), key=lambda group: (-abs(probability[group]), group))
    shown = order if limit is None or limit >= len(order) else order[:limit]
    reasons = []
    for group in shown:
        label = label_of(explanation.groups[group], values)
        share = float(probability[group])
        reasons.append(Reason(explanation.groups[group], label, share, float(log_odds[group]), _sentence(label, share)))
    rest = order[len(shown) :]
    if rest:
        share, odds = float(probability[rest].sum()), float(log_odds[rest].sum())
        label = f"Everything else ({len(rest)} reasons)"
        reasons.append(Reason(OTHERS, label, share, odds, _sentence(label, share)))
    return reasons
