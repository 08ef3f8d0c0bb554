"""Whether the loop has anything left to do, for callers that land a file and wait."""

from dataclasses import dataclass

import dagster as dg
from sqlalchemy import Engine

from bank_assets.core.response.loop import FITS, days_to_judge
from bank_assets.core.response.policy import ResponseState
from bank_assets.landing.deliveries import landing_is_missing
from bank_assets.landing.header import KINDS
from bank_assets.ledger import responses
from bank_assets.loop.deliveries import due_campaigns, due_months, register
from bank_assets.loop.requests import in_flight
from bank_assets.loop.response import has_verdict
from bank_assets.settings import Settings
from bank_assets.store.champion_history import ChampionHistory
from bank_assets.store.contact_store import ContactStore
from bank_assets.store.lineage import passed_months, stale_scores
from bank_assets.store.lineage import state as published_state
from bank_assets.store.warehouse import Warehouse


@dataclass(frozen=True, slots=True)
class LoopStatus:
    """What is left, one sentence per kind of work."""

    left: tuple[str, ...]

    @property
    def is_idle(self) -> bool:
        """Whether nothing is left."""
        return not self.left


def look(settings: Settings, engine: Engine, instance: dg.DagsterInstance) -> LoopStatus:
    """What the loop has left to do; registers complete files and changes nothing else.

    Raises:
        LandingError: the landing folder cannot be read.
    """
    left = [f"{run.job_name} {run.run_id[:8]} {run.status.value.lower()}" for run in in_flight(instance)]
    if not landing_is_missing(settings.landing):
        left += [f"{name} is still being written" for name in register(settings, KINDS).incomplete]
    left += [f"{month} is not in the tables" for month in due_months(settings)]
    store, champions = Warehouse(settings.warehouse), ChampionHistory.of(engine)
    months = passed_months(store)
    if months and not left:
        left += _judged(settings, engine, store, champions, months)
    return LoopStatus(tuple(left))


def _judged(
    settings: Settings, engine: Engine, store: Warehouse, champions: ChampionHistory, months: list[str]
) -> list[str]:
    if champions.current is None:
        return []
    left = [f"scores of {month} are stale" for month in stale_scores(store, champions)]
    last = responses.latest(engine)
    if last is not None and last.action in FITS and not has_verdict(engine, last):
        left.append(f"{last.action} of {last.as_of} is not done")
    newest = ContactStore(store, settings.contract).learning_as_of(settings.landing, months)
    state = ResponseState() if last is None else ResponseState.from_json(last.state)
    dates = store.read("contacts", months, ["contact_date"]).column("contact_date").to_numpy()
    known = state if state.deployed_on else ResponseState(deployed_on=str(champions.starts[-1]))
    days = days_to_judge(dates.astype("datetime64[D]"), newest, known)
    left += [f"{len(days)} day(s) up to {days[-1]} are not judged"] if len(days) else []
    if not published_state(store, champions, newest).is_current:
        left.append("the state is not published")
    left += [f"{delivery.name} is not scored" for delivery in due_campaigns(settings)]
    return left
