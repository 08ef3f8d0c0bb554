"""Sizes and guarantees of an environment, read from the CDK context and validated.

`app.py`, every stack and the cost estimate read them here, so a size is stated once (cdk.json, or `-c
environments=...`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

HOME: Final = "/var/lib/bank"
"""`BANK_HOME` in both images, and where the file system is mounted."""
USER: Final = "10001"
"""User and group of both images; owns the home on the file system."""
RETENTIONS: Final = (7, 14, 30, 90, 365, 731)
"""Days that CloudWatch can keep logs for, as far as we use them."""
DATABASES: Final = ("ledger", "dagster", "mlflow")
"""Databases, each with an owner of its own name who may enter no other."""

SETTINGS: Final = {
    "BANK_SOURCE", "BANK_SOURCE_QUERY", "BANK_SOURCE_WATERMARK", "BANK_SOURCE_PASSWORD_FILE", "BANK_PULL_CRON",
    "BANK_CONTRACT",
    "BANK_COST_EUR", "BANK_VALUE_EUR", "BANK_REJECT_RATE_LIMIT", "BANK_OBJECTIVE", "BANK_THRESHOLD",
    "BANK_SEARCH", "BANK_SEARCH_MINUTES", "BANK_CANDIDATES", "BANK_PROBATION", "BANK_TRAIN_NIGHTLY",
    "BANK_LEARNING_SHARE", "BANK_LEARNING_MINIMUM", "BANK_LEARNING_EUR", "BANK_LEARNING_ROWS",
    "BANK_BUDGET_EUR", "BANK_TIMEZONE", "BANK_QUIET_DAYS", "BANK_SENSORS_RUNNING", "BANK_SENSOR_SECONDS",
    "BANK_ALERT_ROUTES", "BANK_ATTRIBUTION_DAYS",
    "BANK_SETTLE_SECONDS", "BANK_SIMULATED_ROWS", "BANK_SEED", "BANK_ALLOWED_HOSTS", "BANK_SESSION_HOURS",
    "BANK_POLL_SECONDS", "BANK_MAX_WAITING", "BANK_FEEDBACK", "BANK_SPONTANEOUS_SHARE", "BANK_WEBHOOK_SECRETS_FILE",
    "BANK_CONTACT_POLICY",
}  # fmt: skip
"""Settings that an environment may state: those of the platform and the app that no stack sets."""


class EnvironmentSettingsError(ValueError):
    """The context states an environment that cannot be built; the message says what was expected and found."""


@dataclass(frozen=True, slots=True)
class Environment:
    """One deployment.

    Attributes:
        name: `dev`, `prod` or another short word.
        nat_gateways: ways out of the private subnets; one per zone survives the loss of a zone.
        app_cpu: CPU units of an app task (1,024 is one core).
        app_memory_mib: its memory, MiB.
        app_min_tasks: app tasks that always run, at least 2.
        app_max_tasks: most app tasks.
        platform_cpu: CPU units of the web server, daemon, code location and MLflow tasks.
        platform_memory_mib: their memory, MiB.
        mlflow_tasks: MLflow servers.
        run_cpu: CPU units of a Dagster run.
        run_memory_mib: its memory, MiB.
        database_instance: RDS instance class without `db.`.
        database_storage_gib: storage at the start, GiB.
        database_max_storage_gib: storage it may grow to, GiB.
        is_database_multi_az: keep a standby in another zone.
        backup_days: how far back the database can be restored.
        is_protected: data cannot be deleted with its stack.
        log_days: retention of logs.
        alarm_latency_ms: p99 of the app above which an alarm is raised.
        settings: variables of code location, runs and app, such as `BANK_COST_EUR`; all values are text.
    """

    name: str
    nat_gateways: int
    app_cpu: int
    app_memory_mib: int
    app_min_tasks: int
    app_max_tasks: int
    platform_cpu: int
    platform_memory_mib: int
    mlflow_tasks: int
    run_cpu: int
    run_memory_mib: int
    database_instance: str
    database_storage_gib: int
    database_max_storage_gib: int
    is_database_multi_az: bool
    backup_days: int
    is_protected: bool
    log_days: int
    alarm_latency_ms: int
    settings: dict  # text by name

    def __post_init__(self) -> None:
        """Refuse values that would break a guarantee of the platform."""
        if not (self.name.isascii() and self.name.isalnum() and self.name.islower() and len(self.name) <= 8):
            raise EnvironmentSettingsError(
                f"environment: expected a name of up to 8 small letters, found {self.name!r}."
            )
        if not 2 <= self.app_min_tasks <= self.app_max_tasks:
            raise EnvironmentSettingsError(
                f"{self.name}: expected 2 <= app_min_tasks <= app_max_tasks, as one task cannot be replaced "
                f"without a gap, found {self.app_min_tasks} and {self.app_max_tasks}."
            )
        if self.log_days not in RETENTIONS:
            raise EnvironmentSettingsError(
                f"{self.name}: expected log_days as one of {RETENTIONS}, found {self.log_days}."
            )
        for name, value in self.settings.items():
            if name not in SETTINGS or not isinstance(value, str):
                raise EnvironmentSettingsError(
                    f"{self.name}: expected settings as text under one of the names {sorted(SETTINGS)}, found "
                    f"{name}: {value!r}; what is missing there is set by the stacks or kept as a secret."
                )

    @property
    def prefix(self) -> str:
        """Start of every name."""
        return f"bank-{self.name}"

    @property
    def run_family(self) -> str:
        """Task definition family of Dagster runs."""
        return f"{self.prefix}-run"

    @property
    def migrate_family(self) -> str:
        """Task definition family of the one-off task that prepares the databases before a new version starts."""
        return f"{self.prefix}-migrate"

    @property
    def namespace(self) -> str:
        """Private DNS zone in which tasks find each other."""
        return f"{self.prefix}.internal"


def read_environments(context: Mapping[str, Any]) -> list[Environment]:
    """The environments of a context.

    Args:
        context: the value of `environments`.

    Raises:
        EnvironmentSettingsError: a field is missing, unknown, of another type, or breaks a guarantee.
    """
    fields = {field.name: field.type for field in dataclasses.fields(Environment) if field.name != "name"}
    made = []
    for name, stated in context.items():
        if set(stated) != set(fields):
            raise EnvironmentSettingsError(
                f"{name}: expected the fields of deploy/aws/cdk.json, found missing "
                f"{sorted(set(fields) - set(stated))}, unknown {sorted(set(stated) - set(fields))}."
            )
        for field, kind in fields.items():
            if type(stated[field]).__name__ != kind:
                raise EnvironmentSettingsError(f"{name}: expected {field} as {kind}, found {stated[field]!r}.")
        made.append(Environment(name=name, **stated))
    return made
