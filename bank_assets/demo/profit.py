"""What the decisions of the demo were worth, beside the same contacts decided by a model that was never retrained.

What lives here: profit of played days by policy, from the tables of the home. What must not: Dagster, printing.
Called by `bank_assets.commands.demo`.

* `profit_eur`: the loop. The decisions in `contact_scores`: each contact as of its own day by the champion then in
  force, with that day's recalibration, before its outcome is read.
* `profit_never_retrained_eur`: the first champion kept for ever. Its features are still those of each day (trailing
  rates, the day's list), which it would get from the as-of state anyway; nothing else adapts.
* `profit_recalibrated_only_eur`: the first champion with the daily recalibration; what is left to the loop's fits.
* `profit_contact_everyone_eur`: no model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bank_assets.contract.contract import Contract
from bank_assets.core.arrays import DayArray
from bank_assets.core.economics.economics import Economics
from bank_assets.core.features.contacts import Contacts
from bank_assets.core.model.calibration import recalibrated_day_by_day
from bank_assets.core.model.scorer import Scorer, apply_calibrator
from bank_assets.store.contact_store import ContactStore
from bank_assets.store.lineage import SCORES, passed_months
from bank_assets.store.warehouse import Warehouse


@dataclass(frozen=True, slots=True)
class PlayedProfit:
    """Profit of the days played so far, EUR.

    Attributes:
        contacts: contacts with a known outcome that were decided.
        profit_eur: by the loop.
        profit_never_retrained_eur: by the first champion, kept.
        profit_recalibrated_only_eur: by the first champion, recalibrated each day.
        profit_contact_everyone_eur: without a model.
        by_month: profit of the loop, of the kept champion and of calling everyone, outcomes, rates and mean
            probability by month.
    """

    contacts: int = 0
    profit_eur: float = 0.0
    profit_never_retrained_eur: float = 0.0
    profit_recalibrated_only_eur: float = 0.0
    profit_contact_everyone_eur: float = 0.0
    by_month: tuple[dict[str, Any], ...] = ()


def played_profit(
    store: Warehouse, first: Scorer, start: np.datetime64, economics: Economics, contract: Contract
) -> PlayedProfit:
    """Judge the days from `start` on.

    Args:
        store: the home's tables.
        first: the first champion's bundle.
        start: first day played.
        economics: cost and value.
        contract: of the contacts.

    Returns:
        Profits on the same contacts: those of played days with a score and a known outcome.
    """
    contacts = ContactStore(store, contract).read(passed_months(store))
    scored = [month for month, entry in store.manifest(SCORES.name).items() if entry.rows]
    if not scored or len(contacts) == 0:
        return PlayedProfit()
    table = store.read(SCORES.name, scored, ["contact_id", "proba"])
    proba_of = dict(zip(table.column("contact_id").to_pylist(), table.column("proba").to_pylist(), strict=True))
    proba = np.asarray([proba_of.get(contact, np.nan) for contact in contacts.contact_ids], dtype=np.float64)
    kept = apply_calibrator(first.raw_probability(contacts.features()), first.decision["calibrator"])
    days: DayArray = np.unique(contacts.contact_dates[contacts.contact_dates >= start])
    shifted = recalibrated_day_by_day(kept, contacts.is_subscribed, contacts.known_on, contacts.contact_dates, days)
    judged = (contacts.contact_dates >= start) & contacts.has_outcome & ~np.isnan(proba)
    called = {
        "platform": economics.decide(proba, contacts.frame),
        "never": economics.decide(kept, contacts.frame),
        "recalibrated": economics.decide(shifted, contacts.frame),
        "contact_all": np.ones(len(contacts), bool),
    }
    earned = {
        name: economics.profit(calls, contacts.is_subscribed, contacts.frame)[judged] for name, calls in called.items()
    }
    return PlayedProfit(
        int(judged.sum()),
        float(earned["platform"].sum()),
        float(earned["never"].sum()),
        float(earned["recalibrated"].sum()),
        float(earned["contact_all"].sum()),
        _months(contacts, proba, judged, earned),
    )


def _months(
    contacts: Contacts, proba: NDArray[np.float64], judged: NDArray[np.bool_], earned: dict[str, NDArray[np.float64]]
) -> tuple[dict[str, Any], ...]:
    months = contacts.contact_dates[judged].astype("datetime64[M]").astype(str)
    rows = []
    for month in dict.fromkeys(months.tolist()):
        mine = months == month
        rows.append(
            {
                "month": month,
                "profit_eur": float(earned["platform"][mine].sum()),
                "profit_never_retrained_eur": float(earned["never"][mine].sum()),
                "profit_contact_everyone_eur": float(earned["contact_all"][mine].sum()),
                "outcomes": int(mine.sum()),
                "subscription_rate": float(contacts.is_subscribed[judged][mine].mean()),
                "mean_probability": float(proba[judged][mine].mean()),
            }
        )
    return tuple(rows)
