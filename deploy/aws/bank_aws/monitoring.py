"""Metrics from logs, alarms, their topic and the dashboard."""

from __future__ import annotations

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_elasticloadbalancingv2 as elb
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns
from constructs import Construct

from bank_aws.alarms import BELOW, alarm
from bank_aws.data import DataStack
from bank_aws.environments import Environment
from bank_aws.jobs import JobsStack
from bank_aws.metrics import METRICS
from bank_aws.services import ServicesStack

GIB = 1024**3


class MonitoringStack(cdk.Stack):
    """Metrics, alarms, dashboard."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        environment: Environment,
        data: DataStack,
        jobs: JobsStack,
        services: ServicesStack,
        **kwargs: Any,
    ):
        """Build it.

        Args:
            scope: the app.
            name: stack name.
            environment: names and limits.
            data: database.
            jobs: logs.
            services: services and load balancers.
            **kwargs: of the stack.
        """
        super().__init__(scope, name, **kwargs)
        self._environment, self._data, self._services = environment, data, services
        self._counted = {metric.name: self._count(jobs, metric) for metric in METRICS}
        self.topic = self._make_topic()
        self._alarms = [*self._app_alarms(), *self._pipeline_alarms(), *self._database_alarms()]
        for each in self._alarms:
            each.add_alarm_action(actions.SnsAction(self.topic))
            each.add_ok_action(actions.SnsAction(self.topic))
        self._watch_killed_runs(jobs)
        self._make_dashboard()

    def _count(self, jobs: JobsStack, metric: Any) -> cloudwatch.Metric:
        made = logs.MetricFilter(
            self,
            f"{metric.name}Filter",
            log_group=jobs.logs[metric.log],
            filter_pattern=logs.FilterPattern.literal(metric.pattern),
            metric_namespace=f"Bank/{self._environment.name}",
            metric_name=metric.name,
            metric_value=metric.value,
        )
        return made.metric(statistic="Sum", period=cdk.Duration.minutes(5))

    def _make_topic(self) -> sns.Topic:
        key = kms.Key(
            self,
            "TopicKey",
            description=f"{self._environment.prefix}: alarms",
            enable_key_rotation=True,
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )
        senders = [iam.ServicePrincipal(f"{service}.amazonaws.com") for service in ("cloudwatch", "events")]
        key.add_to_resource_policy(
            iam.PolicyStatement(principals=senders, actions=["kms:Decrypt", "kms:GenerateDataKey"], resources=["*"])
        )
        topic = sns.Topic(
            self, "Alarms", topic_name=f"{self._environment.prefix}-alarms", master_key=key, enforce_ssl=True
        )
        topic.add_to_resource_policy(
            iam.PolicyStatement(
                principals=senders,
                actions=["sns:Publish"],
                resources=[topic.topic_arn],
                conditions={"StringEquals": {"aws:SourceAccount": self.account}},
            )
        )
        cdk.CfnOutput(self, "AlarmTopic", value=topic.topic_arn)
        return topic

    def _alarm(self, name: str, description: str, metric: cloudwatch.IMetric, threshold: float, **kwargs: Any) -> Any:
        return alarm(self, self._environment, name, description, metric, threshold, **kwargs)

    def _app_alarms(self) -> list[cloudwatch.Alarm]:
        targets_, balancer = self._services.app_targets, self._services.edge.public
        minute, hour = cdk.Duration.minutes(1), cdk.Duration.hours(1)
        return [
            self._alarm(
                "errors",
                "The app answered more than 1 % of requests with 5xx for 5 minutes. Query `errors`, docs/aws.md.",
                cloudwatch.MathExpression(
                    expression="100 * errors / MAX([requests, 100])",
                    using_metrics={
                        "errors": balancer.metrics.http_code_target(
                            elb.HttpCodeTarget.TARGET_5XX_COUNT, period=minute, statistic="Sum"
                        ),
                        "requests": balancer.metrics.request_count(period=minute, statistic="Sum"),
                    },
                    period=minute,
                ),
                1,
                periods=5,
            ),
            self._alarm(
                "latency",
                "The slowest hundredth of requests takes too long. Query `slow`, docs/aws.md.",
                balancer.metrics.target_response_time(period=minute, statistic="p99"),
                self._environment.alarm_latency_ms / 1_000,
                periods=5,
            ),
            self._alarm(
                "unhealthy",
                "An app task does not answer /health/ready.",
                targets_.metrics.unhealthy_host_count(period=minute, statistic="Maximum"),
                0,
                periods=5,
            ),
            self._alarm(
                "no-healthy",
                "No app task is ready: nobody gets a decision.",
                targets_.metrics.healthy_host_count(period=minute, statistic="Minimum"),
                1,
                periods=2,
                operator=BELOW,
                is_silence_bad=True,
            ),
            self._alarm(
                "no-decisions",
                "No decision was recorded for 24 hours: clients cannot reach the app, or nobody works.",
                self._counted["Decisions"].with_(period=cdk.Duration.hours(24)),
                1,
                operator=BELOW,
                is_silence_bad=True,
            ),
            self._alarm(
                "model-refused",
                "A model was refused because its files do not have the registered digest; the last good one goes on.",
                self._counted["ChampionRefused"].with_(period=hour),
                0,
            ),
        ]

    def _pipeline_alarms(self) -> list[cloudwatch.Alarm]:
        return [
            self._alarm(
                "run-failed",
                "A Dagster run failed. Query `failed runs`, docs/aws.md.",
                self._counted["RunFailures"],
                0,
            ),
            self._alarm(
                "model-stale",
                "No as-of state was published for 26 hours: the nightly run did not get through, and the app decides "
                "with yesterday's knowledge.",
                self._counted["StatesPublished"].with_(period=cdk.Duration.hours(1)),
                1,
                periods=26,
                operator=BELOW,
                is_silence_bad=True,
            ),
            self._alarm(
                "daemon",
                "The Dagster daemon logs errors: schedules, sensors or the run queue may not work.",
                self._counted["DaemonErrors"],
                0,
                periods=3,
            ),
        ]

    def _database_alarms(self) -> list[cloudwatch.Alarm]:
        database = self._data.database
        five = cdk.Duration.minutes(5)
        return [
            self._alarm(
                "database-storage",
                "The database has less than 5 GiB left.",
                database.metric_free_storage_space(period=five, statistic="Minimum"),
                5 * GIB,
                operator=BELOW,
            ),
            self._alarm(
                "database-cpu",
                "The database was busier than 80 % for 15 minutes.",
                database.metric_cpu_utilization(period=five),
                80,
                periods=3,
            ),
        ]

    def _watch_killed_runs(self, jobs: JobsStack) -> None:
        """A killed run (memory, lost host) cannot log its own failure; ECS reports it."""
        events.Rule(
            self,
            "KilledRuns",
            rule_name=f"{self._environment.prefix}-killed-runs",
            description="A Dagster run's task ended with an error",
            event_pattern=events.EventPattern(
                source=["aws.ecs"],
                detail_type=["ECS Task State Change"],
                detail={
                    "clusterArn": [jobs.cluster.cluster_arn],
                    "group": [f"family:{self._environment.run_family}"],
                    "lastStatus": ["STOPPED"],
                    "containers": {"exitCode": [{"anything-but": [0]}]},
                },
            ),
            targets=[targets.SnsTopic(self.topic)],
        )

    def _make_dashboard(self) -> None:
        balancer, database = self._services.edge.public, self._data.database
        minute = cdk.Duration.minutes(1)

        def graph(title: str, *left: cloudwatch.IMetric) -> cloudwatch.GraphWidget:
            return cloudwatch.GraphWidget(title=title, left=list(left), width=8, height=6)

        cloudwatch.Dashboard(
            self,
            "Dashboard",
            dashboard_name=self._environment.prefix,
            widgets=[
                [cloudwatch.AlarmStatusWidget(title="Alarms", alarms=self._alarms, width=24, height=3)],
                [
                    graph("Requests", balancer.metrics.request_count(period=minute, statistic="Sum")),
                    graph(
                        "Time to answer, s",
                        balancer.metrics.target_response_time(period=minute, statistic="p50"),
                        balancer.metrics.target_response_time(period=minute, statistic="p99"),
                    ),
                    graph("Decisions and errors", self._counted["Decisions"], self._counted["ServerErrors"]),
                ],
                [
                    graph("Runs failed, gates red", self._counted["RunFailures"], self._counted["GatesRed"]),
                    graph(
                        "Models promoted, states published",
                        self._counted["ModelsPromoted"],
                        self._counted["StatesPublished"],
                    ),
                    graph(
                        "App tasks: CPU, memory, %",
                        self._services.app.metric_cpu_utilization(),
                        self._services.app.metric_memory_utilization(),
                    ),
                ],
                [
                    graph("Database CPU, %", database.metric_cpu_utilization()),
                    graph("Database storage left, bytes", database.metric_free_storage_space()),
                    graph("Database connections", database.metric_database_connections()),
                ],
            ],
        )
