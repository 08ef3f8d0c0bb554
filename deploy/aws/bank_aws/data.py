"""What must not be lost: database, file system, buckets, secrets, and the key that encrypts them.

Tables and the bytes of deliveries are in the bucket `lake` (`BANK_LAKE`, docs/adr/0047). Files are exchanged through
the bucket `warehouse`: deliveries arrive under `landing/` (`BANK_LANDING`), and reports are copied to `reports/` every
night. `BANK_HOME`, which stays small, is on the file system (EFS): the register of deliveries has a lock. MLflow's
artifacts have a bucket that only the MLflow server may use.
"""

from __future__ import annotations

import json
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_efs as efs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_rds as rds
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from bank_aws.environments import DATABASES, USER, Environment
from bank_aws.exceptions import explain
from bank_aws.logs import retention
from bank_aws.network import DATABASE_PORT, NetworkStack
from bank_aws.permissions import may


class DataStack(cdk.Stack):
    """Database, file system, buckets, secrets."""

    def __init__(self, scope: Construct, name: str, environment: Environment, network: NetworkStack, **kwargs: Any):
        """Build it.

        Args:
            scope: the app.
            name: stack name.
            environment: sizes and guarantees.
            network: where the database and the file system are reached.
            **kwargs: of the stack.
        """
        super().__init__(scope, name, **kwargs)
        self._environment = environment
        self._policy = cdk.RemovalPolicy.RETAIN if environment.is_protected else cdk.RemovalPolicy.DESTROY
        self.key = kms.Key(
            self,
            "Key",
            description=f"{environment.prefix}: data at rest",
            enable_key_rotation=True,
            removal_policy=self._policy,
        )
        self._make_buckets()
        self._make_files(network)
        self._make_secrets()
        self._make_database(network)

    def _bucket(self, name: str, **kwargs: Any) -> s3.Bucket:
        settings: dict[str, Any] = {
            "block_public_access": s3.BlockPublicAccess.BLOCK_ALL,
            "enforce_ssl": True,
            "minimum_tls_version": 1.2,
            "versioned": True,
            "object_ownership": s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            "removal_policy": self._policy,
            "lifecycle_rules": [
                s3.LifecycleRule(
                    abort_incomplete_multipart_upload_after=cdk.Duration.days(7),
                    noncurrent_version_expiration=cdk.Duration.days(90),
                )
            ],
        }
        return s3.Bucket(self, name, **(settings | kwargs))

    def _make_buckets(self) -> None:
        self.access_logs = self._bucket(
            "AccessLogs",
            encryption=s3.BucketEncryption.S3_MANAGED,  # load balancers cannot write to a bucket with another key
            lifecycle_rules=[s3.LifecycleRule(expiration=cdk.Duration.days(max(self._environment.log_days, 30)))],
        )
        explain(self.access_logs, "AwsSolutions-S1", "The bucket of access logs does not log access to itself.")
        self.access_logs.add_to_resource_policy(
            iam.PolicyStatement(
                sid="LoadBalancersWriteLogs",
                principals=[iam.ServicePrincipal("logdelivery.elasticloadbalancing.amazonaws.com")],
                actions=["s3:PutObject"],
                resources=[
                    self.access_logs.arn_for_objects(f"{edge}/AWSLogs/{self.account}/*") for edge in ("edge", "inside")
                ],
            )
        )
        encrypted = {
            "encryption": s3.BucketEncryption.KMS,
            "encryption_key": self.key,
            "bucket_key_enabled": True,
            "server_access_logs_bucket": self.access_logs,
        }
        self.warehouse = self._bucket("Warehouse", server_access_logs_prefix="warehouse/", **encrypted)
        # `prune` removes former files after a week; what they held of a customer is gone a month later.
        gone = s3.LifecycleRule(
            abort_incomplete_multipart_upload_after=cdk.Duration.days(7),
            noncurrent_version_expiration=cdk.Duration.days(30),
            expired_object_delete_marker=True,
        )
        self._lake = self._bucket("Lake", server_access_logs_prefix="lake/", lifecycle_rules=[gone], **encrypted)
        self.lake = f"s3://{self._lake.bucket_name}/lake"
        self.landing = f"s3://{self.warehouse.bucket_name}/landing"
        self.artifacts = self._bucket("Artifacts", server_access_logs_prefix="artifacts/", **encrypted)

    def _make_files(self, network: NetworkStack) -> None:
        self.files = efs.FileSystem(
            self,
            "Files",
            vpc=network.vpc,
            vpc_subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS),
            security_group=network.fixed(self, "files"),
            encrypted=True,
            kms_key=self.key,
            enable_automatic_backups=True,
            throughput_mode=efs.ThroughputMode.ELASTIC,
            lifecycle_policy=efs.LifecyclePolicy.AFTER_30_DAYS,
            removal_policy=self._policy,
            # The policy has no Allow: mounting needs a role that allows it, and TLS.
            file_system_policy=iam.PolicyDocument(
                statements=[
                    iam.PolicyStatement(
                        effect=iam.Effect.DENY,
                        principals=[iam.AnyPrincipal()],
                        actions=["*"],
                        conditions={"Bool": {"aws:SecureTransport": "false"}},
                    )
                ]
            ),
        )
        self.home = efs.AccessPoint(
            self,
            "Home",
            file_system=self.files,
            path="/bank",
            create_acl=efs.Acl(owner_uid=USER, owner_gid=USER, permissions="0750"),
            posix_user=efs.PosixUser(uid=USER, gid=USER),
        )

    def grant_home(self, role: iam.IRole) -> None:
        """Let a role mount the home, through its access point only."""
        may(
            role,
            ["elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"],
            [self.files.file_system_arn],
            conditions={"StringEquals": {"elasticfilesystem:AccessPointArn": self.home.access_point_arn}},
        )

    def grant_lake(self, role: iam.IRole) -> None:
        """Let a role read, write and remove tables and the bytes of deliveries."""
        bucket = self.export_value(self._lake.bucket_arn)
        # No condition on the prefix: S3 would answer 403 instead of 404 for an object that is not there.
        may(role, ["s3:GetBucketLocation", "s3:ListBucket"], [bucket])
        may(
            role,
            ["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:PutObject"],
            [f"{bucket}/*"],
            why="All objects of the one bucket of tables and raw bytes, whose names the platform makes.",
        )
        may(role, ["kms:Decrypt", "kms:GenerateDataKey"], [self.key.key_arn])

    def grant_landing(self, role: iam.IRole) -> None:
        """Let a role read what senders deliver."""
        bucket = self.export_value(self.warehouse.bucket_arn)
        may(role, ["s3:ListBucket"], [bucket])
        why = "Deliveries, whose names senders choose."
        may(role, ["s3:GetObject"], [f"{bucket}/landing/*"], why=why)

    def _make_secrets(self) -> None:
        def made(name: str, description: str, **generator: Any) -> secretsmanager.Secret:
            secret = secretsmanager.Secret(
                self,
                name.title().replace("-", ""),
                secret_name=f"bank/{self._environment.name}/{name}",
                description=description,
                encryption_key=self.key,
                removal_policy=self._policy,
                generate_secret_string=secretsmanager.SecretStringGenerator(
                    exclude_punctuation=True, password_length=40, **generator
                ),
            )
            explain(
                secret,
                "AwsSolutions-SMG4",
                "Rotated by a person: put a new value, run the migrate task (it sets the passwords of the databases) "
                "and restart the services; docs/aws.md. A rotation function would need code and a way into the VPC "
                "of its own.",
            )
            return secret

        self.alerts = secretsmanager.Secret(
            self,
            "AlertUrls",
            secret_name=f"bank/{self._environment.name}/alert-urls",
            description="BANK_ALERT_URLS: channels of the platform's alerts, comma-separated; put your own value",
            encryption_key=self.key,
            removal_policy=self._policy,
            # No channel; a secret cannot be empty, and this one holds none until a person puts it there.
            secret_string_value=cdk.SecretValue.unsafe_plain_text(","),
        )
        explain(self.alerts, "AwsSolutions-SMG4", "Addresses of channels, changed by a person when they change.")

        def user(name: str) -> secretsmanager.Secret:
            return made(
                f"database-{name}",
                f"Owner of the database {name}",
                secret_string_template=json.dumps({"username": name}),
                generate_string_key="password",
            )

        self.users = {name: user(name) for name in DATABASES}
        self.app_secret = made("app-secret", "Signs form tokens of the web app; replicas share it")
        self.admin = made("app-admin", "Password of the first user `admin` of the web app")

    def _make_database(self, network: NetworkStack) -> None:
        environment = self._environment
        version = rds.DatabaseInstanceEngine.postgres(version=rds.PostgresEngineVersion.of("17.9", "17"))
        log_group = logs.LogGroup(
            self,
            "DatabaseLog",
            log_group_name=f"/aws/rds/instance/{environment.prefix}/postgresql",
            retention=retention(environment),
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )
        self.database = rds.DatabaseInstance(
            self,
            "Database",
            instance_identifier=environment.prefix,
            engine=version,
            instance_type=ec2.InstanceType(environment.database_instance),
            vpc=network.vpc,
            vpc_subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_ISOLATED),
            security_groups=[network.fixed(self, "database")],
            port=DATABASE_PORT,
            credentials=rds.Credentials.from_generated_secret(
                "bank",
                secret_name=f"bank/{environment.name}/database-admin",
                encryption_key=self.key,
                exclude_characters="%+~`#$&*()|[]{}:;<>?!'/@\"\\=^, ",
            ),
            multi_az=environment.is_database_multi_az,
            storage_type=rds.StorageType.GP3,
            allocated_storage=environment.database_storage_gib,
            max_allocated_storage=environment.database_max_storage_gib,
            storage_encrypted=True,
            storage_encryption_key=self.key,
            backup_retention=cdk.Duration.days(environment.backup_days),
            copy_tags_to_snapshot=True,
            delete_automated_backups=not environment.is_protected,
            deletion_protection=environment.is_protected,
            removal_policy=cdk.RemovalPolicy.SNAPSHOT,
            auto_minor_version_upgrade=True,
            cloudwatch_logs_exports=["postgresql"],
            parameter_group=rds.ParameterGroup(
                self,
                "DatabaseParameters",
                engine=version,
                parameters={
                    "rds.force_ssl": "1",
                    "log_min_duration_statement": "1000",
                    "log_connections": "1",
                    "log_disconnections": "1",
                    # The ledger acknowledges its commits to clients, so durability must not be traded for speed.
                    "synchronous_commit": "on",
                },
            ),
            iam_authentication=False,
        )
        self.database.node.add_dependency(log_group)
        explain(
            self.database,
            "AwsSolutions-RDS11",
            "The default port: the security group decides who reaches it, "
            "and another number would hide it from nobody.",
        )
        explain(
            self.database,
            "AwsSolutions-SMG4",
            "The administrator's password is used by the migrate task alone; rotated like the others, docs/aws.md.",
        )
        if not environment.is_protected:
            explain(self.database, "AwsSolutions-RDS3", "A development environment has no standby.")
            explain(self.database, "AwsSolutions-RDS10", "A development environment can be deleted; a snapshot stays.")
