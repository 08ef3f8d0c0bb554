"""Jobs: named selections of assets."""

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
# Tag of every run of every job here. The instance executes one such run at a time, because two would read each other's
# half-changed tables, and would not be faster on two cores.
TAG_LOOP: Final = "bank/loop"


def _job(name: str, selection: dg.AssetSelection, description: str, **options: Any) -> Any:
    tags = {TAG_LOOP: name.removesuffix("_job")}
    return dg.define_asset_job(name, selection, description=description, tags=tags, **options)


@cache
def all_jobs() -> tuple[Any, ...]:
    """Every job of the platform; cached, because definitions and sensors must refer to the same objects."""
    groups, assets = dg.AssetSelection.groups, dg.AssetSelection.assets
    return (
        _job(MAIN, dg.AssetSelection.all(), "The whole journey: deliveries to a champion and a ranked call list."),
        _job(
            NIGHTLY,
            groups(*DATA_STAGES, "scoring"),
            "Every night without training: deliveries, gates, drift, performance, state and lists.",
        ),
        _job(DATA, groups(*DATA_STAGES), "New deliveries to tables, gates, drift and performance."),
        _job(
            PERFORMANCE,
            groups("performance", "scoring") | assets("drift_report"),
            "Performance, state and lists under the champion.",
        ),
        _job(
            REFIT,
            assets("training_set", "challenger", "champion_scores", "champion_model") | groups("scoring"),
            "The champion's recipe fitted on fresh data, and the new champion if it passes its gate.",
            config={"ops": {"challenger": {"config": {"mode": "refit"}}}},
        ),
        _job(
            SEARCH,
            groups("features", "training", "evaluation", "promotion", "scoring"),
            "All candidates compared; the best is the new champion if it passes its gate.",
        ),
        _job(SCORING, groups("scoring"), "Campaign files scored and ranked."),
    )
