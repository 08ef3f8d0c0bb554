"""Retention of log groups. CloudWatch knows only some numbers of days, and the CDK only their names."""

from __future__ import annotations

from typing import Final

from aws_cdk import aws_logs as logs

from bank_aws.environments import Environment, EnvironmentSettingsError

DAYS: Final = {
    7: logs.RetentionDays.ONE_WEEK,
    14: logs.RetentionDays.TWO_WEEKS,
    30: logs.RetentionDays.ONE_MONTH,
    90: logs.RetentionDays.THREE_MONTHS,
    365: logs.RetentionDays.ONE_YEAR,
    731: logs.RetentionDays.TWO_YEARS,
}


def retention(environment: Environment) -> logs.RetentionDays:
    """How long an environment keeps its logs.

    Raises:
        EnvironmentSettingsError: CloudWatch has no such retention.
    """
    if environment.log_days not in DAYS:
        raise EnvironmentSettingsError(
            f"{environment.name}: expected log_days as one of {sorted(DAYS)}, found {environment.log_days}."
        )
    return DAYS[environment.log_days]
