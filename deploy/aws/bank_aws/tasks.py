"""Task definitions on Fargate: read-only, without root, secrets by reference, logs kept.

Each has its own execution role (pulls the image, writes the log, reads exactly its secrets) and its own task role (what
the program may do; nothing unless the caller grants it).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from bank_aws.data import DataStack
from bank_aws.environments import HOME, Environment
from bank_aws.exceptions import explain
from bank_aws.network import CODE_PORT, MLFLOW_PORT
from bank_aws.registry import RegistryStack

DAGSTER_HOME: Final = "/opt/bank/deploy/aws/dagster"
"""Read-only in the image: dagster.yaml and workspace.yaml of this deployment."""


def parameter(stack: cdk.Stack, name: str, description: str, pattern: str) -> str:
    """A value that only the operator knows; `-c <name>=...` at synthesis makes it the default."""
    return cdk.CfnParameter(
        stack,
        name,
        type="String",
        description=description,
        allowed_pattern=pattern,
        default=stack.node.try_get_context(name),
    ).value_as_string


class Tasks:
    """Makes task definitions of one stack."""

    def __init__(
        self,
        stack: cdk.Stack,
        environment: Environment,
        registry: RegistryStack,
        data: DataStack,
        groups: dict[str, logs.LogGroup],
    ):
        """Prepare.

        Args:
            stack: that the task definitions belong to; gets the parameters `Revision` and `Domain`.
            environment: sizes.
            registry: images.
            data: home, databases, secrets.
            groups: log groups by name.
        """
        self._stack = stack
        self._environment = environment
        self._registry = registry
        self._data = data
        self._groups = groups
        self._secrets: dict[str, secretsmanager.ISecret] = {}
        self._tag = parameter(stack, "Revision", "Commit of the images, which is their tag", "[0-9a-f]{7,40}")
        self.domain = parameter(stack, "Domain", "Host name of the app, such as bank.example.org", r"[a-z0-9.-]+")
        # Links in alerts, reports and runs begin with these.
        self.addresses = {
            "BANK_PUBLIC_URL": f"https://{self.domain}",
            "BANK_UI_URL": f"https://dagster.{self.domain}",
        }

    def pipeline_environment(self, **more: str) -> dict[str, str]:
        """Variables of what imports the platform: code location, runs."""
        return {
            **self._environment.settings,
            "BANK_MLFLOW_URI": f"http://mlflow.{self._environment.namespace}:{MLFLOW_PORT}",
            "BANK_MLFLOW_ARTIFACTS": "mlflow-artifacts:/bank-marketing",
            "BANK_LAKE": self._data.lake,
            "BANK_LANDING": self._data.landing,
            "AWS_REGION": self._stack.region,
            "BANK_SPARK_MEMORY": f"{self._environment.run_memory_mib // 2}m",
            "GIT_PYTHON_REFRESH": "quiet",
            **self.dagster_environment(),
            **self.addresses,
            **more,
        }

    def dagster_environment(self) -> dict[str, str]:
        """Variables of what opens the Dagster instance."""
        return {
            "DAGSTER_HOME": DAGSTER_HOME,
            "BANK_CODE_HOST": f"code.{self._environment.namespace}",
            "BANK_RUN_TASK_DEFINITION": self._environment.run_family,
        }

    def secret(self, source: secretsmanager.ISecret, field: str | None = None) -> ecs.Secret:
        """A secret of the data stack, or one field of it.

        Taken by its address: a grant on the original would write the reader's role into the key's policy, in a stack
        that is deployed before the role exists.
        """
        name = f"Secret{source.node.path.split('/', 1)[1].replace('/', '')}"
        if name not in self._secrets:
            arn = source.secret_arn
            self._secrets[name] = secretsmanager.Secret.from_secret_complete_arn(self._stack, name, arn)
        return ecs.Secret.from_secrets_manager(self._secrets[name], field)

    def make(
        self,
        scope: Construct,
        name: str,
        *,
        image: str,
        command: Sequence[str],
        cpu: int,
        memory_mib: int,
        log: str,
        environment: dict[str, str],
        databases: Sequence[str] = (),
        is_administrator: bool = False,
        secrets: dict[str, ecs.Secret] | None = None,
        home: bool = False,
        port: int | None = None,
        health: Sequence[str] | None = None,
        family: str | None = None,
        start_seconds: int = 60,
    ) -> ecs.FargateTaskDefinition:
        """A task definition with one container.

        Args:
            scope: construct scope.
            name: id of the definition and name of the container.
            image: `serving` or `pipeline`.
            command: what to run.
            cpu: CPU units.
            memory_mib: memory, MiB.
            log: name of the log group.
            environment: variables; none of them secret.
            databases: databases it may enter, each as its owner: PGUSER for the ledger or MLflow's, and Dagster's.
            is_administrator: enter the server as its administrator, with the passwords of all owners to set.
            secrets: further secret variables.
            home: mount the home.
            port: port to listen on.
            health: command of the health check.
            family: stable name, for what is started by name.
            start_seconds: time before failed health checks count.
        """
        definition = ecs.FargateTaskDefinition(
            scope,
            f"{name.title()}Task",
            family=family or f"{self._environment.prefix}-{name}",
            cpu=cpu,
            memory_limit_mib=memory_mib,
            ephemeral_storage_gib=50 if image == "pipeline" and home else None,
            runtime_platform=ecs.RuntimePlatform(
                cpu_architecture=ecs.CpuArchitecture.X86_64, operating_system_family=ecs.OperatingSystemFamily.LINUX
            ),
        )
        hidden = dict(secrets or {})
        # Only /tmp can be written to; some libraries keep settings in the home folder of the user.
        visible = {"HOME": "/tmp", **environment}
        if databases or is_administrator:
            visible |= {
                "PGHOST": self._data.database.db_instance_endpoint_address,
                "PGPORT": self._data.database.db_instance_endpoint_port,
                # The server refuses plain connections; libpq reads these variables in every driver we use.
                "PGSSLMODE": "require",
            }
        for database in databases:
            user = self._data.users[database]
            if database == "dagster":  # dagster.yaml names it, so that a run can enter the ledger as well
                hidden["BANK_PASSWORD_DAGSTER"] = self.secret(user, "password")
            else:
                hidden["PGUSER"] = self.secret(user, "username")
                hidden["PGPASSWORD"] = self.secret(user, "password")
        if is_administrator:
            hidden |= self._administrator_secrets()
        container = definition.add_container(
            name,
            container_name=name,
            image=ecs.ContainerImage.from_ecr_repository(self._registry.repositories[image], tag=self._tag),
            command=list(command),
            environment=visible,
            secrets=hidden,
            logging=ecs.LogDrivers.aws_logs(
                stream_prefix=name,
                log_group=self._groups[log],
                mode=ecs.AwsLogDriverMode.NON_BLOCKING,
                max_buffer_size=cdk.Size.mebibytes(4),
            ),
            readonly_root_filesystem=True,
            user="10001:10001",
            stop_timeout=cdk.Duration.seconds(60),
            port_mappings=[ecs.PortMapping(container_port=port)] if port else None,
            health_check=ecs.HealthCheck(
                command=["CMD", *health],
                interval=cdk.Duration.seconds(15),
                timeout=cdk.Duration.seconds(10),
                retries=4,
                start_period=cdk.Duration.seconds(start_seconds),
            )
            if health
            else None,
        )
        if hidden:
            definition.add_to_execution_role_policy(
                iam.PolicyStatement(actions=["kms:Decrypt"], resources=[self._data.key.key_arn])
            )
        self._mount(definition, container, home)
        if image == "pipeline" and home:
            self._data.grant_lake(definition.task_role)
            self._data.grant_landing(definition.task_role)
        self._explain(definition, name)
        return definition

    def _administrator_secrets(self) -> dict[str, ecs.Secret]:
        administrator = self._data.database.secret
        if administrator is None:
            raise ValueError("database: expected a generated administrator secret, found none.")
        return {
            "PGUSER": self.secret(administrator, "username"),
            "PGPASSWORD": self.secret(administrator, "password"),
            **{
                f"BANK_PASSWORD_{name.upper()}": self.secret(user, "password")
                for name, user in self._data.users.items()
            },
        }

    def _mount(self, definition: ecs.FargateTaskDefinition, container: ecs.ContainerDefinition, home: bool) -> None:
        definition.add_volume(name="tmp")
        container.add_mount_points(ecs.MountPoint(container_path="/tmp", source_volume="tmp", read_only=False))
        if not home:
            return
        definition.add_volume(
            name="home",
            efs_volume_configuration=ecs.EfsVolumeConfiguration(
                file_system_id=self._data.files.file_system_id,
                transit_encryption="ENABLED",
                authorization_config=ecs.AuthorizationConfig(
                    access_point_id=self._data.home.access_point_id, iam="ENABLED"
                ),
            ),
        )
        container.add_mount_points(ecs.MountPoint(container_path=HOME, source_volume="home", read_only=False))
        self._data.grant_home(definition.task_role)

    @staticmethod
    def _explain(definition: ecs.FargateTaskDefinition, name: str) -> None:
        explain(
            definition,
            "AwsSolutions-ECS2",
            "The variables are addresses and sizes; every secret is a reference to Secrets Manager.",
        )
        explain(
            definition.obtain_execution_role(),
            "AwsSolutions-IAM5[Resource::*]",
            f"Pulling {name}'s image needs ecr:GetAuthorizationToken, which knows no resource.",
        )


def health_over_http(port: int, path: str) -> list[str]:
    """A health check with what every Python image has."""
    return [
        "python",
        "-c",
        f"import urllib.request as u; u.urlopen('http://127.0.0.1:{port}{path}', timeout=8)",
    ]


def health_over_grpc() -> list[str]:
    """The code location answers when its definitions are loaded."""
    return ["dagster", "api", "grpc-health-check", "-p", str(CODE_PORT)]
