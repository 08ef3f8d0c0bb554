"""Liveness, readiness and metrics. None of them scores or writes."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency

from serving.champion.champion import ChampionStore
from serving.decisions.recorder import Recorder
from serving.lifecycle import Lifecycle
from serving.settings import ServingSettings
from serving.web.metrics import CONTENT_TYPE, Metrics


class Live(msgspec.Struct, frozen=True):
    """The process answers."""

    status: Literal["live"] = "live"


class Ready(msgspec.Struct, frozen=True):
    """Whether decisions can be made, and by what."""

    status: Literal["ready", "not_ready", "draining"]
    code_version: str
    model_version: str | None
    model_digest: str | None
    alias: str
    loaded_at: str | None
    as_of: str | None
    is_registry_reachable: bool | None
    registry: str
    is_local_mode: bool
    decisions_waiting: int


@get("/health/live", operation_id="health_live", tags=["system"], summary="Does the process answer?")
async def live() -> Live:
    """Never touches the model or a database."""
    return Live()


@get("/health/ready", operation_id="health_ready", tags=["system"], summary="Can it decide?", raises=[])
async def ready(
    store: NamedDependency[ChampionStore],
    recorder: NamedDependency[Recorder],
    settings: NamedDependency[ServingSettings],
    lifecycle: NamedDependency[Lifecycle],
) -> Response[Ready]:
    """200 with the champion; 503 while there is no model or no as-of state, and once the app is stopping."""
    champion, published = store.champion, store.published
    is_able = champion is not None and published is not None
    is_ready = is_able and not lifecycle.is_draining
    body = Ready(
        status="draining" if lifecycle.is_draining else "ready" if is_able else "not_ready",
        code_version=settings.code_version,
        model_version=champion.version if champion else None,
        model_digest=champion.digest if champion else None,
        alias="champion",
        loaded_at=champion.loaded_at if champion else None,
        as_of=published.as_of if published else None,
        is_registry_reachable=store.is_registry_reachable,
        registry=store.message,
        is_local_mode=settings.is_local_mode,
        decisions_waiting=recorder.n_waiting,
    )
    return Response(body, status_code=200 if is_ready else 503)


@get("/metrics", operation_id="metrics", tags=["system"], summary="Prometheus metrics", media_type="text/plain")
async def metrics(
    meters: NamedDependency[Metrics], store: NamedDependency[ChampionStore], recorder: NamedDependency[Recorder]
) -> Response[bytes]:
    """Counts, times and gauges in Prometheus' text format."""
    champion = store.champion
    meters.set(
        decisions_recorded=recorder.recorded,
        ledger_transactions=recorder.groups,
        decisions_waiting=recorder.n_waiting,
        champion_swaps=store.swaps,
        is_ready=champion is not None and store.published is not None,
        is_registry_reachable=bool(store.is_registry_reachable),
    )
    meters.champion.clear()
    if champion is not None:
        meters.champion.labels(champion.version, champion.digest).set(1)
    return Response(meters.render(), headers={"content-type": CONTENT_TYPE})


HANDLERS: tuple[Any, ...] = (live, ready, metrics)
