"""Whether the loop has anything left to do, for callers that land a file and wait."""

import dagster as dg
from sqlalchemy import Engine

from bank_assets.landing.folders import landing_is_missing
from bank_assets.landing.header import KINDS
from bank_assets.loop.deliveries import due_campaigns, due_months, register
from bank_assets.loop.requests import in_flight
from bank_assets.loop.response import ResponseLoop
from bank_assets.settings import Settings
from bank_assets.store.champion_history import ChampionHistory


def work_left(settings: Settings, engine: Engine, instance: dg.DagsterInstance) -> list[str]:
    """What the loop has left to do, one sentence per kind of work; registers complete files and changes nothing else.

    Raises:
        LandingError: the landing folder cannot be read.
    """
    left = [f"{run.job_name} {run.run_id[:8]} {run.status.value.lower()}" for run in in_flight(instance)]
    if not landing_is_missing(settings.landing, settings.landing_bucket):
        left += [f"{name} is still being written" for name in register(settings, engine, KINDS).incomplete]
    left += [f"{month} is not in the tables" for month in due_months(settings)]
    if left or ChampionHistory.of(engine).current is None:
        return left
    unscored = [f"{delivery.name} is not scored" for delivery in due_campaigns(settings)]
    return ResponseLoop(settings, engine, instance).left() + unscored
