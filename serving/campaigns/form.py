"""The form of the Campaign page: texts from an address, and the numbers that they stand for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from bank_assets.contract.columns import NumberSigns
from bank_assets.contract.values import SPACE, NumberError, number_text, number_within
from bank_assets.core.economics.economics import MAXIMUM_EUR
from bank_assets.core.economics.exploration import LearningBudget
from bank_assets.core.economics.planner import CallLimits, PlanSettings
from bank_assets.core.economics.suppression import FrequencyRules
from bank_assets.reports.formats import field_text
from serving.campaigns.view_models import PlanForm
from serving.web.problems import FieldError, PayloadError

# Label and bounds of each number.
FIELDS: Final = {
    "cost_eur": ("Cost of a call", 0.01, MAXIMUM_EUR),
    "value_eur": ("Value of a subscription", 0.01, MAXIMUM_EUR),
    "budget_eur": ("Budget", 0, MAXIMUM_EUR * 1_000),
    "capacity": ("Capacity", 0, 1e9),
    "holdout_pct": ("Hold-out", 0, 50),
    "learning_pct": ("Share to explore", 0, 100),
    "learning_calls": ("Fewest explored calls", 0, 1e6),
    "learning_eur": ("Learning budget", 0, MAXIMUM_EUR * 1_000),
    "rate_without_pct": ("Rate without a call", 0.01, 99.99),
    "max_contacts": ("Most contacts in a campaign", 1, 1_000),
    "min_days": ("Fewest days since the last", 0, 10_000),
}
WHOLE: Final = ("capacity", "learning_calls", "max_contacts", "min_days")


def plan_form(sent: Mapping[str, Any], default: PlanSettings, signs: NumberSigns) -> PlanForm:
    """The form that an address or a body sends; what is left out is the platform's own.

    The fewest explored calls stay empty for the platform's own, which depends on the days and limits of a list.
    """
    economics, learning = default.economics, default.learning
    own = {
        "cost_eur": field_text(economics.cost_amount, signs),
        "value_eur": field_text(economics.value_amount, signs),
        "holdout_pct": "0",
        "learning_pct": number_text(round(learning.share * 100, 9), signs),
        "learning_calls": "" if learning.minimum else "0",
        "learning_eur": "" if learning.maximum_eur is None else number_text(learning.maximum_eur, signs),
    }
    texts = {name: str(sent.get(name, own.get(name, ""))).strip(SPACE) for name in FIELDS}
    return PlanForm(str(sent.get("list", "")).strip(), **texts, revises=str(sent.get("revises", "")).strip())


def settings_of(form: PlanForm, default: PlanSettings, signs: NumberSigns) -> PlanSettings:
    """What is set, as numbers written by the contract's signs, with the platform's threshold of a call."""
    economics = default.economics
    needed = {"cost_eur": economics.cost_amount.eur is not None, "value_eur": economics.value_amount.eur is not None}
    faults: list[FieldError] = []

    def read(name: str) -> float | None:
        text, (label, low, high) = getattr(form, name), FIELDS[name]
        if not text and not needed.get(name):
            return None
        try:
            return number_within(text, low, high, is_whole=name in WHOLE, is_money=name.endswith("_eur"), signs=signs)
        except NumberError as fault:
            faults.append(FieldError(label, fault.expected, fault.found))
            return None

    numbers: dict[str, Any] = {name: read(name) for name in FIELDS}
    if faults:
        raise PayloadError(*faults)
    rate_without, fewest = numbers["rate_without_pct"], numbers["learning_calls"]
    return PlanSettings(
        economics.stating(numbers["cost_eur"], numbers["value_eur"]),
        CallLimits(numbers["budget_eur"], numbers["capacity"]),
        FrequencyRules(numbers["max_contacts"], numbers["min_days"]),
        (numbers["holdout_pct"] or 0.0) / 100,
        None if rate_without is None else rate_without / 100,
        learning=LearningBudget(
            (numbers["learning_pct"] or 0.0) / 100,
            default.learning.minimum if fewest is None else int(fewest),
            numbers["learning_eur"],
        ),
        policy=default.policy,
    )


def fields_of(request: Mapping[str, Any], economics: Mapping[str, Any], signs: NumberSigns) -> dict[str, str]:
    """The fields of the form that stand for a request, also one on record; what it does not state is left out."""
    learning, rules = request.get("learning"), request.get("rules") or {}
    numbers = {
        "cost_eur": economics.get("cost_eur"),
        "value_eur": economics.get("value_eur"),
        "budget_eur": request.get("budget_eur"),
        "capacity": request.get("capacity"),
        "holdout_pct": request.get("holdout_share", 0) * 100,
        "max_contacts": rules.get("max_contacts_in_campaign"),
        "min_days": rules.get("min_days_since_previous_contact"),
    }
    if learning is not None:
        numbers |= {
            "learning_pct": learning.get("share", 0) * 100,
            "learning_calls": learning.get("minimum", 0),
            "learning_eur": learning.get("maximum_eur"),
        }
    texts = {name: str(n) for name, n in numbers.items() if isinstance(n, int)}  # of any length
    return texts | {name: number_text(round(n, 9), signs) for name, n in numbers.items() if isinstance(n, float)}
