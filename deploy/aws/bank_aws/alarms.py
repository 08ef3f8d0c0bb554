"""Alarms with their thresholds and reasons, and the one that rolls a bad version back."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_elasticloadbalancingv2 as elb
from constructs import Construct

from bank_aws.environments import Environment

ABOVE = cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD
BELOW = cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD


def app_rollback_alarm(
    scope: Construct, environment: Environment, balancer: elb.ApplicationLoadBalancer
) -> cloudwatch.Alarm:
    """More than ten 5xx answers of the app in each of two minutes: a running deployment is rolled back."""
    return cloudwatch.Alarm(
        scope,
        "AppErrorsInDeployment",
        alarm_name=f"{environment.prefix}-app-5xx",
        alarm_description="The app answers with 5xx; a running deployment is rolled back by itself.",
        metric=balancer.metrics.http_code_target(
            elb.HttpCodeTarget.TARGET_5XX_COUNT, period=cdk.Duration.minutes(1), statistic="Sum"
        ),
        threshold=10,
        evaluation_periods=2,
        comparison_operator=ABOVE,
        treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
    )


def alarm(
    scope: Construct,
    environment: Environment,
    name: str,
    description: str,
    metric: cloudwatch.IMetric,
    threshold: float,
    *,
    periods: int = 1,
    operator: cloudwatch.ComparisonOperator = ABOVE,
    is_silence_bad: bool = False,
) -> cloudwatch.Alarm:
    """An alarm.

    Args:
        scope: construct scope.
        environment: names.
        name: short name.
        description: what is wrong and where to look; people read it at night.
        metric: with its period.
        threshold: compared with each period's value.
        periods: periods in a row.
        operator: comparison.
        is_silence_bad: no data means trouble.
    """
    return cloudwatch.Alarm(
        scope,
        name.title().replace("-", ""),
        alarm_name=f"{environment.prefix}-{name}",
        alarm_description=description,
        metric=metric,
        threshold=threshold,
        evaluation_periods=periods,
        comparison_operator=operator,
        treat_missing_data=(
            cloudwatch.TreatMissingData.BREACHING if is_silence_bad else cloudwatch.TreatMissingData.NOT_BREACHING
        ),
    )
