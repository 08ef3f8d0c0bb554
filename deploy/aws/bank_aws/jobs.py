"""The cluster, its logs, and the tasks that run once: migrations and Dagster runs.

This stack is deployed before the services, so the migrate task of a new version runs while the old version serves.
"""

from __future__ import annotations

from typing import Any, Final

import aws_cdk as cdk
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_logs as logs
from constructs import Construct

from bank_aws.data import DataStack
from bank_aws.environments import Environment
from bank_aws.logs import retention
from bank_aws.network import NetworkStack
from bank_aws.registry import RegistryStack
from bank_aws.tasks import DAGSTER_HOME, Tasks

LOGS: Final = ("app", "runs", "dagster", "mlflow", "migrate")
"""Log groups: the app, Dagster runs, the long-running Dagster processes, MLflow, migrations."""


class JobsStack(cdk.Stack):
    """Cluster and one-off tasks."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        environment: Environment,
        network: NetworkStack,
        registry: RegistryStack,
        data: DataStack,
        **kwargs: Any,
    ):
        """Build it.

        Args:
            scope: the app.
            name: stack name.
            environment: sizes.
            network: VPC of the cluster.
            registry: images.
            data: home, databases, secrets.
            **kwargs: of the stack.
        """
        super().__init__(scope, name, **kwargs)
        self.cluster = ecs.Cluster(
            self,
            "Cluster",
            cluster_name=environment.prefix,
            vpc=network.vpc,
            container_insights_v2=ecs.ContainerInsights.ENABLED,
        )
        self.logs = {
            group: logs.LogGroup(
                self,
                f"{group.title()}Log",
                log_group_name=f"/bank/{environment.name}/{group}",
                retention=retention(environment),
                removal_policy=cdk.RemovalPolicy.DESTROY,
            )
            for group in LOGS
        }
        tasks = Tasks(self, environment, registry, data, self.logs)
        self.run = tasks.make(
            self,
            "run",
            image="pipeline",
            command=["dagster", "api", "execute_run"],  # the run launcher replaces it
            cpu=environment.run_cpu,
            memory_mib=environment.run_memory_mib,
            log="runs",
            environment=tasks.pipeline_environment(BANK_LEDGER_URL="postgresql:///ledger"),
            databases=["ledger", "dagster"],
            home=True,
            family=environment.run_family,
        )
        self.migrate = tasks.make(
            self,
            "migrate",
            image="pipeline",
            command=["python", "deploy/aws/databases.py"],
            cpu=1024,
            memory_mib=4096,
            log="migrate",
            environment={"DAGSTER_HOME": DAGSTER_HOME},
            is_administrator=True,
            secrets={"BANK_PASSWORD_ADMIN": tasks.secret(data.admin)},
            family=environment.migrate_family,
        )
