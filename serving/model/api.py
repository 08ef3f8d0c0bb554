"""`/api/v1/model`: the champion, its history, rollback."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated, Any

from litestar import Controller, Request, get, post
from litestar.di import NamedDependency
from litestar.params import QueryParameter, RawBody
from sqlalchemy import Engine

from bank_assets.contract.names import MODEL_NAME
from bank_assets.core.model.scorer import BundleError
from bank_assets.ledger import promotions
from bank_assets.store.registry import Registry
from serving.champion.champion import ChampionStore
from serving.champion.watcher import Watcher
from serving.model.schemas import ModelHistory, ModelInfo, PromotionEntry, RollbackRequest
from serving.web.access import identity_of
from serving.web.answers import from_record
from serving.web.bodies import JsonBody
from serving.web.openapi import secured
from serving.web.problems import ConflictError

SWAP_SECONDS = 5.0
BODY = JsonBody(
    RollbackRequest,
    example={"version": "1", "reason": "complaints about version 2"},
    scope="admin",
    problems=(404, 409),
)


class ModelController(Controller):
    """Which model answers, which did, and how to go back."""

    path = "/api/v1/model"
    tags = ("model",)

    @get("/", operation_id="get_model", **secured(""), summary="The champion")
    async def info(self, store: NamedDependency[ChampionStore]) -> ModelInfo:
        """Version, digest, training, metrics, thresholds."""
        return model_info(store)

    @get(
        "/history",
        operation_id="get_model_history",
        **secured(""),
        sync_to_thread=True,
        summary="Who was champion when",
    )
    def history(
        self, ledger: NamedDependency[Engine], limit: Annotated[int, QueryParameter(ge=1, le=1_000)] = 100
    ) -> ModelHistory:
        """Every verdict of the promotion gate and every rollback, newest first."""
        return ModelHistory([from_record(PromotionEntry, one) for one in promotions.history(ledger, limit=limit)])

    @post(
        "/rollback",
        operation_id="roll_back_model",
        **BODY.route,
        status_code=200,
        request_max_body_size=65_536,
        summary="Make an earlier version the champion again",
    )
    async def rollback(
        self,
        request: Request[Any, Any, Any],
        body: RawBody,
        ledger: NamedDependency[Engine],
        registry: NamedDependency[Registry],
        watcher: NamedDependency[Watcher],
        store: NamedDependency[ChampionStore],
    ) -> PromotionEntry:
        """Moves the alias in the registry and appends to the history; every process swaps within seconds."""
        data = BODY.read(body, request.scope["headers"])
        row = await roll_back_and_wait(ledger, registry, watcher, store, data, identity_of(request).name)
        return from_record(PromotionEntry, row)


async def roll_back_and_wait(
    ledger: Engine, registry: Registry, watcher: Watcher, store: ChampionStore, requested: RollbackRequest, actor: str
) -> promotions.Promotion:
    """Roll back, and wait some seconds until this process answers with the version; errors are those of `roll_back`."""
    row = await asyncio.to_thread(roll_back, ledger, registry, store, requested, actor)
    watcher.wake()
    deadline = time.monotonic() + SWAP_SECONDS
    while time.monotonic() < deadline and (store.champion is None or store.champion.version != requested.version):
        await asyncio.sleep(0.05)
    return row


def roll_back(
    engine: Engine, registry: Registry, store: ChampionStore, requested: RollbackRequest, actor: str
) -> promotions.Promotion:
    """Move the alias and record it; shared by the route and the model page.

    Raises:
        ConflictError: the version was only ever refused, cannot be used by this app, or is the champion already.
        UnknownVersionError, RegistryUnavailableError: see `Registry.move_champion`.
    """
    version = requested.version
    verdicts = promotions.of_version(engine, version)
    if verdicts and all(row.decision == "refused" for row in verdicts):
        # A rollback is the way around the gates for versions that passed one; a refused version has no evidence for it.
        raise ConflictError(
            f"rollback: expected a version that was champion before, found {version}, which the gate refused "
            f"({'; '.join(verdicts[0].reasons)}); choose an earlier champion."
        )
    try:
        store.usable(registry.get(version), registry)
    except BundleError as error:
        raise ConflictError(f"rollback: expected a version that this app can use, found {version}: {error}") from error
    before = registry.move_champion(version)
    if before == version:
        raise ConflictError(f"rollback: expected another version than the champion, found {version}.")
    return promotions.record(
        engine,
        kind="rollback",
        decision="promoted",
        from_version=before,
        to_version=version,
        reasons=[requested.reason],
        evidence={},
        actor=actor,
    )


def model_info(store: ChampionStore) -> ModelInfo:
    """The champion as the API and the model page show it."""
    champion = store.current
    document = champion.decision
    recipe = document.get("recipe", {})
    return from_record(
        ModelInfo,
        champion,
        name=MODEL_NAME,
        mlflow_run_id=champion.run_id,
        is_registry_reachable=store.is_registry_reachable,
        registry_message=store.message,
        algorithm=recipe.get("algorithm", "unknown"),
        sampler=recipe.get("sampler", "unknown"),
        hyper_parameters=recipe.get("parameters", {}),
        as_of=store.published.as_of if store.published else None,
        recalibration=store.published.recalibration if store.published else None,
        **{name: document.get(name, {}) for name in ("economics", "thresholds", "metrics", "training", "importance")},
    )
