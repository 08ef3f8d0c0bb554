"""The profit of the demo's decisions, compared with a model that is never retrained on the same contacts.

* `profit_eur`: the loop. The calls of its lists or, without lists, the decisions in `contact_scores`: each
  contact as of its own day by the champion then in force, with that day's recalibration, before its outcome is read.
* `profit_never_retrained_eur`: the first champion kept for ever. Its features are still those of each day, which it
  would get from the as-of state anyway; nothing else adapts.
* `profit_recalibrated_only_eur`: the first champion with the daily recalibration; the rest is the effect of the fits.
* `profit_contact_everyone_eur`: no model.

Customers that a list held out count as called, so that all four compare the same calls; `holdout_cost_eur` is what that
overstates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from bank_assets.core.arrays import DayArray
from bank_assets.core.model.calibration import recalibrated_day_by_day
from bank_assets.core.model.scorer import apply_calibrator
from bank_assets.demo.pages import MadeList
from bank_assets.settings import Settings
from bank_assets.store.contact_store import ContactStore, stored_scores
from bank_assets.store.lineage import passed_months
from bank_assets.store.registry import Registry
from bank_assets.store.warehouse import Warehouse


@dataclass(frozen=True, slots=True)
class PlayedProfit:
    """Profit of the days played so far, EUR; `contacts` is the number of decided contacts."""

    contacts: int = 0
    profit_eur: float = 0.0
    profit_never_retrained_eur: float = 0.0
    profit_recalibrated_only_eur: float = 0.0
    profit_contact_everyone_eur: float = 0.0
    by_month: tuple[dict[Any, Any], ...] = ()
    holdout_cost_eur: float = 0.0


def played_profit(
    settings: Settings, first_version: str, first_day: date, outcomes: Mapping[str, bool], lists: Sequence[MadeList]
) -> PlayedProfit:
    """Measure the days from `first_day` on; `first_version` is the first champion, `outcomes` those of all by id."""
    first = Registry(settings.mlflow_uri, settings.mlflow_artifacts, settings.home / "models").scorer(first_version)
    economics, start = settings.economics, np.datetime64(first_day, "D")
    store = Warehouse(settings.tables, settings.warehouse)
    contacts = ContactStore(store, settings.contract, settings.feedback).read(passed_months(store))
    proba = stored_scores(store, contacts.contact_ids)
    if np.isnan(proba).all():
        return PlayedProfit()
    kept = apply_calibrator(first.raw_probability(contacts.features()), first.decision["calibrator"])
    days: DayArray = np.unique(contacts.contact_dates[contacts.contact_dates >= start])
    shifted = recalibrated_day_by_day(contacts.scored(kept), days)
    is_won = np.array([outcomes.get(contact, False) for contact in contacts.contact_ids])
    judged = (contacts.contact_dates >= start) & np.isin(contacts.contact_ids, list(outcomes)) & ~np.isnan(proba)
    called, held_out = (
        np.isin(contacts.contact_ids, [contact for one in lists for contact in getattr(one, group)])
        for group in ("called", "held_out")
    )
    calls = {
        "profit_eur": called | held_out if lists else economics.decide(proba, contacts.frame),
        "profit_never_retrained_eur": economics.decide(kept, contacts.frame),
        "profit_recalibrated_only_eur": economics.decide(shifted, contacts.frame),
        "profit_contact_everyone_eur": np.ones(len(contacts), bool),
        "holdout_cost_eur": held_out,
    }
    earned = {name: economics.profit(made, is_won, contacts.frame) for name, made in calls.items()}
    rows = pd.DataFrame(
        {
            "month": contacts.contact_dates.astype("datetime64[M]").astype(str),
            **earned,
            "outcomes": 1,
            "subscription_rate": is_won,
            "mean_probability": proba,
        }
    )[judged]
    how = dict.fromkeys((*earned, "outcomes"), "sum") | dict.fromkeys(("subscription_rate", "mean_probability"), "mean")
    months = rows.groupby("month", as_index=False).agg(how)
    total = {name: float(rows[name].sum()) for name in earned}
    return PlayedProfit(len(rows), **total, by_month=tuple(months.to_dict("records")))
