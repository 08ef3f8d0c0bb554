"""From a planned list to the Campaign page."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from bank_assets.core.economics.call_plan import (
    DECILES,
    HELD_OUT,
    OUT_OF_REACH,
    REASON_TEXTS,
    CallPlan,
    Totals,
)
from bank_assets.core.economics.exploration import CENTS
from bank_assets.core.economics.holdout import HoldoutError, detectable_lift, lift_test_size
from bank_assets.core.words import pct
from bank_assets.reports.charts import Chart, Marker, Series
from bank_assets.reports.formats import count, eur, number
from serving.campaigns.call_lists import ScoredList
from serving.campaigns.planning import PlannedCampaign
from serving.campaigns.shown import Shown, changes, shown_of
from serving.campaigns.view_models import PlanForm, PlanView
from serving.web.view_models import GOOD, PLAIN, WATCH, Notice, Table, Tile

SHOWN_CALLS: Final = 20
SHOWN_REJECTED: Final = 20
ADVISED_HOLDOUT: Final = 0.1  # share for which the page gives the test's size while no contact is held out


def plan_view(chosen: ScoredList, planned: PlannedCampaign, form: PlanForm, shown: Shown | None = None) -> PlanView:
    """Arrange a plan, beside what was `shown` earlier."""
    plan, called, now = planned.plan, planned.plan.called, shown_of(chosen, planned)
    return PlanView(
        form=form,
        chosen=chosen,
        plan=plan,
        summary=_summary(plan),
        tiles=_tiles(planned),
        notices=_notices(planned, len(chosen.read.rejected)),
        curve=_curve(planned),
        compared=_compared(called, plan.everyone),
        ranking=_ranking(plan),
        deciles=_deciles(plan),
        calls=plan.call_order[:SHOWN_CALLS].tolist(),
        protected=[
            (str(plan.contact_id[row]), REASON_TEXTS[str(plan.reason[row])], str(plan.until[row]))
            for row in np.flatnonzero(~np.isnat(plan.until))[:SHOWN_REJECTED]
        ],
        left_out={REASON_TEXTS[reason]: n for reason, n in plan.excluded.items()},
        holdout=_holdout(planned),
        learning=_learning(planned),
        rejected=[one.sentence for one in chosen.read.rejected[:SHOWN_REJECTED]],
        shown=msgspec.json.encode(now).decode(),
        changed=changes(now if shown is None else shown, now),
    )


def _summary(plan: CallPlan) -> str:
    called = plan.called
    if not plan.everyone.n_calls:
        return "Nobody may be called: an objection or a rule excludes every contact"
    if not called.n_calls and HELD_OUT in plan.excluded:
        return "Everybody who is worth a call is held out, so nobody is called"
    if not called.n_calls and plan.binding:
        return f"The {' and the '.join(plan.binding)} allows no call; {count(plan.n_kept_off)} customers are worth one"
    if not called.n_calls:
        return "Nobody is worth a call under these settings"
    return f"Call {count(called.n_calls)} customers, expect {eur(called.expected_profit_eur)} profit"


def _tiles(planned: PlannedCampaign) -> list[Tile]:
    plan, forecast = planned.plan, planned.forecast
    called, profit, subscriptions = plan.called, forecast.profit_eur, forecast.subscriptions
    level = f"{pct(profit.level, 0)} interval"
    cut = float(plan.probability[plan.is_called].min()) if called.n_calls else None
    break_even = planned.settings.economics.single_break_even
    return [
        Tile("Calls", count(called.n_calls), f"cost {eur(called.cost_eur)}"),
        Tile(
            "Expected profit",
            eur(profit.expected),
            f"{eur(profit.low)} to {eur(profit.high)}, {level}",
            GOOD if profit.low > 0 else PLAIN,
        ),
        Tile(
            "Expected subscriptions",
            number(subscriptions.expected, 1),
            f"{count(subscriptions.low)} to {count(subscriptions.high)}, {level}",
        ),
        Tile("Cut-off", pct(cut), f"lowest probability called; break-even {pct(break_even)}"),
    ]


def _notices(planned: PlannedCampaign, n_rejected: int) -> list[Notice]:
    plan, scored = planned.plan, planned.scored
    found = []
    if plan.binding:
        limits = " and the ".join(plan.binding)
        text = f"{count(plan.n_kept_off)} more customers are worth a call; the {limits} keeps them off."
        found.append(Notice(PLAIN, f"The {limits} binds", text))
    if not plan.is_exact:
        text = f"A better list could earn at most {eur(plan.optimality_gap_eur)} more."
        found.append(Notice(PLAIN, "Not proven to be the best list", text))
    if scored.n_stale:
        text = f"They are planned more than 30 days past {scored.published.as_of}, the last day the model knows."
        found.append(Notice(WATCH, f"{count(scored.n_stale)} contacts with stale features", text))
    if n_rejected:
        text = "They are named below and not planned; the others are."
        found.append(Notice(WATCH, f"{count(n_rejected)} rows do not fit", text))
    return found


def _curve(planned: PlannedCampaign) -> Chart:
    curve, plan = planned.plan.curve, planned.plan
    profit = curve["expected_profit_eur"].tolist()
    return Chart(
        name="profit-curve",
        title="Expected profit by number of calls, the most profitable first",
        x_label="calls",
        y_label="expected profit, EUR",
        x=curve["n_calls"].tolist(),
        series=[Series("Expected profit", [round(value, 2) for value in profit])],
        y_format="eur",
        x_format="count",
        markers=[Marker(plan.called.n_calls, f"this plan: {count(plan.called.n_calls)} calls")],
    )


def _compared(called: Totals, everyone: Totals) -> Table:
    figures: list[tuple[str, Callable[[float | None], str], str]] = [
        ("Calls", count, "n_calls"),
        ("Cost", eur, "cost_eur"),
        ("Subscriptions", partial(number, digits=1), "expected_subscriptions"),
        ("Conversion rate", pct, "conversion_rate"),
        ("Cost per subscription", eur, "cost_per_subscription_eur"),
        ("Profit", eur, "expected_profit_eur"),
    ]
    rows = [[name, write(getattr(called, key)), write(getattr(everyone, key))] for name, write, key in figures]
    return Table(["Expected", "This plan", "Everyone"], rows)


def _ranking(plan: CallPlan) -> Table:
    rows = []
    for one in plan.ranking_worth:
        best, at_random = one["best_first_eur"], one["random_order_eur"]
        rows.append([count(one["n_calls"]), eur(best), eur(at_random), eur(best - at_random, signed=True)])
    return Table(["Calls", "Best first", "At random", "Worth"], rows)


def _learning(planned: PlannedCampaign) -> list[str]:
    plan, budget = planned.plan, planned.settings.learning
    explored, n_out_of_reach = plan.explored, plan.excluded.get(OUT_OF_REACH, 0)
    if not budget.is_on:
        return ["Nobody is called to learn from. Contacts that the plan leaves out stay unknown."]
    sentences = [
        f"{count(explored.n_calls)} calls are drawn at random from the other contacts, to learn from, for "
        f"{eur(explored.cost_eur)}; {count(plan.reserve.calls)} calls and {eur(plan.reserve.cents / CENTS)} were "
        "reserved for that.",
        f"The list is expected to earn {eur(plan.learning_loss_eur)} less than without them.",
    ]
    if plan.everyone.n_calls < budget.minimum:
        sentences.append(
            f"The budget asks for {count(budget.minimum)} explored calls, and only {count(plan.everyone.n_calls)} "
            "contacts may be called: whoever is not worth a call is explored as far as the limits allow."
        )
    if plan.binding and 0 < explored.n_calls == plan.called.n_calls:
        sentences.append(
            f"The {' and the '.join(plan.binding)} allows no others, so every call of this list is drawn at random; "
            "ask for fewer explored calls if that is not meant."
        )
    if n_out_of_reach:
        sentences.append(
            f"{count(n_out_of_reach)} contacts are out of reach of the budget: nothing is learned about such contacts."
        )
    return sentences


def _deciles(plan: CallPlan) -> list[tuple[float, ...]]:
    def totals(weights: NDArray[Any] | None = None) -> list[float]:
        return np.bincount(plan.decile, weights, minlength=DECILES + 1)[1:].tolist()

    figures = totals(), totals(plan.is_called), totals(plan.probability), totals(plan.expected_profit_eur)
    return list(zip(range(1, DECILES + 1), *figures, strict=True))


def _holdout(planned: PlannedCampaign) -> list[str]:
    plan, settings = planned.plan, planned.settings
    rate = plan.called.conversion_rate
    if rate is None:
        return ["Without calls there is no effect to measure."]
    share = settings.holdout_share
    n_held = int(np.sum(plan.reason == HELD_OUT))
    sentences = []
    if n_held:
        sentences.append(
            f"{count(n_held)} of the contacts that the plan chose are kept back at random: the group to compare with."
        )
        lift = detectable_lift(n_held, plan.called.n_calls, rate)
        sentences.append(
            f"These groups can show a rise of the subscription rate by {lift * 100:.1f} percentage points or more."
            if lift is not None
            else "These groups are too small to show even a rise from nothing."
        )
    else:
        sentences.append("Nobody is kept back, so what calling causes cannot be measured on this list.")
    assumed = rate / 2 if settings.rate_without is None else settings.rate_without
    try:
        held, calls = lift_test_size(assumed, rate, holdout_share=share or ADVISED_HOLDOUT)
    except HoldoutError as error:
        return [*sentences, str(error)]
    sentences.append(
        f"To show a rise from {pct(assumed)} without a call to {pct(rate)} with one, {count(held)} held out and "
        f"{count(calls)} called are needed ({pct(share or ADVISED_HOLDOUT, 0)} hold-out, 80 % power, 5 % significance)."
    )
    return sentences
