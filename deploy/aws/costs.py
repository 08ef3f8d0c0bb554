"""The monthly cost of an environment at list price: `python deploy/aws/costs.py` prints the table of docs/aws.md.

Sizes come from cdk.json; prices and usage are assumptions, each stated once here. Prices are AWS list prices of EU
(Ireland) in USD, without tax, discounts and free tiers, noted from the public price pages in 2025. Check them before
you rely on one.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parent))

from bank_aws.environments import Environment, read_environments

HOURS: Final = 730
"""Hours of a month, as AWS counts them."""

CPU_HOUR: Final = 0.04048
MEMORY_HOUR: Final = 0.004445
"""Fargate, Linux on x86, per vCPU and per GiB."""
NAT_HOUR, NAT_GIB = 0.048, 0.048
BALANCER_HOUR, CAPACITY_UNIT_HOUR = 0.0252, 0.008
DATABASE_HOUR: Final = {"t4g.micro": 0.017, "t4g.medium": 0.07, "m7g.large": 0.185}
"""RDS for PostgreSQL in one zone; a standby doubles it."""
DATABASE_GIB: Final = 0.127
FILES_GIB, OBJECT_GIB, IMAGE_GIB = 0.33, 0.023, 0.10
LOG_GIB, METRIC, ALARM = 0.57, 0.30, 0.10
SECRET, KEY, COPY_GIB, ZONE = 0.40, 1.00, 0.0125, 0.50

RUN_HOURS: Final = {"dev": 15, "prod": 45}
"""Hours a month in which a Dagster run is at work: half an hour a night, three times that with retraining."""
HOME_GIB: Final = {"dev": 1, "prod": 5}
"""Home on the file system: register, reports, deliveries on their way."""
DATA_GIB: Final = {"dev": 5, "prod": 50}
"""Tables, delivered text and artifacts in the buckets."""
TRAFFIC_GIB: Final = {"dev": 20, "prod": 100}
"""Through NAT: image layers, logs, alerts."""
LOGS_GIB: Final = {"dev": 2, "prod": 20}
CAPACITY_UNITS: Final = {"dev": 0.1, "prod": 1.0}
IMAGES_GIB: Final = 30
SERVICES_ON_PLATFORM_SIZE: Final = 3
"""Web server, daemon, code location; MLflow is counted by its own number."""
METRICS, ALARMS = 40, 12
SECRETS, KEYS = 8, 2


def _task(cpu: int, memory_mib: int, hours: float) -> float:
    return hours * (cpu / 1024 * CPU_HOUR + memory_mib / 1024 * MEMORY_HOUR)


def estimate(environment: Environment) -> dict[str, float]:
    """Cost by part, USD a month.

    Args:
        environment: sizes.
    """
    name = environment.name if environment.name in DATA_GIB else "prod"
    platform = _task(environment.platform_cpu, environment.platform_memory_mib, HOURS)
    zones = 2 if environment.is_database_multi_az else 1
    return {
        "app tasks (the least that run)": environment.app_min_tasks
        * _task(environment.app_cpu, environment.app_memory_mib, HOURS),
        "Dagster web server, daemon, code location": SERVICES_ON_PLATFORM_SIZE * platform,
        "MLflow": environment.mlflow_tasks * platform,
        "Dagster runs": _task(environment.run_cpu, environment.run_memory_mib, RUN_HOURS[name]),
        "database": zones
        * (HOURS * DATABASE_HOUR[environment.database_instance] + environment.database_storage_gib * DATABASE_GIB),
        "load balancers": 2 * HOURS * (BALANCER_HOUR + CAPACITY_UNITS[name] * CAPACITY_UNIT_HOUR),
        "NAT": environment.nat_gateways * HOURS * NAT_HOUR + TRAFFIC_GIB[name] * NAT_GIB,
        "files, buckets, images, copies": HOME_GIB[name] * (FILES_GIB + COPY_GIB)
        + DATA_GIB[name] * OBJECT_GIB
        + IMAGES_GIB * IMAGE_GIB,
        "logs, metrics, alarms": LOGS_GIB[name] * LOG_GIB + METRICS * METRIC + ALARMS * ALARM,
        "secrets, keys, private DNS": SECRETS * SECRET + KEYS * KEY + ZONE,
    }


def table(environments: list[Environment]) -> str:
    """The estimates side by side, as Markdown."""
    columns = [estimate(environment) for environment in environments]
    lines = [
        "| USD a month | " + " | ".join(environment.name for environment in environments) + " |",
        "|---|" + "---:|" * len(environments),
    ]
    lines += [f"| {part} | " + " | ".join(f"{column[part]:,.0f}" for column in columns) + " |" for part in columns[0]]
    lines.append("| **total** | " + " | ".join(f"**{sum(column.values()):,.0f}**" for column in columns) + " |")
    return "\n".join(lines)


def main() -> int:
    """Print the table.

    Returns:
        Exit code.
    """
    context = json.loads((Path(__file__).resolve().parent / "cdk.json").read_text())["context"]
    print(table(read_environments(context["environments"])))
    return 0


if __name__ == "__main__":
    sys.exit(main())
