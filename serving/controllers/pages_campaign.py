"""`/campaign`: choose a list, plan it, make the call list, keep who must not be called. HTTP and arrangement only."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Annotated, Any, Final

from litestar import Request, Response, get, post
from litestar.datastructures import UploadFile
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, MultipartBody, QueryParameter, URLEncodedBody
from litestar.response import Redirect
from sqlalchemy import Engine

from bank_assets.core.economics import MAXIMUM_EUR, Economics
from bank_assets.core.planner import CallLimits
from bank_assets.core.suppression import FrequencyRules, SuppressionList
from bank_assets.ledger import campaigns
from bank_assets.ledger.campaigns import CampaignList
from serving.access import identity_of, needs
from serving.champion import ChampionStore
from serving.errors import FieldError, NotFoundError, PayloadError
from serving.plan_views import plan_view
from serving.services.call_lists import CallLists, ListSettings
from serving.services.campaign_files import KEPT_DAYS
from serving.templating import count, is_partial, show
from serving.view_models_campaign import (
    CallListPage,
    CallListView,
    CampaignPage,
    KeptRow,
    ListChoice,
    PlanForm,
    PlanView,
    SuppressionView,
)

TITLE: Final = "Plan a campaign"
UPLOAD_BYTES: Final = 20_000_000
SHOWN_LISTS: Final = 20
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
        f"{economics.cost_eur:g}" if cost_eur is None else cost_eur.strip(),
        f"{economics.value_eur:g}" if value_eur is None else value_eur.strip(),
        (budget_eur or "").strip(),
        (capacity or "").strip(),
        (holdout_pct or "0").strip(),
        (rate_without_pct or "").strip(),
        (max_contacts or "").strip(),
        (min_days or "").strip(),
    )


def settings_of(form: PlanForm) -> tuple[ListSettings, float | None]:
    """What is set, as numbers; and the assumed rate without a call.

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
            faults.append(FieldError(name, f"{kind} from {low:,.10g} to {high:,.10g}", repr(text[:40])))
            return None
        return value

    cost = read("cost_eur", form.cost_eur, 0.01, MAXIMUM_EUR, is_needed=True)
    value = read("value_eur", form.value_eur, 0.01, MAXIMUM_EUR, is_needed=True)
    budget = read("budget_eur", form.budget_eur, 0, MAXIMUM_EUR * 1_000)
    capacity = read("capacity", form.capacity, 0, 1e9, is_whole=True)
    holdout = read("holdout_pct", form.holdout_pct, 0, 50)
    without = read("rate_without_pct", form.rate_without_pct, 0.01, 99.99)
    most = read("max_contacts", form.max_contacts, 1, 1_000, is_whole=True)
    fewest = read("min_days", form.min_days, 0, 10_000, is_whole=True)
    if faults or cost is None or value is None:
        raise PayloadError(tuple(faults))
    settings = ListSettings(
        Economics(cost, value),
        CallLimits(budget, None if capacity is None else int(capacity)),
        FrequencyRules(None if most is None else int(most), None if fewest is None else int(fewest)),
        (holdout or 0.0) / 100,
    )
    return settings, None if without is None else without / 100


@get(
    "/campaign",
    name="page:campaign",
    include_in_schema=False,
    guards=[needs("predict")],
    sync_to_thread=True,
    dependencies={"form": Provide(plan_form, sync_to_thread=False)},
)
def campaign(
    request: Request[Any, Any, Any],
    form: NamedDependency[PlanForm],
    store: NamedDependency[ChampionStore],
    call_lists: NamedDependency[CallLists],
    ledger: NamedDependency[Engine],
) -> Response[Any]:
    """The plan of the chosen list; the same address gives page or plan alone."""
    store.current  # noqa: B018  without a model the page says so
    part = _planned(form, store, call_lists) if form.list_key else None
    page = CampaignPage(
        title=TITLE,
        form=form,
        choices=[
            ListChoice(f.key, f.name, f.key.split(":")[0], f.key == form.list_key) for f in call_lists.files.all()
        ],
        plan=part,
        suppression=SuppressionView(len(campaigns.suppressed(ledger)), "", form.list_key),
        kept=[kept_row(one) for one in campaigns.lists(ledger, limit=SHOWN_LISTS)],
        kept_days=KEPT_DAYS,
    )
    if is_partial(request) and part is None:
        return Response("", status_code=204)
    return show(request, page, part)


def _planned(form: PlanForm, store: ChampionStore, call_lists: CallLists) -> PlanView:
    settings, rate_without = settings_of(form)
    scored = call_lists.scored(form.list_key, store.current, store.state)
    return plan_view(call_lists.plan(scored, settings), form, rate_without)


def kept_row(kept: CampaignList) -> KeptRow:
    """A list on record, as the pages show it."""
    called = kept.summary.get("called", {})
    return KeptRow(
        kept.id,
        kept.created_at,
        kept.actor,
        kept.name,
        kept.model_version,
        int(called.get("n_calls") or 0),
        called.get("expected_profit_eur"),
    )


@post(
    "/campaign/upload",
    name="page:campaign:upload",
    include_in_schema=False,
    guards=[needs("predict")],
    request_max_body_size=UPLOAD_BYTES,
    status_code=303,
)
async def upload(data: MultipartBody[dict[str, Any]], call_lists: NamedDependency[CallLists]) -> Redirect:
    """Keep an uploaded list and plan it."""
    file = data.get("file")
    if not isinstance(file, UploadFile) or not file.filename:
        raise PayloadError((FieldError("file", "a CSV file", "nothing"),))
    kept = await asyncio.to_thread(call_lists.files.keep, file.filename, await file.read())
    return Redirect("/campaign", status_code=303, query_params={"list": kept.key})


@post(
    "/campaign/suppressions",
    name="page:campaign:suppressions",
    include_in_schema=False,
    guards=[needs("predict")],
    request_max_body_size=UPLOAD_BYTES,
    status_code=200,
)
async def suppress(
    request: Request[Any, Any, Any], data: MultipartBody[dict[str, Any]], ledger: NamedDependency[Engine]
) -> Response[Any]:
    """Add contacts that must not be called; the plan follows."""
    file = data.get("file")
    try:
        content = (await file.read()).decode("utf-8-sig") if isinstance(file, UploadFile) else ""
    except UnicodeDecodeError as error:
        raise PayloadError((FieldError("file", "text in UTF-8", f"byte {error.start} is not"),)) from None
    asked = SuppressionList.from_text(f"{data.get('ids', '')}\n{content}").contact_ids
    if not asked:
        raise PayloadError((FieldError("ids", "at least one contact id, one per line", "none"),))
    new = await asyncio.to_thread(
        campaigns.suppress, ledger, sorted(asked), reason="campaign page", actor=identity_of(request).name
    )
    key = str(data.get("list", ""))
    if not is_partial(request):
        return Redirect("/campaign", status_code=303, query_params={"list": key} if key else {})
    total = len(await asyncio.to_thread(campaigns.suppressed, ledger))
    part = SuppressionView(total, f"{count(new)} added, {count(len(asked) - new)} were on the list already.", key)
    return show(request, part, part, headers={"HX-Trigger": "suppressions-changed"})


@post(
    "/campaign/lists",
    name="page:campaign:make",
    include_in_schema=False,
    guards=[needs("predict")],
    status_code=201,
    sync_to_thread=True,
)
def make(
    request: Request[Any, Any, Any],
    data: URLEncodedBody[dict[str, Any]],
    store: NamedDependency[ChampionStore],
    call_lists: NamedDependency[CallLists],
    economics: NamedDependency[Economics],
) -> Response[Any]:
    """Put the planned list on record and offer its files."""
    empty = asdict(plan_form(economics))
    sent = {**data, "list_key": data.get("list", "")}
    form = PlanForm(**{name: str(sent.get(name, default)).strip() for name, default in empty.items()})
    settings, _ = settings_of(form)
    scored = call_lists.scored(form.list_key, store.current, store.state)
    kept = call_lists.keep(call_lists.plan(scored, settings), identity_of(request).name)
    if not is_partial(request):
        return Redirect(f"/campaign/lists/{kept.id}", status_code=303)
    part = _kept_view(kept, has_file=True)
    return show(request, CallListPage("Call list", part), part, status=201)


def _kept_view(kept: CampaignList, *, has_file: bool) -> CallListView:
    n_held_out = int(kept.summary.get("holdout", {}).get("n_held_out") or 0)
    return CallListView(kept_row(kept), kept.content_digest, n_held_out, has_file)


@get(
    "/campaign/lists/{list_id:str}",
    name="page:campaign:list",
    include_in_schema=False,
    guards=[needs("predict")],
    sync_to_thread=True,
)
def kept_list(
    request: Request[Any, Any, Any],
    list_id: FromPath[str],
    ledger: NamedDependency[Engine],
    call_lists: NamedDependency[CallLists],
) -> Response[Any]:
    """A call list on record."""
    kept = campaigns.get_list(ledger, list_id)
    if kept is None:
        raise NotFoundError(f"call list: expected one on record, found none with id {list_id[:40]!r}.")
    part = _kept_view(kept, has_file=call_lists.has_file(kept.id))
    return show(request, CallListPage("Call list", part), part)


@get(
    "/campaign/lists/{list_id:str}/{file_name:str}",
    name="page:campaign:download",
    include_in_schema=False,
    guards=[needs("predict")],
    sync_to_thread=True,
)
def download(
    list_id: FromPath[str], file_name: FromPath[str], call_lists: NamedDependency[CallLists]
) -> Response[bytes]:
    """`calls.csv` or `holdout.csv` of a kept list."""
    content = call_lists.content(list_id, file_name.removesuffix(".csv"))
    attachment = f'attachment; filename="{list_id}-{file_name}"'
    return Response(content, media_type="text/csv", headers={"Content-Disposition": attachment})


HANDLERS = (campaign, upload, suppress, make, kept_list, download)
