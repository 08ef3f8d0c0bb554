"""Assembly of the web app: every object, route and rule. Building an app does no I/O; starting it does."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import IO, Any, Final

from litestar import Litestar
from litestar.config.csrf import CSRFConfig
from litestar.datastructures import State
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin, YamlRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme

from bank_assets.ledger import accounts
from bank_assets.ledger.engine import LedgerError, only_app_process, require_current, upgrade
from bank_assets.store.registry import Registry
from serving.campaigns import lists_api
from serving.campaigns import page as campaign
from serving.campaigns.api import plan_route
from serving.campaigns.plans_api import PlansController
from serving.campaigns.read_out_page import read_out_route
from serving.customers import page as customers
from serving.customers.api import CustomersController, ObjectionsController
from serving.decisions import audit_page as audit
from serving.decisions import page as predict
from serving.decisions.api import AuditController, PredictionsController, create_route
from serving.decisions.batches import batch_route
from serving.decisions.outcome_reports import outcome_route
from serving.dependencies import Services, providers
from serving.feeds.api import HANDLERS as FEEDS
from serving.home import page as home
from serving.model import page as model
from serving.model.api import ModelController
from serving.monitoring import page as monitoring
from serving.monitoring.api import WithdrawalsController
from serving.monitoring.health import HANDLERS as SYSTEM
from serving.settings import ServingSettings
from serving.web.access import admitting
from serving.web.api_docs import HANDLERS as DOCS
from serving.web.envelope import RequestEnvelope
from serving.web.idempotency import prune_for_ever
from serving.web.logs import AccessLog
from serving.web.problems import handle_exception
from serving.web.templating import problem_page, static_files, template_config

API: Final = (
    PredictionsController,
    ModelController,
    AuditController,
    WithdrawalsController,
    ObjectionsController,
    CustomersController,
    PlansController,
    read_out_route,
)
# Routes whose bodies follow from the contract.
CONTRACT_ROUTES: Final = (create_route, batch_route, outcome_route, plan_route)
# The navigation, in its order; each page brings its routes.
PAGES: Final = (home.PAGE, predict.PAGE, campaign.PAGE, customers.PAGE, monitoring.PAGE, model.PAGE, audit.PAGE)
FLUSH_SECONDS: Final = 0.5


def create_app(
    settings: ServingSettings,
    *,
    registry: Registry | None = None,
    is_recording: bool = True,
    route_handlers: Sequence[Any] = (),
    access_log: IO[bytes] | None = None,
) -> Litestar:
    """Build the app.

    Args:
        settings: of this deployment.
        registry: where the champion is; default MLflow at the platform's URI.
        is_recording: False answers single predictions without a record; for benchmarks only.
        route_handlers: further handlers, such as a benchmark's constant answer.
        access_log: binary stream for access lines; None for none.
    """
    services = Services(settings, registry, is_recording)
    log = AccessLog(access_log)
    by_contract = [route(services.payloads) for route in CONTRACT_ROUTES]
    app = Litestar(
        route_handlers=[
            *SYSTEM,
            *API,
            *by_contract,
            *lists_api.HANDLERS,
            *lists_api.list_routes(services.payloads),
            *FEEDS,
            *DOCS,
            *(page.router for page in PAGES),
            static_files(),
            *route_handlers,
        ],
        template_config=template_config(),
        dependencies=providers(services),
        exception_handlers={Exception: handle_exception},
        middleware=[admitting],
        csrf_config=CSRFConfig(
            secret=settings.secret or "local",
            # Named after the secret: a token signed with an earlier one would be refused while its cookie lives.
            cookie_name=f"csrftoken_{hashlib.sha256(settings.secret.encode()).hexdigest()[:8]}",
            cookie_secure=settings.is_https,
            cookie_httponly=True,
            cookie_samesite="strict",
            exclude=["^/api/", "^/health/"],
        ),
        openapi_config=_openapi(),
        lifespan=[_lifespan(services, log)],
        state=State({"services": services, "pages": PAGES, "error_page": problem_page}),
        logging_config=None,
        request_max_body_size=1_000_000,
    )
    app.asgi_handler = RequestEnvelope(app.asgi_handler, settings, services.access, services.meters, log)
    return app


def _openapi() -> OpenAPIConfig:
    return OpenAPIConfig(
        title="Bank marketing decisions",
        version="1",
        description="Whom to call: probability, range, decision, expected profit, and a record of "
        "every decision. Errors are `application/problem+json` (RFC 9457).",
        components=Components(
            security_schemes={
                "key": SecurityScheme(type="http", scheme="bearer", description="API key; not needed in local mode.")
            }
        ),
        security=[{}, {"key": []}],
        render_plugins=[JsonRenderPlugin(), YamlRenderPlugin()],
    )


def prepare_ledger(services: Services) -> None:
    """Bring the ledger's tables to this version's revision, or only check it (`BANK_MIGRATE=no`)."""
    if services.settings.migrates:
        upgrade(services.ledger)
    else:
        require_current(services.ledger)


def check_bind(services: Services) -> None:
    """Refuse a public address while there are no credentials."""
    settings = services.settings
    if not settings.is_local_mode and not accounts.has_credentials(services.ledger):
        where = settings.host if not settings.is_loopback else "BANK_LOGIN"
        raise LedgerError(
            f"address {where}: expected at least one user or API key, as this app would be open to others, found none; "
            "create one with `python -m serving user <name> --role admin`, or bind to 127.0.0.1."
        )


def _lifespan(services: Services, log: AccessLog) -> Callable[[Litestar], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_app: Litestar) -> AsyncIterator[None]:
        with only_app_process(services.ledger):
            tasks: list[asyncio.Task[None]] = []
            try:
                prepare_ledger(services)
                check_bind(services)
                services.suppressions.read()
                services.recorder.start()
                services.store.load_last_good()
                services.watcher.look_at_state()
                services.watcher.start()
                background = (
                    _flush_for_ever(log),
                    services.suppressions.keep_current(),
                    services.log_ins.work(),
                    prune_for_ever(services.ledger),
                )
                tasks = [asyncio.create_task(one) for one in background]
                yield
            finally:
                services.watcher.stop()
                await services.recorder.close()
                for task in tasks:
                    task.cancel()
                services.log_ins.close()
                log.flush()
                services.ledger.dispose()

    return lifespan


async def _flush_for_ever(log: AccessLog) -> None:
    while True:
        await asyncio.sleep(FLUSH_SECONDS)
        log.flush()
