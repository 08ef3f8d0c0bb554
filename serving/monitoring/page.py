"""`/monitoring` and `/reports/...`: drift, realised performance, the pipeline's own reports."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect, Template
from sqlalchemy import Engine

from bank_assets.core.alerts.alert import Occurrence
from bank_assets.core.alerts.campaign_catalogue import channels_tested
from bank_assets.landing.register import withdrawals
from bank_assets.store.alert_log import CHANNELS, FILE_NAME, AlertLog, channels_of
from bank_assets.store.home_json import DamagedFileError
from serving.champion.champion import ChampionStore
from serving.monitoring.reports import Reports
from serving.monitoring.response_views import LEDGER_UNREADABLE, READ_ROWS, LoopHistory, response_view
from serving.monitoring.view_models import MonitoringPage
from serving.monitoring.views import alert_lines, drift_view, fault_notices, performance_view, withdrawal_lines
from serving.settings import ServingSettings
from serving.web.access import identity_of
from serving.web.chrome import Page
from serving.web.problems import NotFoundError
from serving.web.templating import show
from serving.web.view_models import BAD, Notice

SHOWN_ALERTS: Final = 40


@get("/monitoring", name="page:monitoring", sync_to_thread=True)
def monitoring(
    request: Request[Any, Any, Any],
    reports: NamedDependency[Reports],
    store: NamedDependency[ChampionStore],
    ledger: NamedDependency[Engine],
    settings: NamedDependency[ServingSettings],
) -> Template:
    """What the loop acts on, alerts, drift, realised performance, what was taken back, links to reports."""
    drift, performance = reports.drift(), reports.performance()
    notices = []
    if store.champion is None:
        text = "Drift is measured against the first months of data until there is one."
        notices.append(Notice(BAD, "There is no champion", text, "/", "See what is in place"))
    found = LoopHistory.read(ledger, READ_ROWS)
    if found is None:
        notices.append(LEDGER_UNREADABLE)
    try:
        withdrawn = withdrawals(settings.platform.warehouse)
    except DamagedFileError as error:
        withdrawn = []
        notices.append(Notice(BAD, "What was taken back cannot be read", str(error)))
    history, alerts = found or LoopHistory(), reports.alerts(SHOWN_ALERTS)
    notices += fault_notices(reports)
    page = MonitoringPage(
        title="Monitoring",
        notices=notices,
        alerts=alert_lines(alerts, history),
        channels=channels_of(settings.platform.home / CHANNELS),
        may_test="admin" in identity_of(request).scopes,
        response=response_view(history),
        is_ledger_readable=found is not None,
        drift=drift_view(drift, reports.page_of("drift", max(drift))) if drift else None,
        performance=performance_view(performance) if performance else None,
        withdrawals=withdrawal_lines(withdrawn)[:SHOWN_ALERTS],
        reports=reports.openable(),
    )
    return show(request, page)


@post(
    "/monitoring/test-alert", name="page:monitoring:test", opt={"needs": "admin"}, status_code=303, sync_to_thread=True
)
def test_alert(request: Request[Any, Any, Any], settings: NamedDependency[ServingSettings]) -> Redirect:
    """Write a test alert, which every channel gets within a minute while the schedules run."""
    platform, now = settings.platform, dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")
    log = AlertLog(platform.reports / FILE_NAME, platform.public_url, platform.ui_url)
    log.append([channels_tested(Occurrence(now), identity_of(request).name)])
    return Redirect("/monitoring", status_code=303)


@get("/reports/{path:path}", name="page:report", sync_to_thread=True)
def report(path: FromPath[str], reports: NamedDependency[Reports]) -> Response[bytes]:
    """A report of the pipeline in our style; those that hold customers are not open."""
    address = str(path).lstrip("/")
    found = reports.content(address)
    if found is None:
        raise NotFoundError(f"report: expected one that is listed on /monitoring, found {address[:80]!r}.")
    return Response(found[0], media_type=found[1])


PAGE = Page("/monitoring", "Monitoring", "", (monitoring, test_alert, report))
