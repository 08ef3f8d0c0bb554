"""The services: the app, the Dagster web server, daemon and code location, the MLflow server.

A new version starts beside the old one, takes over when it is ready, and is rolled back if it does not become ready.
The daemon is the exception: two would evaluate every schedule twice, so the old one stops first, and a tick missed
meanwhile is caught up.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_servicediscovery as discovery
from constructs import Construct

from bank_aws.alarms import app_rollback_alarm
from bank_aws.data import DataStack
from bank_aws.edge import Edge
from bank_aws.environments import Environment
from bank_aws.jobs import JobsStack
from bank_aws.network import APP_PORT, CODE_PORT, MLFLOW_PORT, WEB_PORT, NetworkStack
from bank_aws.permissions import may
from bank_aws.registry import RegistryStack
from bank_aws.tasks import Tasks, health_over_grpc, health_over_http

REQUESTS_PER_TARGET = 6_000
"""Requests a minute and app task before another task is added; a task of one core answers some 1,200 a second."""


class ServicesStack(cdk.Stack):
    """Long-running tasks."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        environment: Environment,
        network: NetworkStack,
        registry: RegistryStack,
        data: DataStack,
        jobs: JobsStack,
        **kwargs: Any,
    ):
        """Build it.

        Args:
            scope: the app.
            name: stack name.
            environment: sizes.
            network: VPC and security groups.
            registry: images.
            data: home, databases, secrets.
            jobs: cluster, logs, the run that the daemon starts.
            **kwargs: of the stack.
        """
        super().__init__(scope, name, **kwargs)
        self._environment, self._network, self._data, self._jobs = environment, network, data, jobs
        self._tasks = Tasks(self, environment, registry, data, jobs.logs)
        self.edge = Edge(self, environment, network, data, self._tasks.domain)
        self._zone = discovery.PrivateDnsNamespace(self, "Zone", name=environment.namespace, vpc=network.vpc)
        self.mlflow = self._make_mlflow()
        self.code = self._make_code()
        self.daemon = self._make_daemon()
        self.web = self._make_web()
        self.app = self._make_app()

    def _service(
        self, name: str, task: ecs.FargateTaskDefinition, group: str, *, found_as: int | None = None, **kwargs: Any
    ) -> ecs.FargateService:
        grace = {each: cdk.Duration.seconds(s) for each, s in (("app", 120), ("web", 300), ("mlflow", 300))}
        settings: dict[str, Any] = {
            "min_healthy_percent": 100,
            "max_healthy_percent": 200,
            "desired_count": 1,
            # Web server and MLflow import for a minute on half a core before they answer.
            "health_check_grace_period": grace.get(name),
        }
        service = ecs.FargateService(
            self,
            name.title(),
            service_name=name,
            cluster=self._jobs.cluster,
            task_definition=task,
            security_groups=[self._network.fixed(self, group)],
            vpc_subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS),
            assign_public_ip=False,
            circuit_breaker=ecs.DeploymentCircuitBreaker(enable=True, rollback=True),
            enable_ecs_managed_tags=True,
            propagate_tags=ecs.PropagatedTagSource.SERVICE,
            **(settings | kwargs),
        )
        if found_as is not None:
            service.enable_cloud_map(
                name=name,
                cloud_map_namespace=self._zone,
                dns_record_type=discovery.DnsRecordType.A,
                dns_ttl=cdk.Duration.seconds(10),
            )
        return service

    def _platform_task(self, name: str, command: Sequence[str], **kwargs: Any) -> ecs.FargateTaskDefinition:
        settings: dict[str, Any] = {
            "image": "pipeline",
            "cpu": self._environment.platform_cpu,
            "memory_mib": self._environment.platform_memory_mib,
            "log": "dagster",
        }
        return self._tasks.make(self, name, command=command, **(settings | kwargs))

    def _make_mlflow(self) -> ecs.FargateService:
        hosts = f"mlflow.{self._environment.namespace}:{MLFLOW_PORT},mlflow.{self.edge.domain}"
        task = self._platform_task(
            "mlflow",
            [
                *("mlflow", "server", "--host", "0.0.0.0", "--port", str(MLFLOW_PORT), "--workers", "2"),
                *("--backend-store-uri", "postgresql+psycopg2:///mlflow"),
                *("--artifacts-destination", f"s3://{self._data.artifacts.bucket_name}/mlflow"),
                *("--allowed-hosts", hosts),
                *("--cors-allowed-origins", f"https://mlflow.{self.edge.domain}"),
            ],
            log="mlflow",
            environment={},
            databases=["mlflow"],
            port=MLFLOW_PORT,
            health=health_over_http(MLFLOW_PORT, "/health"),
            start_seconds=180,
        )
        bucket = self._data.export_value(self._data.artifacts.bucket_arn)
        may(
            task.task_role,
            ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"],
            [f"{bucket}/mlflow/*"],
            why="The artifacts of all runs, in the bucket that is MLflow's alone.",
        )
        may(task.task_role, ["s3:ListBucket", "s3:GetBucketLocation"], [bucket])
        may(task.task_role, ["kms:Decrypt", "kms:GenerateDataKey"], [self._data.key.key_arn])
        service = self._service(
            "mlflow", task, "mlflow", found_as=MLFLOW_PORT, desired_count=self._environment.mlflow_tasks
        )
        self.edge.publish_inside("mlflow", service, MLFLOW_PORT, "/health", priority=20)
        return service

    def _make_code(self) -> ecs.FargateService:
        task = self._platform_task(
            "code",
            [
                *("dagster", "code-server", "start", "--host", "0.0.0.0", "--port", str(CODE_PORT)),
                *("--module-name", "bank_assets.definitions", "--log-format", "json"),
            ],
            environment=self._tasks.pipeline_environment(BANK_LEDGER_URL="postgresql:///ledger"),
            databases=["ledger", "dagster"],
            secrets={"BANK_ALERT_URLS": self._tasks.secret(self._data.alerts)},  # sensors send alerts
            home=True,
            port=CODE_PORT,
            health=health_over_grpc(),
            start_seconds=180,
        )
        return self._service("code", task, "code", found_as=CODE_PORT)

    def _make_daemon(self) -> ecs.FargateService:
        task = self._platform_task(
            "daemon",
            ["dagster-daemon", "run", "--workspace", "deploy/aws/dagster/workspace.yaml", "--log-format", "json"],
            environment=self._tasks.dagster_environment(),
            databases=["dagster"],
            health=["dagster-daemon", "liveness-check"],
            start_seconds=180,
        )
        self._may_handle_runs(task, is_launching=True)
        return self._service("daemon", task, "runs", min_healthy_percent=0, max_healthy_percent=100)

    def _make_web(self) -> ecs.FargateService:
        task = self._platform_task(
            "web",
            [
                *("dagster-webserver", "--host", "0.0.0.0", "--port", str(WEB_PORT)),
                *("--workspace", "deploy/aws/dagster/workspace.yaml", "--log-format", "json"),
            ],
            environment=self._tasks.dagster_environment(),
            databases=["dagster"],
            port=WEB_PORT,
            health=health_over_http(WEB_PORT, "/server_info"),
            start_seconds=180,
        )
        self._may_handle_runs(task, is_launching=False)
        service = self._service("web", task, "web")
        self.edge.publish_inside("dagster", service, WEB_PORT, "/server_info", priority=10)
        return service

    def _may_handle_runs(self, task: ecs.FargateTaskDefinition, *, is_launching: bool) -> None:
        """The daemon starts queued runs and watches them; the web server only ends them."""
        own, role = self._environment, task.task_role
        tasks = self.format_arn(service="ecs", resource="task", resource_name=f"{own.prefix}/*")
        any_task = "Task ids are drawn; the cluster is this environment's alone."
        no_resource = "Describing task definitions and network interfaces knows no resource."
        may(role, ["ecs:DescribeTasks", "ecs:StopTask"], [tasks], why=any_task)
        may(role, ["ecs:DescribeTaskDefinition"], ["*"], why=no_resource)
        if not is_launching:
            return
        definition = self.format_arn(service="ecs", resource="task-definition", resource_name=f"{own.run_family}:*")
        may(role, ["ecs:RunTask"], [definition], why="Revisions of the one family of runs.")
        may(role, ["ecs:TagResource"], [tasks], conditions={"StringEquals": {"ecs:CreateAction": "RunTask"}})
        may(
            role,
            ["iam:PassRole"],
            [self._jobs.run.task_role.role_arn, self._jobs.run.obtain_execution_role().role_arn],
            conditions={"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}},
        )
        may(role, ["ec2:DescribeNetworkInterfaces"], ["*"])
        log = self._jobs.export_value(self._jobs.logs["runs"].log_group_arn)
        may(role, ["logs:GetLogEvents"], [f"{log}:*"], why="The log streams of runs, one each.")

    def _make_app(self) -> ecs.FargateService:
        environment = self._environment
        health_path = cdk.CfnParameter(
            self,
            "AppHealthPath",
            type="String",
            description="/health/live for the first deployment, before a first model exists; then /health/ready",
            default="/health/ready",
            allowed_values=["/health/ready", "/health/live"],
        ).value_as_string
        task = self._tasks.make(
            self,
            "app",
            image="serving",
            command=["python", "-m", "serving"],
            cpu=environment.app_cpu,
            memory_mib=environment.app_memory_mib,
            log="app",
            environment={
                **environment.settings,
                "BANK_LAKE": self._data.lake,  # the app must not take the home for it, and has no right to it
                **self._tasks.addresses,
                "BANK_LEDGER_URL": "postgresql:///ledger",
                "BANK_MLFLOW_URI": f"http://mlflow.{environment.namespace}:{MLFLOW_PORT}",
                "BANK_LOGIN": "required",
                "FORWARDED_ALLOW_IPS": self._network.vpc.vpc_cidr_block,  # the load balancer sets the client's address
                "BANK_HTTPS": "yes",
                "BANK_MIGRATE": "no",  # the migrate task does it once, before this version starts
                "BANK_DRAIN_SECONDS": "10",
                "BANK_SHUTDOWN_SECONDS": "30",
            },
            databases=["ledger"],
            secrets={"BANK_SECRET": self._tasks.secret(self._data.app_secret)},
            home=True,
            port=APP_PORT,
            health=["python", "deploy/container/healthcheck.py"],
        )
        alarm = app_rollback_alarm(self, environment, self.edge.public)
        service = self._service(
            "app",
            task,
            "app",
            desired_count=None,  # autoscaling sets it; a deployment must not reset it
            deployment_alarms=ecs.DeploymentAlarmConfig(
                alarm_names=[alarm.alarm_name], behavior=ecs.AlarmBehavior.ROLLBACK_ON_ALARM
            ),
        )
        self.app_targets = self.edge.publish(service, APP_PORT, health_path)
        scaling = service.auto_scale_task_count(
            min_capacity=environment.app_min_tasks, max_capacity=environment.app_max_tasks
        )
        scaling.scale_on_cpu_utilization(
            "Cpu", target_utilization_percent=60, scale_in_cooldown=cdk.Duration.minutes(5)
        )
        scaling.scale_on_request_count(
            "Requests",
            target_group=self.app_targets,
            requests_per_target=REQUESTS_PER_TARGET,
            scale_in_cooldown=cdk.Duration.minutes(5),
        )
        return service
