"""The form of the Campaign page: texts from an address, and the numbers that they stand for."""

from __future__ import annotations

from typing import Annotated, Any, Final

from litestar.di import NamedDependency
from litestar.params import QueryParameter

from bank_assets.core.economics.economics import MAXIMUM_EUR, Economics
from bank_assets.core.economics.planner import CallLimits, PlanSettings
from bank_assets.core.economics.suppression import FrequencyRules
from bank_assets.reports.formats import field_text
from serving.campaigns.view_models import PlanForm
from serving.web.problems import FieldError, PayloadError

FIELDS: Final = {
    "cost_eur": ("Cost of a call", 0.01, MAXIMUM_EUR),
    "value_eur": ("Value of a subscription", 0.01, MAXIMUM_EUR),
    "budget_eur": ("Budget", 0, MAXIMUM_EUR * 1_000),
    "capacity": ("Capacity", 0, 1e9),
    "holdout_pct": ("Hold-out", 0, 50),
    "rate_without_pct": ("Rate without a call", 0.01, 99.99),
    "max_contacts": ("Most contacts in a campaign", 1, 1_000),
    "min_days": ("Fewest days since the last", 0, 10_000),
}
"""Label and bounds of each number."""
WHOLE: Final = ("capacity", "max_contacts", "min_days")
Text = Annotated[str | None, QueryParameter(max_length=120)]


def plan_form(
    economics: NamedDependency[Economics],
    list_key: Annotated[str | None, QueryParameter(name="list", max_length=120)] = None,
    cost_eur: Text = None,
    value_eur: Text = None,
    budget_eur: Text = None,
    capacity: Text = None,
    holdout_pct: Text = None,
    rate_without_pct: Text = None,
    max_contacts: Text = None,
    min_days: Text = None,
) -> PlanForm:
    """The form of an address; what is left out is the platform's own."""
    return PlanForm(
        list_key or "",
        field_text(economics.cost_amount) if cost_eur is None else cost_eur.strip(),
        field_text(economics.value_amount) if value_eur is None else value_eur.strip(),
        (budget_eur or "").strip(),
        (capacity or "").strip(),
        (holdout_pct or "0").strip(),
        (rate_without_pct or "").strip(),
        (max_contacts or "").strip(),
        (min_days or "").strip(),
    )


def settings_of(form: PlanForm, default: Economics) -> tuple[PlanSettings, float | None]:
    """What is set, as numbers, with the platform's threshold of a call; and the assumed rate without a call."""
    needed = {"cost_eur": default.cost_amount.eur is not None, "value_eur": default.value_amount.eur is not None}
    faults: list[FieldError] = []

    def read(name: str) -> float | None:
        text, (label, low, high) = getattr(form, name), FIELDS[name]
        if not text and not needed.get(name):
            return None
        try:
            value = float(text.replace(" ", ""))
        except ValueError:
            value = float("nan")
        if not low <= value <= high or (name in WHOLE and value != value // 1):
            kind = "a whole number" if name in WHOLE else "a number"
            faults.append(FieldError(label, f"{kind} from {low:,.15g} to {high:,.15g}", repr(text[:40])))
        return value

    def whole(name: str) -> int | None:
        return None if numbers[name] is None else int(numbers[name])

    numbers: dict[str, Any] = {name: read(name) for name in FIELDS}
    if faults:
        raise PayloadError(*faults)
    settings = PlanSettings(
        default.stating(numbers["cost_eur"], numbers["value_eur"]),
        CallLimits(numbers["budget_eur"], whole("capacity")),
        FrequencyRules(whole("max_contacts"), whole("min_days")),
        (numbers["holdout_pct"] or 0.0) / 100,
    )
    rate_without = numbers["rate_without_pct"]
    return settings, None if rate_without is None else rate_without / 100
