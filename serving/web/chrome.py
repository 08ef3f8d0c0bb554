"""The frame around every page: navigation, source of the data, model, economics.

Error pages have it too, so it must not read files or databases: it has to work where the page itself failed.
"""

from __future__ import annotations

from typing import Any, Final

from litestar import Request

from serving.web.access import Admission
from serving.web.view_models import NavItem, PageChrome

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
    store, path = services.store, request.scope["path"]
    training = store.champion.decision.get("training", {}) if store.champion else {}
    return PageChrome(
        nav=[
            NavItem(href, label, path == href or (href != "/" and path.startswith(f"{href}/")))
            for href, label, scope in PAGES
            if identity is not None and (not scope or scope in identity.scopes)
        ],
        identity=identity,
        is_local_mode=services.settings.is_local_mode,
        source=training.get("source") or "",
        is_real_data=bool(training.get("is_real")),
        model_version=store.champion.version if store.champion else "",
        as_of=store.published.as_of if store.published else "",
        economics=services.economics,
        is_on_probation=store.champion is not None and store.champion.is_on_probation,
        registry_problem=store.message if store.is_registry_reachable is False else "",
    )
