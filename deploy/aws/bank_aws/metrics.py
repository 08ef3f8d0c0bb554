"""Metrics that are counted from log lines, as data: which field of which line.

A test writes the real lines and checks that each field exists in them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class LogMetric:
    """A metric filter.

    Attributes:
        name: metric name.
        log: log group, one of `jobs.LOGS`.
        pattern: filter pattern over JSON fields.
        value: what is counted per line: `1`, or a field.
    """

    name: str
    log: str
    pattern: str
    value: str = "1"


METRICS: Final = (
    LogMetric("Decisions", "app", '{ $.decision_id = "*" }'),
    LogMetric("DecisionMilliseconds", "app", '{ $.decision_id = "*" }', "$.ms"),
    LogMetric("ServerErrors", "app", "{ $.status >= 500 }"),
    LogMetric("ChampionRefused", "app", '{ $.level = "critical" }'),
    LogMetric("RunFailures", "runs", '{ $.event_type = "RUN_FAILURE" }'),
    LogMetric(
        "GatesRed", "runs", '{ $.event_type = "ASSET_CHECK_EVALUATION" && $.severity = "ERROR" && $.passed IS FALSE }'
    ),
    LogMetric("StatesPublished", "runs", '{ $.event_type = "ASSET_MATERIALIZATION" && $.asset = "as_of_state" }'),
    LogMetric("ModelsPromoted", "runs", '{ $.event_type = "ASSET_MATERIALIZATION" && $.asset = "champion_model" }'),
    LogMetric("DaemonErrors", "dagster", '{ $.level = "error" }'),
)
