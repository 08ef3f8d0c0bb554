"""Retention of log groups: CloudWatch accepts only certain numbers of days, the CDK only their names."""

from __future__ import annotations

from aws_cdk import aws_logs as logs

from bank_aws.environments import RETENTIONS, Environment

_NAMES = (
    logs.RetentionDays.ONE_WEEK,
    logs.RetentionDays.TWO_WEEKS,
    logs.RetentionDays.ONE_MONTH,
    logs.RetentionDays.THREE_MONTHS,
    logs.RetentionDays.ONE_YEAR,
    logs.RetentionDays.TWO_YEARS,
)


def retention(environment: Environment) -> logs.RetentionDays:
    """How long an environment keeps its logs."""
    return dict(zip(RETENTIONS, _NAMES, strict=True))[environment.log_days]
