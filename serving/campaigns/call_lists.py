"""Call lists from the campaign page: score a list once, plan it as often as a field changes, keep what was made.

What lives here: the memory of scored lists, plan with forecast and hold-out test, keeping a list.
What must not: HTTP, SQL, the optimisation (`core.economics.planner`). Called by the campaign page, in a thread.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import threading
from collections import OrderedDict
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Engine

from bank_assets.core.economics.call_plan import CallPlan
from bank_assets.core.economics.economics import Economics
from bank_assets.core.economics.planner import CallLimits
from bank_assets.core.economics.suppression import FrequencyRules, SuppressionList
from bank_assets.core.model.forecast import ListForecast
from bank_assets.ledger import campaigns
from bank_assets.ledger.campaigns import CampaignList
from bank_assets.ledger.decisions import new_id
from bank_assets.store.call_lists import CALLS, HOLDOUT, CallListFiles, ListScores, csv_of
from bank_assets.store.campaign_files import CampaignFile, CampaignFiles
from serving.campaigns.campaign_files import read_contacts
from serving.campaigns.planning import ScoredCampaign, plan_contacts, score_contacts
from serving.champion.champion import Champion, PublishedState
from serving.customers.suppressions import Suppressions
from serving.decisions.batches import BatchError
from serving.decisions.payloads import Payloads
from serving.web.problems import NotFoundError

REMEMBERED: Final = 4
"""Scored lists kept in memory; 100,000 contacts take some 60 MB."""


@dataclass(frozen=True, slots=True)
class ListSettings:
    """What an analyst sets.

    Attributes:
        economics: cost and value.
        limits: budget and capacity.
        rules: contact frequency.
        holdout_share: share kept back at random, [0, 0.5].
    """

    economics: Economics
    limits: CallLimits
    rules: FrequencyRules
    holdout_share: float


@dataclass(frozen=True, slots=True)
class ScoredList(ScoredCampaign):
    """A campaign file scored as the plan of its days.

    Attributes:
        file: where it comes from.
        digest: sha256 of the file.
        rejected: rows of the file that do not fit.
    """

    file: CampaignFile
    digest: str
    rejected: list[BatchError]

    @property
    def seed(self) -> str:
        """Names the list in the draw of its hold-out group: the same file, the same group."""
        return f"{self.file.name}-{self.digest[:16]}"


@dataclass(frozen=True, slots=True)
class PlannedList:
    """A plan with its forecast.

    Attributes:
        scored: the list.
        settings: what was set.
        plan: whom to call.
        forecast: profit and subscriptions of the calls, with intervals.
        suppressed_digest: which suppression list was applied.
    """

    scored: ScoredList
    settings: ListSettings
    plan: CallPlan
    forecast: ListForecast
    suppressed_digest: str


class CallLists:
    """Scores, plans and keeps lists."""

    def __init__(
        self, engine: Engine, suppressions: Suppressions, files: CampaignFiles, kept: Path, payloads: Payloads
    ) -> None:
        """Prepare.

        Args:
            engine: the ledger, with the record of lists.
            suppressions: customers who objected.
            files: lists to choose from.
            kept: folder of the CSV files of kept lists.
            payloads: the contract that lists are read by.
        """
        self.files = files
        self.payloads = payloads
        self._engine = engine
        self._suppressions = suppressions
        self._kept = CallListFiles(kept)
        self._scored: OrderedDict[tuple[Any, ...], ScoredList] = OrderedDict()
        self._lock = threading.Lock()

    def scored(self, key: str, champion: Champion, published: PublishedState) -> ScoredList:
        """A list with its scores, from memory if file, model and state are the same.

        Raises:
            UnknownCampaignError: no such list.
            PayloadError: the file does not fit as a whole.
        """
        file = self.files.get(key)
        mark = (key, file.stamp, champion.digest, published.digest)
        with self._lock:
            if mark not in self._scored:
                self._scored[mark] = score_list(file, champion, published, self.payloads)
                while len(self._scored) > REMEMBERED:
                    self._scored.popitem(last=False)
            self._scored.move_to_end(mark)
            return self._scored[mark]

    def plan(self, scored: ScoredList, settings: ListSettings) -> PlannedList:
        """Choose whom to call.

        Raises:
            EconomicsError, PlanError, HoldoutError, SuppressionError: a setting is unusable.
        """
        return plan_list(scored, settings, self._suppressions.read())

    def keep_upload(self, name: str, content: bytes) -> CampaignFile:
        """Keep an analyst's list, after reading it once so that a file that does not fit is refused at once.

        Raises:
            PayloadError: the file does not fit as a whole.
        """
        return self.files.keep(name, content, lambda path: read_contacts(path, self.payloads))

    def keep(self, planned: PlannedList, actor: str) -> CampaignList:
        """Write the list's CSV files and put the list on record.

        Args:
            planned: the plan.
            actor: who made it.

        Returns:
            The record; its id is in every row of the files.
        """
        list_id, scored = new_id(), planned.scored
        for group in (HOLDOUT, CALLS):
            content = csv_of(planned.plan, list_scores(scored), list_id, group)
            self._kept.write(f"{list_id}-{group}.csv", content)
        settings, forecast = planned.settings, planned.forecast.to_dict()
        summary = {name: part for name, part in planned.plan.summary().items() if name != "curve"}
        made = CampaignList(
            id=list_id,
            actor=actor,
            name=scored.file.name,
            model_version=scored.champion.version,
            model_digest=scored.champion.digest,
            economics=settings.economics.to_dict(),
            request={
                "file_sha256": scored.digest,
                "budget_eur": settings.limits.budget_eur,
                "capacity": settings.limits.capacity,
                "rules": settings.rules.to_dict(),
                "holdout_share": settings.holdout_share,
                "holdout_seed": scored.seed,
                "suppression_sha256": planned.suppressed_digest,
                "as_of": scored.published.as_of,
                "rows_rejected": len(scored.rejected),
            },
            summary={**summary, "forecast": forecast},
            content_digest=hashlib.sha256(content).hexdigest(),
            content_path=f"{list_id}-{CALLS}.csv",
        )
        return campaigns.keep_list(self._engine, made)

    def has_file(self, list_id: str) -> bool:
        """True if the files of a kept list are still there."""
        return self._kept.has(f"{list_id}-{CALLS}.csv")

    def content(self, list_id: str, group: str) -> bytes:
        """A CSV file of a kept list.

        Raises:
            NotFoundError: no such list, or its file is gone.
        """
        kept = campaigns.get_list(self._engine, list_id)
        is_known = kept is not None and group in (CALLS, HOLDOUT)
        content = self._kept.read(f"{list_id}-{group}.csv") if is_known else None
        if content is None:
            raise NotFoundError(
                f"call list: expected one on record with its file, found none with id {list_id[:40]!r}."
            )
        return content


def score_list(file: CampaignFile, champion: Champion, published: PublishedState, payloads: Payloads) -> ScoredList:
    """Read a list and score it as the plan of its days; a row without a day takes the as-of day.

    Raises:
        PayloadError: the file does not fit as a whole.
    """
    read = read_contacts(file.path, payloads)
    scored = score_contacts(read.contacts, dt.date.fromisoformat(published.as_of), champion, published, payloads)
    shared = {field.name: getattr(scored, field.name) for field in fields(ScoredCampaign)}
    return ScoredList(**shared, file=file, digest=read.digest, rejected=read.rejected)


def plan_list(scored: ScoredList, settings: ListSettings, suppression: SuppressionList) -> PlannedList:
    """Plan a scored list and forecast its calls."""
    plan, forecast = plan_contacts(
        scored,
        settings.economics.for_model(scored.champion.decision),
        settings.limits,
        settings.rules,
        suppression,
        list_id=scored.seed,
        holdout_share=settings.holdout_share,
    )
    return PlannedList(scored, settings, plan, forecast, suppression.digest)


def list_scores(scored: ScoredList) -> ListScores:
    """What the rows of a list's file have besides their place in the plan."""
    champion, scores = scored.champion, scored.scores
    return ListScores(
        scored.contact_date, scores.low, scores.high, champion.version, champion.digest, scored.published.as_of
    )
