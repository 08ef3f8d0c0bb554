"""The objects of one app, which handlers receive by name (`NamedDependency[...]`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from litestar.di import Provide
from sqlalchemy import Engine

from bank_assets.core.economics.economics import Economics
from bank_assets.store.registry import Registry
from serving.campaigns.call_lists import CallLists
from serving.champion.champion import ChampionStore
from serving.champion.watcher import Watcher
from serving.customers.suppressions import Suppressions
from serving.decisions.deciding import Decider
from serving.decisions.payloads import Payloads
from serving.decisions.recorder import Recorder
from serving.decisions.records import Records
from serving.decisions.scoring import DecisionMaker
from serving.lifecycle import Lifecycle
from serving.monitoring.reports import Reports
from serving.settings import ServingSettings
from serving.web.access import Access
from serving.web.log_ins import LogIns
from serving.web.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Services:
    """The objects behind one app; also at `app.state.services`, for tests and for pages."""

    settings: ServingSettings
    ledger: Engine
    economics: Economics
    payloads: Payloads
    store: ChampionStore
    registry: Registry
    watcher: Watcher
    suppressions: Suppressions
    recorder: Recorder
    maker: DecisionMaker
    decider: Decider
    records: Records
    access: Access
    log_ins: LogIns
    meters: Metrics
    lifecycle: Lifecycle
    reports: Reports
    call_lists: CallLists


def providers(services: Services) -> dict[str, Provide]:
    """Providers by parameter name."""

    def give(value: Any) -> Provide:
        return Provide(lambda: value, sync_to_thread=False)

    return {name: give(getattr(services, name)) for name in Services.__slots__}
