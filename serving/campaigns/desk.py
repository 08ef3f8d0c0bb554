"""Plans as the pages make them: by a form, under the platform's settings and the champion in force."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from bank_assets.core.economics.planner import PlanSettings
from bank_assets.store.campaign_files import KEPT_DAYS
from serving.campaigns.call_lists import CallListService, ScoredList
from serving.campaigns.form import plan_form, settings_of
from serving.campaigns.list_views import list_table, open_list_notice
from serving.campaigns.lists import Lists
from serving.campaigns.planning import PlannedCampaign
from serving.campaigns.shown import Shown
from serving.campaigns.view_models import CampaignPage, PlanForm, PlanView
from serving.campaigns.views import plan_view
from serving.champion.champion import ChampionStore
from serving.customers.view_models import SuppressionView
from serving.decisions.uploads import MAX_ROWS
from serving.web.view_models import Notice, ProblemPart

TITLE: Final = "Plan a campaign"
NEWEST_LISTS: Final = 10
SUPPRESSIONS: Final = "/campaign/suppressions"


@dataclass(frozen=True, slots=True)
class PlanDesk:
    """What the Campaign page works with."""

    store: ChampionStore
    call_lists: CallListService
    lists: Lists
    default: PlanSettings

    def form(self, sent: Mapping[str, Any]) -> PlanForm:
        """The form that an address or a body sends."""
        return plan_form(sent, self.default, self.call_lists.payloads.contract.signs())

    def planned(self, form: PlanForm) -> tuple[ScoredList, PlannedCampaign]:
        """The plan of a form; `PayloadError` names what cannot be used."""
        settings = settings_of(form, self.default, self.call_lists.payloads.contract.signs())
        champion, published = self.store.current, self.store.state
        if not form.learning_calls:
            scored = self.call_lists.scored(form.list_key, champion, published).scored
            settings = settings.exploring_each_day(scored.frame, scored.contact_date)
        return self.call_lists.planned(form.list_key, settings, champion, published, form.revises)

    def view(
        self, chosen: ScoredList, planned: PlannedCampaign, form: PlanForm, shown: Shown | None = None
    ) -> PlanView:
        """A plan, beside what was shown earlier, and the open lists of the same file, which it does not replace."""
        found = self.lists.open_lists(chosen.read.digest)
        others = [open_list_notice(one, form) for one in found if one.kept.id != form.revises]
        view = plan_view(chosen, planned, form, shown)
        return replace(view, notices=[*others, *view.notices])

    def page(
        self, form: PlanForm, plan: PlanView | None, fault: ProblemPart | None = None, delivered: str = ""
    ) -> CampaignPage:
        """The whole page; `delivered` is the name of an upload that became a delivery."""
        n_suppressed = len(self.call_lists.suppressions.read().customer_ids)
        return CampaignPage(
            title=TITLE,
            form=form,
            choices=self.call_lists.files.all(),
            plan=plan,
            fault=fault,
            suppression=SuppressionView(n_suppressed, list_key=form.list_key, action=SUPPRESSIONS),
            kept=list_table(self.lists, limit=NEWEST_LISTS),
            kept_days=KEPT_DAYS,
            at_most=MAX_ROWS,
            notices=[_delivered(delivered)] if self.call_lists.is_delivered(delivered) else [],
        )


def _delivered(name: str) -> Notice:
    text = (
        f"It has more than {MAX_ROWS:,} rows, which this page does not plan. The pipeline scores and plans it in its "
        "next run; its call list then appears below"
    )
    return Notice("plain", f"{name} was delivered to the pipeline", text)
