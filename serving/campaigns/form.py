"""The form of the Campaign page: its texts from an address, and the numbers they stand for.

What lives here: fields, defaults, bounds, words of faults. What must not: HTTP answers, planning.
Called by `campaigns.page`.
"""

from __future__ import annotations

from typing import Annotated, Final

from litestar.di import NamedDependency
from litestar.params import QueryParameter

from bank_assets.core.economics.economics import MAXIMUM_EUR, Economics
from bank_assets.core.economics.planner import CallLimits
from bank_assets.core.economics.suppression import FrequencyRules
from bank_assets.reports.formats import field_text
from serving.campaigns.call_lists import ListSettings
from serving.campaigns.view_models import PlanForm
from serving.web.problems import FieldError, PayloadError

LABELS: Final = {
    "cost_eur": "Cost of a call",
    "value_eur": "Value of a subscription",
    "budget_eur": "Budget",
    "capacity": "Capacity",
    "holdout_pct": "Hold-out",
    "rate_without_pct": "Rate without a call",
    "max_contacts": "Most contacts in a campaign",
    "min_days": "Fewest days since the last",
}
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


def settings_of(form: PlanForm, default: Economics) -> tuple[ListSettings, float | None]:
    """What is set, as numbers, with the platform's threshold of a call; and the assumed rate without a call.

    Raises:
        PayloadError: texts that are no numbers in their bounds, all of them named.
    """
    faults: list[FieldError] = []

    def read(
        name: str, text: str, low: float, high: float, *, is_whole: bool = False, is_needed: bool = False
    ) -> float | None:
        if not text and not is_needed:
            return None
        kind = "a whole number" if is_whole else "a number"
        try:
            value = float(text.replace(" ", ""))
        except ValueError:
            value = float("nan")
        if not low <= value <= high or (is_whole and value != value // 1):
            faults.append(FieldError(LABELS[name], f"{kind} from {low:,.15g} to {high:,.15g}", repr(text[:40])))
            return None
        return value

    cost = read("cost_eur", form.cost_eur, 0.01, MAXIMUM_EUR, is_needed=default.cost_amount.eur is not None)
    value = read("value_eur", form.value_eur, 0.01, MAXIMUM_EUR, is_needed=default.value_amount.eur is not None)
    budget = read("budget_eur", form.budget_eur, 0, MAXIMUM_EUR * 1_000)
    capacity = read("capacity", form.capacity, 0, 1e9, is_whole=True)
    holdout = read("holdout_pct", form.holdout_pct, 0, 50)
    without = read("rate_without_pct", form.rate_without_pct, 0.01, 99.99)
    most = read("max_contacts", form.max_contacts, 1, 1_000, is_whole=True)
    fewest = read("min_days", form.min_days, 0, 10_000, is_whole=True)
    if faults:
        raise PayloadError(tuple(faults))
    settings = ListSettings(
        default.stating(cost, value),
        CallLimits(budget, None if capacity is None else int(capacity)),
        FrequencyRules(None if most is None else int(most), None if fewest is None else int(fewest)),
        (holdout or 0.0) / 100,
    )
    return settings, None if without is None else without / 100
