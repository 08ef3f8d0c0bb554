"""Apps for many tests of one process: the routes of an app that has ended serve the next one.

Litestar takes 0.1 s of processor time to build them, two thirds of what a test on a new app costs.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from typing import Final

from litestar import Litestar

from bank_assets.store.registry import Registry
from serving.app import create_app
from serving.dependencies import Services
from serving.settings import ServingSettings
from serving.web.envelope import RequestEnvelope
from serving.web.logs import AccessLog

_IDLE: Final[dict[Hashable, list[Litestar]]] = defaultdict(list)


@contextmanager
def built_app(settings: ServingSettings, registry: Registry) -> Iterator[Litestar]:
    """What `create_app` builds, with services of its own; to be left when the app has ended."""
    # All settings that `create_app` gives to routes; everything else reaches them through the services.
    idle = _IDLE[settings.platform.contract, settings.secret, settings.is_https]
    if idle:
        app = idle.pop()
        _serve_anew(app, settings, registry)
    else:
        app = create_app(settings, registry=registry)
    yield app
    idle.append(app)  # not if its start or end failed


def _serve_anew(app: Litestar, settings: ServingSettings, registry: Registry) -> None:
    services: Services = app.state.services
    vars(services).clear()
    vars(services).update(vars(Services(settings, registry, is_recording=True)))
    former = app.asgi_handler
    assert isinstance(former, RequestEnvelope)
    app.asgi_handler = RequestEnvelope(former._app, settings, services.access, services.meters, AccessLog(None))
