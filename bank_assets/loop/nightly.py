"""The runs of a night."""

from sqlalchemy import Engine

from bank_assets.jobs import MAIN, NIGHTLY, PERFORMANCE
from bank_assets.landing.deliveries import landing_is_missing
from bank_assets.landing.header import KINDS
from bank_assets.loop.deliveries import (
    due_months,
    due_outcome_months,
    newest_month,
    raw_config,
    register,
)
from bank_assets.loop.requests import RunWanted, ranges_of
from bank_assets.settings import Settings
from bank_assets.store.lineage import REPORTED_OUTCOMES


def nightly_wanted(settings: Settings, engine: Engine) -> list[RunWanted]:
    """Runs of one night, in the order in which they should be made; empty if nothing was ever delivered.

    The newest month of data is always among them: its outcomes mature, and its scores and the state follow. Outcomes
    reported to the app lie in the month of their arrival, which may be years later; they come first, because scores and
    training read them.

    Raises:
        LandingError: the landing folder cannot be read.
    """
    if not landing_is_missing(settings.landing):
        register(settings, KINDS)
    newest = newest_month(settings)
    if newest is None:
        return []
    reported = due_outcome_months(settings, engine)
    months = [*due_months(settings), newest]
    joined = ranges_of([*months, *reported])
    data = [found for found in joined if any(found[0] <= month <= found[1] for month in months)]
    alone = [found for found in joined if found not in data]
    job = MAIN if settings.train_nightly else NIGHTLY
    wanted = [
        RunWanted(
            PERFORMANCE,
            "outcomes told to the app",  # part of the run key
            "outcomes reported to the app",
            found,
            assets=[REPORTED_OUTCOMES.name],
        )
        for found in alone
    ]
    wanted += [
        RunWanted(job, "night", f"the night's work on {first} to {last}", (first, last), raw_config(settings))
        for first, last in data
    ]
    return wanted
