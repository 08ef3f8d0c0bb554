"""`/model`: the champion, its quality and history, and the rollback form."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import QueryParameter, URLEncodedBody
from litestar.response import Redirect, Template
from sqlalchemy import Engine

from bank_assets.core.quality.objective import F1, PROFIT
from bank_assets.ledger import promotions
from bank_assets.store.registry import Registry, UnknownVersionError
from serving.champion.champion import ChampionStore
from serving.champion.watcher import Watcher
from serving.model.api import model_info, roll_back_and_wait
from serving.model.schemas import RollbackRequest
from serving.model.view_models import ModelPage, RollbackForm
from serving.model.views import (
    candidate_rows,
    curve_charts,
    earlier_versions,
    identity_table,
    metric_tiles,
    sentence_on_the_test,
    verdicts,
    weights_of,
)
from serving.monitoring.reports import Reports
from serving.web.access import identity_of
from serving.web.bodies import reason_fault
from serving.web.chrome import Page
from serving.web.problems import ConflictError
from serving.web.templating import show
from serving.web.view_models import GOOD, WATCH, Notice


@get("/model", name="page:model", sync_to_thread=True)
def model(
    request: Request[Any, Any, Any],
    store: NamedDependency[ChampionStore],
    ledger: NamedDependency[Engine],
    reports: NamedDependency[Reports],
    rolled_back: Annotated[str | None, QueryParameter(max_length=20)] = None,
) -> Template:
    """Metrics with intervals, curves, candidates, history, rollback."""
    return show(request, model_page(request, store, ledger, reports, rolled_back or ""))


def model_page(
    request: Request[Any, Any, Any],
    store: ChampionStore,
    ledger: Engine,
    reports: Reports,
    rolled_back: str = "",
    **sent: str,
) -> ModelPage:
    """Arrange the page; `sent` is what a rollback form that was refused contained, and why it was refused."""
    info = model_info(store)
    history = promotions.history(ledger, limit=200)
    form = RollbackForm(earlier_versions(history, info.version), "admin" in identity_of(request).scopes, **sent)
    summary = reports.run_summary()
    objective = summary.objective if summary else PROFIT
    return ModelPage(
        title=f"Model version {info.version}",
        notices=_notices(info.version, rolled_back, store),
        identity=identity_table(info),
        tiles=metric_tiles(info.metrics, objective),
        tested=sentence_on_the_test(info.metrics),
        charts=curve_charts(info.metrics),
        weights=weights_of(info.importance, store.current.contract),
        candidates=candidate_rows(summary.candidates if summary else [], info, objective),
        chosen_by="F1" if objective == F1 else "profit",
        history=verdicts(history),
        rollback=form,
    )


def _notices(champion: str, rolled_back: str, store: ChampionStore) -> list[Notice]:
    if not rolled_back:
        return []
    if rolled_back == champion:
        return [Notice(GOOD, f"Version {champion} is the champion", "The rollback is in the history below.")]
    return [Notice(WATCH, f"Version {rolled_back} is not the champion yet", f"It is being loaded. {store.message}")]


@post(
    "/model/rollback", name="page:model:rollback", opt={"needs": "admin"}, request_max_body_size=16_384, status_code=303
)
async def rollback(
    request: Request[Any, Any, Any],
    data: URLEncodedBody[dict[str, Any]],
    ledger: NamedDependency[Engine],
    registry: NamedDependency[Registry],
    watcher: NamedDependency[Watcher],
    store: NamedDependency[ChampionStore],
    reports: NamedDependency[Reports],
) -> Response[Any]:
    """Make an earlier version the champion again, after a confirmation and with a reason."""
    version, reason = str(data.get("version", "")).strip(), str(data.get("reason", "")).strip()
    fault = ""
    if data.get("confirm") != "yes":
        fault = "Confirm that the version becomes the champion now."
    elif why := reason_fault(reason):
        fault = why
    elif not version.isdecimal() or len(version) > 20:
        fault = f"Choose one of the versions; found {version[:20]!r}."
    else:
        try:
            requested = RollbackRequest(version, reason)
            await roll_back_and_wait(ledger, registry, watcher, store, requested, identity_of(request).name)
        except (ConflictError, UnknownVersionError) as error:
            fault = str(error)
    if fault:
        sent = {"version": version, "reason": reason, "fault": fault}
        page = await asyncio.to_thread(model_page, request, store, ledger, reports, **sent)
        return show(request, page, status=422)
    return Redirect("/model", status_code=303, query_params={"rolled_back": version})


PAGE = Page("/model", "Model", "", (model, rollback))
