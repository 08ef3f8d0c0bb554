"""What handlers may ask for by name, in one place.

What lives here: `Services`, the objects of one app, and the providers made from it. What must not: logic.
Called by `app.create_app`; handlers declare `NamedDependency[...]` with these names.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from litestar.di import Provide
from sqlalchemy import Engine

from bank_assets.core.economics.economics import Economics
from bank_assets.store.registry import Registry
from serving.champion.champion import ChampionStore
from serving.champion.watcher import Watcher
from serving.customers.suppressions import Suppressions
from serving.decisions.batches import Batches
from serving.decisions.deciding import Decider
from serving.decisions.explaining import Explaining
from serving.decisions.payloads import Payloads
from serving.decisions.recorder import Recorder
from serving.decisions.replaying import Replayer
from serving.lifecycle import Lifecycle
from serving.settings import ServingSettings
from serving.web.access import Access
from serving.web.log_ins import LogIns
from serving.web.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Services:
    """The objects behind one app; also at `app.state.services`, for tests and for pages.

    Attributes:
        settings: of this deployment.
        ledger: the open ledger.
        economics: the platform's cost and value.
        payloads: the contract that requests are read by.
        store: model and as-of state in force.
        registry: MLflow, or a test's own.
        watcher: keeps the store current.
        suppressions: customers who objected.
        recorder: puts decisions on record.
        decider: single requests.
        batches: uploads.
        replayer: recorded decisions again.
        explaining: reasons of a decision.
        access: identities.
        log_ins: password checks.
        meters: Prometheus.
        lifecycle: whether this process still wants requests.
    """

    settings: ServingSettings
    ledger: Engine
    economics: Economics
    payloads: Payloads
    store: ChampionStore
    registry: Registry
    watcher: Watcher
    suppressions: Suppressions
    recorder: Recorder
    decider: Decider
    batches: Batches
    replayer: Replayer
    explaining: Explaining
    access: Access
    log_ins: LogIns
    meters: Metrics
    lifecycle: Lifecycle


def providers(services: Services) -> dict[str, Provide]:
    """Providers by parameter name."""

    def give(value: Any) -> Provide:
        return Provide(lambda: value, sync_to_thread=False)

    return {name: give(getattr(services, name)) for name in Services.__slots__}
