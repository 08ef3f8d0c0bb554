"""The frame around every page: navigation, source of the data, model, economics.

Error pages have it too, so it must not read files or databases: it has to work where the page itself failed.
"""

from __future__ import annotations

from typing import Any, Final

from litestar import Request

from serving.web.access import Admission
from serving.web.view_models import GOOD, WATCH, NavItem, PageChrome

# Path, name, and scope that the page needs, "" for none; the app's routes enforce it.
PAGES: Final = (
    ("/", "Home", ""),
    ("/predict", "Predict", "predict"),
    ("/campaign", "Campaign", "predict"),
    ("/monitoring", "Monitoring", ""),
    ("/model", "Model", ""),
    ("/audit", "Audit", "audit"),
)


def chrome_of(request: Request[Any, Any, Any]) -> PageChrome:
    """The frame of a request's page."""
    services = request.app.state.services
    admission = request.scope.get("bank")
    identity = admission.identity if isinstance(admission, Admission) else None
    store, economics, path = services.store, services.economics, request.scope["path"]
    training = store.champion.decision.get("training", {}) if store.champion else {}
    source = training.get("source")
    is_real = bool(training.get("is_real"))
    return PageChrome(
        nav=[
            NavItem(href, label, path == href or (href != "/" and path.startswith(f"{href}/")))
            for href, label, scope in PAGES
            if identity is not None and (not scope or scope in identity.scopes)
        ],
        user=identity.name if identity else "",
        role=(identity.role or "key") if identity else "",
        is_local_mode=services.settings.is_local_mode,
        source=(f"Real data: {source}" if is_real else f"Not real data: {source}") if source else "No data yet",
        source_tone=GOOD if is_real else WATCH,
        model_version=store.champion.version if store.champion else "",
        as_of=store.published.as_of if store.published else "",
        cost=economics.cost_amount,
        value=economics.value_amount,
        threshold=economics.single_break_even,
        is_on_probation=store.champion is not None and store.champion.is_on_probation,
        registry_problem=store.message if store.is_registry_reachable is False else "",
    )
