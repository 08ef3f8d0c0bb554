"""`/` and `/login`: the state of the platform at a glance, and the login form."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter
from litestar.response import Template
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from bank_assets.core.words import pct
from bank_assets.ledger import chain
from bank_assets.reports.formats import count, eur, number
from bank_assets.store.alert_log import LoggedAlert
from serving.champion.champion import ChampionStore
from serving.decisions.recorder import Recorder
from serving.home.view_models import HomePage, HomeState
from serving.monitoring.reports import SUMMARY, Reports
from serving.monitoring.response_views import LEDGER_UNREADABLE, LoopHistory
from serving.monitoring.views import ANSWERED_BY_THE_LOOP, alert_lines, fault_notices
from serving.settings import ServingSettings
from serving.web.access import identity_of
from serving.web.chrome import Page
from serving.web.log_ins import log_in, log_out
from serving.web.templating import is_partial, moment, show, words
from serving.web.view_models import BAD, GOOD, PLAIN, WATCH, LoginPage, Notice, Tile

SHOWN_ALERTS = 4
READ_ROWS = 20  # enough to contain the verdict on the fit that the newest judged day requested
URGENT_FOR = timedelta(days=1)
URGENT_SHOWN = 3
LOGIN_FAILED = "The name or the password is not right, or the account is disabled. Try again."


@get("/", name="page:home", sync_to_thread=True)
def home(
    request: Request[Any, Any, Any],
    store: NamedDependency[ChampionStore],
    ledger: NamedDependency[Engine],
    recorder: NamedDependency[Recorder],
    reports: NamedDependency[Reports],
    seen: Annotated[str | None, QueryParameter(max_length=64)] = None,
) -> Response[Any]:
    """Champion, freshness, drift, record, and what needs somebody."""
    scopes = identity_of(request).scopes
    loop = LoopHistory.read(ledger, READ_ROWS)
    alerts, data = alert_lines(reports.alerts(SHOWN_ALERTS), loop), _data(store, reports, loop)
    state = HomeState(
        attention=_attention(store, reports, loop),  # names what could not be read before
        alerts=alerts,
        model=_model(store, loop),
        data=data,
        decisions=_decisions(ledger, recorder),
    )
    state = replace(state, digest=hashlib.sha256(repr(state).encode()).hexdigest()[:16])
    if is_partial(request) and seen == state.digest:
        # Drawn again, it would take the focus from a link and make a screen reader say everything, four times a minute.
        return Response("", status_code=204)
    page = HomePage("State of the platform", state, "predict" in scopes, "audit" in scopes)
    return show(request, page, state)


@get("/login", name="page:login", sync_to_thread=False)
def login(
    request: Request[Any, Any, Any],
    settings: NamedDependency[ServingSettings],
    error: Annotated[str | None, QueryParameter(max_length=40)] = None,
) -> Template:
    """The login form; in local mode it says that none is needed."""
    text = LOGIN_FAILED if error == "credentials" else ""
    return show(request, LoginPage("Log in", text, settings.is_local_mode), status=200 if not text else 401)


def _attention(store: ChampionStore, reports: Reports, loop: LoopHistory | None) -> list[Notice]:
    """What a person must do or know; what the loop has answered is history."""
    found = [LEDGER_UNREADABLE] if loop is None else []
    if store.champion is None:
        text = f"Nothing can be decided: {store.message.rstrip('.')}."
        found.append(Notice(BAD, "There is no champion", text))
    elif store.published is None:
        text = "Features cannot be made. Run `make run`; the pipeline publishes the state at its end."
        found.append(Notice(BAD, "No as-of state is published", text))
    if store.is_registry_reachable is False and store.champion is not None:
        found.append(Notice(WATCH, "The model registry does not answer", f"{store.message}"))
    elif store.message.startswith("the registered champion was refused"):
        found.append(Notice(BAD, "The registered champion was refused", f"The old one goes on: {store.message}"))
    summary = reports.run_summary()
    if summary is None and SUMMARY not in reports.faults:
        found.append(Notice(PLAIN, "No pipeline run is on file", "Run `make run`, or land deliveries and wait."))
    elif summary and not summary.validation_passed:
        text = "A month failed its gate and is held; the others went on."
        found.append(Notice(BAD, "Validation failed", text, "/monitoring", "See the reports"))
    if loop and loop.stopped_on:  # it stays here until the loop tries again, however old its alert is
        text = (
            f"The loop stopped on {loop.stopped_on}, as neither refits nor a comparison of all candidates helped. Look "
            "at what changed in campaigns or products; the champion stays, and the loop tries again after a "
            "rest."
        )
        title = "Retraining does not help; a person is needed"
        found.append(Notice(BAD, title, text, "/monitoring", "See what was judged"))
    found += _urgent(reports)
    champion = store.champion
    if champion is not None and not champion.decision.get("training", {}).get("is_real"):
        text = "The champion learned from simulated data; its figures say nothing about customers."
        found.append(Notice(WATCH, "Simulated data", text))
    found += fault_notices(reports)
    return sorted(found, key=lambda one: (BAD, WATCH, PLAIN).index(one.tone))


def _urgent(reports: Reports) -> list[Notice]:
    """Alerts of the last day that a person must act on; what the loop answers by itself is none of them."""
    since = datetime.now(UTC) - URGENT_FOR

    def is_urgent(one: LoggedAlert) -> bool:
        return one.tone == BAD and one.at > since and one.kind not in ANSWERED_BY_THE_LOOP

    return [
        Notice(BAD, one.title, f"{one.text} {one.action}", "/monitoring", "See all alerts")
        for one in reports.alerts(URGENT_SHOWN, is_urgent)
    ]


def _model(store: ChampionStore, loop: LoopHistory | None) -> list[Tile]:
    champion = store.champion
    if champion is None:
        return [Tile("Version", "none", "nothing can be decided", BAD)]
    recipe, metrics = champion.decision.get("recipe", {}), champion.decision.get("metrics", {})
    training = champion.decision.get("training", {})
    latest = loop.verdicts[0] if loop and loop.verdicts else None
    since = f"champion since {moment(latest.at)}" if latest else f"loaded {moment(champion.loaded_at)}"
    sampler = recipe.get("sampler", "none")
    tiles = [
        Tile("Version", champion.version, since, GOOD),
        Tile("Algorithm", words(recipe.get("algorithm")), "" if sampler == "none" else f"with {words(sampler)}"),
        Tile("Learned from", f"{count(training.get('rows'))} contacts", f"before {training.get('as_of', 'n/a')}"),
    ]
    if isinstance(metrics.get("roc_auc"), float):
        tiles.append(
            Tile("AUC, all folds", number(metrics["roc_auc"]), "ranking of later contacts; 0.5 is guessing, 1 perfect")
        )
    return tiles


def _data(store: ChampionStore, reports: Reports, loop: LoopHistory | None) -> list[Tile]:
    tiles = []
    state = store.published
    if state is not None:
        rate = state.state.rates.get("subscription_rate_30d")
        tiles.append(Tile("Known up to", state.as_of, "outcomes before this day are used", GOOD))
        tiles.append(Tile("Subscribed, last 30 days", pct(rate), "of the contacts before that day"))
    else:
        tiles.append(Tile("Known up to", "nothing yet", "no as-of state is published", BAD))
    tiles.append(_last_judged(loop))
    performance = reports.performance()
    if performance is not None and performance.latest:
        latest = performance.latest
        note = f"{latest.first_day} to {latest.last_day}, {count(latest.rows)} contacts"
        tiles.append(Tile("Realised profit", eur(latest.profit_eur), note))
    summary = reports.run_summary()
    if summary is not None:
        note = f"{count(summary.rows_rejected)} rejected with reasons"
        tiles.append(Tile("Contacts in the tables", count(summary.rows_contacts), note))
    return tiles


def _last_judged(loop: LoopHistory | None) -> Tile:
    label = "Last day the loop judged"
    if loop is None:
        return Tile(label, "unknown", "the ledger cannot be read", BAD)
    if not loop.message:
        return Tile(label, "none yet", "it judges delivered days while `make ui` runs")
    value, tone = ("within its limits", GOOD) if loop.is_within_limits else ("beyond a limit", WATCH)
    return Tile(label, value, loop.message, tone)


def _decisions(ledger: Engine, recorder: Recorder) -> list[Tile]:
    try:
        head = chain.anchor(ledger)
    except SQLAlchemyError:
        return [Tile("On record", "unknown", "the ledger cannot be read; nothing is decided without it", BAD)]
    return [
        Tile("On record", count(head.seq), "single decisions, in one chain of hashes", GOOD),
        Tile("Waiting for their record", count(recorder.n_waiting), "none is answered before", PLAIN),
        Tile("Newest record's hash", head.hash[:12] if head.seq else "none yet", "keep it elsewhere as an anchor"),
    ]


PAGE = Page("/", "Home", "", (home, login, log_in, log_out))
