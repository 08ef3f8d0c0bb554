"""Jobs: named selections of assets.

What lives here: which assets belong to which kind of run. What must not: schedules, sensors.
"""

from functools import cache
from typing import Any, Final

import dagster as dg

MAIN: Final = "main_job"
NIGHTLY: Final = "nightly_job"
DATA: Final = "data_job"
PERFORMANCE: Final = "performance_job"
REFIT: Final = "refit_job"
SEARCH: Final = "search_job"
SCORING: Final = "scoring_job"

DATA_STAGES: Final = ("raw", "tables", "validation", "drift", "performance")
TAG_LOOP: Final = "bank/loop"
"""On every run of every job here. The instance lets one such run work at a time: two would read each other's tables
half changed, and two cores are not faster than one after the other."""


def _tags(kind: str) -> dict[str, str]:
    return {TAG_LOOP: kind}


def _groups(*names: str) -> dg.AssetSelection:
    return dg.AssetSelection.groups(*names)


@cache
def all_jobs() -> tuple[Any, ...]:
    """Every job of the platform; the same objects each time, since definitions and sensors must name the same ones."""
    refit = dg.AssetSelection.assets(
        "training_set", "challenger", "champion_scores", "champion_model", "as_of_state", "batch_scores", "call_list"
    )
    return (
        dg.define_asset_job(
            MAIN,
            dg.AssetSelection.all(),
            description="The whole journey: deliveries to a champion and a ranked call list.",
            tags=_tags("main"),
        ),
        dg.define_asset_job(
            NIGHTLY,
            _groups(*DATA_STAGES, "scoring"),
            description="Every night without training: deliveries, gates, drift, performance, state and lists.",
            tags=_tags("nightly"),
        ),
        dg.define_asset_job(
            DATA,
            _groups(*DATA_STAGES),
            description="New deliveries to tables, gates, drift and performance.",
            tags=_tags("data"),
        ),
        dg.define_asset_job(
            PERFORMANCE,
            _groups("performance", "scoring") | dg.AssetSelection.assets("drift_report"),
            description="Performance, state and lists under the champion in force.",
            tags=_tags("performance"),
        ),
        dg.define_asset_job(
            REFIT,
            refit,
            description="The champion's recipe fitted on fresh data, judged and put in charge.",
            config={"ops": {"challenger": {"config": {"mode": "refit"}}}},
            tags=_tags("refit"),
        ),
        dg.define_asset_job(
            SEARCH,
            _groups("features", "training", "evaluation", "promotion", "scoring"),
            description="All candidates compared, the best judged and put in charge.",
            tags=_tags("search"),
        ),
        dg.define_asset_job(
            SCORING, _groups("scoring"), description="Campaign files scored and ranked.", tags=_tags("scoring")
        ),
    )
