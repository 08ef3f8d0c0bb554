"""Scores the contacts of some months as of their own days; memory follows the largest month."""

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import SparkSession

from bank_assets.core.arrays import FloatArray
from bank_assets.core.features.as_of import OutcomeHistory
from bank_assets.core.features.contacts import ScoredContacts
from bank_assets.core.features.feature_set import DayTable
from bank_assets.core.features.score_bins import joined, merged
from bank_assets.core.model.calibration import INTERCEPT_DAYS, recalibrated_day_by_day
from bank_assets.spark.contact_scores import plan_sums, unshifted_of, unshifted_of_files
from bank_assets.store.champion_history import ChampionHistory
from bank_assets.store.contact_months import StoredMonth
from bank_assets.store.contact_store import ContactStore, month_scores
from bank_assets.store.lineage import CONTACTS
from bank_assets.store.registry import Registry
from bank_assets.store.warehouse import Warehouse

SCORE_SCHEMA = pa.schema(
    [
        ("contact_id", pa.string()),
        ("contact_date", pa.date32()),
        ("model_version", pa.string()),
        ("unshifted_proba", pa.float64()),
        ("proba", pa.float64()),
    ]
)


SPARK_ROWS = 1_000_000
"""Contacts of a month from which on Spark scores them; below, the start of a session takes longer."""


class MonthScoring(NamedTuple):
    """What scores a month: tables, models by day, and Spark for large months."""

    store: Warehouse
    stored: ContactStore
    champions: ChampionHistory
    registry: Registry
    session: Callable[[], SparkSession]

    def by_month(
        self, passed: Sequence[str], due: Collection[str], outdated: Collection[str] = ()
    ) -> Iterator[tuple[str, pa.Table]]:
        """Scores of those of the months due that have contacts, as `SCORE_SCHEMA`, by the champion of each day.

        Earlier months give the outcomes that each day knew, and the last of them what its recalibration rests on: their
        stored scores or, where these are `outdated`, what they will be.
        """
        stored, champions = self.stored, self.champions
        history = OutcomeHistory(*stored.plans((), np.array([], "datetime64[D]")), stored.contract)
        recent: list[ScoredContacts] = []
        for known in stored.by_month(passed):
            if known.month > max(due):
                return
            history.learn(known)
            if not champions.versions or known.contact_dates[-1] < champions.starts[0]:
                continue
            is_due = known.month in due
            unshifted = (
                self._unshifted(passed, known, history)
                if is_due or (known.month in outdated and _enters(known, due))
                else month_scores(self.store, known, "unshifted_proba")
            )
            first = known.contact_dates[0] - np.timedelta64(INTERCEPT_DAYS, "D")
            scored = stored.scored(known, unshifted)
            recent = [*(one for one in recent if one.contact_dates[-1] >= first), merged(scored)]
            if is_due:
                yield known.month, _table(known, scored, joined(recent), champions)

    def _unshifted(self, passed: Sequence[str], known: StoredMonth, history: OutcomeHistory) -> FloatArray:
        """Calibrated probabilities before the day's intercept, (n,); NaN before the first champion."""
        stored, champions, entry = self.stored, self.champions, self.store.manifest(CONTACTS)[known.month]
        if len(known) == entry.rows >= SPARK_ROWS:  # and no row of its files is left out
            files = [str(path) for path in self.store.files(CONTACTS, [known.month])]
            sums = plan_sums(self.session(), files, stored.contract)
            days = DayTable.of(history, sums.statistics(), stored.contract)
            versions = set(champions.version_on(np.unique(known.contact_dates))) - {None}
            bundles = {version: self.registry.bundle(version) for version in versions}
            scores = unshifted_of_files(self.session(), files, days, champions, bundles)
            return scores.column("unshifted").take(pc.index_in(known.ids, scores.column("contact_id"))).to_numpy()
        month = next(stored.by_month(passed, stored.payload, only=[known.month]))
        days = stored.day_table(month, history)
        parts = (month.part(rows).table for rows in month.slices())
        return np.concatenate([unshifted_of(part, days, champions, self.registry.scorer) for part in parts])


def _enters(month: StoredMonth, due: Collection[str]) -> bool:
    """Whether intercepts of a month that is due rest on contacts of a month."""
    last = np.datetime64(min(one for one in due if one > month.month), "D") - np.timedelta64(INTERCEPT_DAYS, "D")
    return bool(month.contact_dates[-1] >= last)


def _table(month: StoredMonth, scored: ScoredContacts, recent: ScoredContacts, champions: ChampionHistory) -> pa.Table:
    """The month's scored contacts; intercepts rest on `recent` ones, these among them."""
    is_scored = ~np.isnan(scored.proba)
    proba = recalibrated_day_by_day(scored, np.unique(month.contact_dates[is_scored]), recent)
    return pa.table(
        {
            "contact_id": month.table.column("contact_id").filter(pa.array(is_scored)),
            "contact_date": month.contact_dates[is_scored],
            "model_version": champions.version_on(month.contact_dates)[is_scored],
            "unshifted_proba": scored.proba[is_scored],
            "proba": proba[is_scored],
        },
        schema=SCORE_SCHEMA,
    )
