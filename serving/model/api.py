"""`/api/v1/model`: the champion, its history, rollback. HTTP only."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from typing import Annotated, Any

from litestar import Controller, Request, get, post
from litestar.di import NamedDependency
from litestar.params import QueryParameter, RawBody
from sqlalchemy import Engine

from bank_assets.contract.names import MODEL_NAME
from bank_assets.ledger import promotions
from bank_assets.store.registry import Registry
from serving.champion.champion import ChampionStore
from serving.champion.watcher import Watcher
from serving.model.schemas import ModelHistory, ModelInfo, PromotionEntry, RollbackRequest
from serving.web.access import identity_of, needs
from serving.web.bodies import JsonBody
from serving.web.openapi import operation
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

    @get("/", operation_id="get_model", operation_class=operation(), summary="The model in force")
    async def info(self, store: NamedDependency[ChampionStore]) -> ModelInfo:
        """Version, digest, training, metrics, thresholds."""
        return model_info(store)

    @get(
        "/history",
        operation_id="get_model_history",
        operation_class=operation(),
        sync_to_thread=True,
        summary="Who was champion when",
    )
    def history(
        self, ledger: NamedDependency[Engine], limit: Annotated[int, QueryParameter(ge=1, le=1_000)] = 100
    ) -> ModelHistory:
        """Every verdict of the promotion gate and every rollback, newest first."""
        return ModelHistory([PromotionEntry(**dataclasses.asdict(p)) for p in promotions.history(ledger, limit=limit)])

    @post(
        "/rollback",
        operation_id="roll_back_model",
        operation_class=BODY.operation,
        guards=[needs("admin")],
        status_code=200,
        request_max_body_size=65_536,
        summary="Put an earlier version in force",
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
        row = await asyncio.to_thread(roll_back, ledger, registry, data.version, data.reason, identity_of(request).name)
        watcher.wake()
        deadline = time.monotonic() + SWAP_SECONDS
        while time.monotonic() < deadline and (store.champion is None or store.champion.version != data.version):
            await asyncio.sleep(0.05)
        return PromotionEntry(**dataclasses.asdict(row))


def roll_back(engine: Engine, registry: Registry, version: str, reason: str, actor: str) -> promotions.Promotion:
    """Move the alias and record it; shared by the route and the model page.

    Args:
        engine: the ledger.
        registry: where the alias is.
        version: version to put in force.
        reason: why.
        actor: who.

    Returns:
        The row in the history.

    Raises:
        ConflictError: the version was only ever refused, or is in force already.
        UnknownVersionError, RegistryUnavailableError: see `Registry.move_champion`.
    """
    verdicts = promotions.of_version(engine, version)
    if verdicts and all(row.decision == "refused" for row in verdicts):
        # A rollback is the way around the gates for versions that passed one; a refused version has no evidence for it.
        raise ConflictError(
            f"rollback: expected a version that was in force before, found {version}, which the gate refused "
            f"({'; '.join(verdicts[0].reasons)}); choose an earlier champion."
        )
    before = registry.move_champion(version)
    if before == version:
        raise ConflictError(f"rollback: expected another version than the one in force, found {version}.")
    return promotions.record(
        engine,
        kind="rollback",
        decision="promoted",
        from_version=before,
        to_version=version,
        reasons=[reason],
        evidence={},
        actor=actor,
    )


def model_info(store: ChampionStore) -> ModelInfo:
    """The champion as the API and the model page show it.

    Raises:
        ChampionUnavailableError: there is none.
    """
    champion = store.current
    document = champion.decision
    recipe = document.get("recipe", {})
    return ModelInfo(
        name=MODEL_NAME,
        version=champion.version,
        digest=champion.digest,
        mlflow_run_id=champion.run_id,
        loaded_at=champion.loaded_at,
        is_registry_reachable=store.is_registry_reachable,
        registry_message=store.message,
        algorithm=recipe.get("algorithm", "unknown"),
        sampler=recipe.get("sampler", "unknown"),
        hyper_parameters=recipe.get("parameters", {}),
        economics=document.get("economics", {}),
        thresholds=document.get("thresholds", {}),
        metrics=document.get("metrics", {}),
        training=document.get("training", {}),
        importance=document.get("importance", {}),
        as_of=store.published.as_of if store.published else None,
        is_on_probation=champion.is_on_probation,
        recalibration=store.published.recalibration if store.published else None,
    )
