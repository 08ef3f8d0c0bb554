"""The frame around every page: navigation, source of the data, model, economics.

Error pages have it too, so it must not read files or databases: it has to work where the page itself failed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from litestar import Request, Router

from serving.web.access import Admission
from serving.web.view_models import NavItem, PageChrome


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the navigation with the handlers of its noun, which all need its scope ("" for none)."""

    path: str
    name: str
    scope: str
    handlers: Sequence[Any]

    @property
    def router(self) -> Router:
        """The page's routes."""
        return Router("/", route_handlers=self.handlers, opt={"needs": self.scope}, include_in_schema=False)


def chrome_of(request: Request[Any, Any, Any]) -> PageChrome:
    """The frame of a request's page."""
    services = request.app.state.services
    admission = request.scope.get("bank")
    identity = admission.identity if isinstance(admission, Admission) else None
    store, path = services.store, request.scope["path"]
    training = store.champion.decision.get("training", {}) if store.champion else {}
    return PageChrome(
        nav=[
            NavItem(page.path, page.name, path == page.path or (page.path != "/" and path.startswith(f"{page.path}/")))
            for page in request.app.state.pages
            if identity is not None and (not page.scope or page.scope in identity.scopes)
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
