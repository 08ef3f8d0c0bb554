"""Copies the reports from the home to the bucket by DataSync every night."""

from __future__ import annotations

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_datasync as datasync
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from constructs import Construct

from bank_aws.data import DataStack
from bank_aws.environments import Environment
from bank_aws.network import NetworkStack
from bank_aws.permissions import may

EVERY_MORNING = "cron(0 5 * * ? *)"


class SyncStack(cdk.Stack):
    """The exchange of files between bucket and home."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        environment: Environment,
        network: NetworkStack,
        data: DataStack,
        **kwargs: Any,
    ):
        """Build it.

        Args:
            scope: the app.
            name: stack name.
            environment: names.
            network: subnet and security group that the copies use.
            data: bucket and file system.
            **kwargs: of the stack.
        """
        super().__init__(scope, name, **kwargs)
        service = iam.ServicePrincipal(
            "datasync.amazonaws.com", conditions={"StringEquals": {"aws:SourceAccount": self.account}}
        )
        files_role = iam.Role(self, "FilesRole", assumed_by=service)
        data.grant_home(files_role)
        bucket_role = iam.Role(self, "BucketRole", assumed_by=service)
        bucket = data.export_value(data.warehouse.bucket_arn)
        may(bucket_role, ["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"], [bucket])
        may(
            bucket_role,
            [
                "s3:AbortMultipartUpload",
                "s3:GetObject",
                "s3:GetObjectTagging",
                "s3:ListMultipartUploadParts",
                "s3:PutObject",
                "s3:PutObjectTagging",
            ],
            [f"{bucket}/reports/*"],
            why="Reports, whose names the platform makes.",
        )
        may(bucket_role, ["kms:Decrypt", "kms:GenerateDataKey"], [data.key.key_arn])
        subnet = network.vpc.select_subnets(subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS).subnets[0]
        group = network.groups["sync"].security_group_id

        def arn(service: str, resource: str) -> str:
            return self.format_arn(service=service, resource=resource)

        def in_files(path: str) -> str:
            location = datasync.CfnLocationEFS(
                self,
                f"Files{path.strip('/').title()}",
                efs_filesystem_arn=data.files.file_system_arn,
                access_point_arn=data.home.access_point_arn,
                file_system_access_role_arn=files_role.role_arn,
                in_transit_encryption="TLS1_2",
                subdirectory=path,
                ec2_config=datasync.CfnLocationEFS.Ec2ConfigProperty(
                    security_group_arns=[arn("ec2", f"security-group/{group}")],
                    subnet_arn=arn("ec2", f"subnet/{subnet.subnet_id}"),
                ),
            )
            return location.attr_location_arn

        def in_bucket(path: str) -> str:
            location = datasync.CfnLocationS3(
                self,
                f"Bucket{path.strip('/').title()}",
                s3_bucket_arn=data.warehouse.bucket_arn,
                subdirectory=path,
                s3_config=datasync.CfnLocationS3.S3ConfigProperty(bucket_access_role_arn=bucket_role.role_arn),
            )
            return location.attr_location_arn

        def copy(task: str, source: str, target: str, schedule: str, mode: str) -> None:
            datasync.CfnTask(
                self,
                task.title(),
                name=f"{environment.prefix}-{task}",
                source_location_arn=source,
                destination_location_arn=target,
                schedule=datasync.CfnTask.TaskScheduleProperty(schedule_expression=schedule),
                options=datasync.CfnTask.OptionsProperty(
                    overwrite_mode="ALWAYS",
                    preserve_deleted_files="PRESERVE",  # a copy never deletes: landing keeps what it had
                    transfer_mode=mode,
                    verify_mode="ONLY_FILES_TRANSFERRED",
                    posix_permissions="PRESERVE",
                    uid="INT_VALUE",
                    gid="INT_VALUE",
                ),
            )

        copy("reports", in_files("/reports/"), in_bucket("/reports/"), EVERY_MORNING, "CHANGED")
