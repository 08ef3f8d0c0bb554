"""All pages as one router, with what only pages need.

What lives here: `page_routes`. What must not: handlers. Called by `create_app`.
"""

from __future__ import annotations

from typing import Any

from litestar import Router
from litestar.di import Provide

from bank_assets.store.campaign_files import CampaignFiles
from serving.campaigns import page as campaign_page
from serving.campaigns.call_lists import CallLists
from serving.decisions import audit_page
from serving.decisions import page as predict_page
from serving.dependencies import Services
from serving.home import page as home_page
from serving.model import page as model_page
from serving.monitoring import page as monitoring_page
from serving.monitoring.reports import Reports
from serving.web.templating import static_files


def page_routes(services: Services) -> tuple[Router, Router]:
    """Routers of the pages and of their static files; nothing is read yet.

    Args:
        services: objects of the app.
    """
    platform, own = services.settings.platform, services.settings.bundles
    reports = Reports(platform.reports)
    files = CampaignFiles(platform.landing, own / "uploads")
    call_lists = CallLists(services.ledger, services.suppressions, files, own / "call_lists", services.payloads)

    def give(value: Any) -> Provide:
        return Provide(lambda: value, sync_to_thread=False)

    modules = (home_page, predict_page, campaign_page, monitoring_page, model_page, audit_page)
    handlers = [handler for module in modules for handler in module.HANDLERS]
    dependencies = {"reports": give(reports), "call_lists": give(call_lists)}
    return Router("/", route_handlers=handlers, dependencies=dependencies), static_files()
