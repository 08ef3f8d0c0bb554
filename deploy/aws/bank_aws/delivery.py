"""Who may deploy an environment: the role of the workflow, and the role that CloudFormation assumes.

The workflow may only change this environment's stacks through CloudFormation and start the migrate task;
CloudFormation's own role limits what a stack may contain.
"""

from __future__ import annotations

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from bank_aws.environments import Environment
from bank_aws.exceptions import explain
from bank_aws.permissions import may
from bank_aws.registry import RegistryStack, github_principal


class DeliveryStack(cdk.Stack):
    """Roles of a deployment."""

    def __init__(self, scope: Construct, name: str, environment: Environment, registry: RegistryStack, **kwargs: Any):
        """Build it.

        Args:
            scope: the app.
            name: stack name.
            environment: names.
            registry: the stack with GitHub's identity provider.
            **kwargs: of the stack.
        """
        super().__init__(scope, name, **kwargs)
        executor = iam.Role(
            self,
            "CloudFormation",
            role_name=f"{environment.prefix}-cloudformation",
            description="CloudFormation builds the stacks of one environment with it",
            assumed_by=iam.ServicePrincipal("cloudformation.amazonaws.com"),
            managed_policies=[iam.ManagedPolicy.from_aws_managed_policy_name("PowerUserAccess")],
        )
        may(
            executor,
            [
                "iam:AttachRolePolicy",
                "iam:CreateRole",
                "iam:DeleteRole",
                "iam:DeleteRolePolicy",
                "iam:DetachRolePolicy",
                "iam:GetRole",
                "iam:GetRolePolicy",
                "iam:ListAttachedRolePolicies",
                "iam:ListRolePolicies",
                "iam:PassRole",
                "iam:PutRolePolicy",
                "iam:TagRole",
                "iam:UntagRole",
                "iam:UpdateAssumeRolePolicy",
                "iam:UpdateRole",
            ],
            [self._arn("iam", "role", f"{environment.prefix}-*", region="")],
            why="Roles of this environment; CloudFormation draws the end of their names.",
        )
        explain(
            executor,
            "AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/PowerUserAccess]",
            "Stacks create resources of some twenty services; roles, which the policy leaves out, are limited to "
            "this environment's names.",
        )
        deployer = iam.Role(
            self,
            "Deploy",
            role_name=f"{environment.prefix}-deploy",
            description="The deploy job of the workflow assumes it from this environment only",
            assumed_by=github_principal(self, registry.provider_arn, f"environment:{environment.name}"),
            max_session_duration=cdk.Duration.hours(1),
        )
        stacks = self._arn("cloudformation", "stack", f"{environment.prefix}-*/*")
        for actions, resources in (
            (
                [
                    "cloudformation:CreateChangeSet",
                    "cloudformation:DeleteChangeSet",
                    "cloudformation:DescribeChangeSet",
                    "cloudformation:DescribeStackEvents",
                    "cloudformation:DescribeStacks",
                    "cloudformation:ExecuteChangeSet",
                ],
                [stacks],
            ),
            (["iam:PassRole"], [executor.role_arn]),
            (["iam:PassRole"], [self._arn("iam", "role", f"{environment.prefix}-jobs-Migrate*", region="")]),
            (["ecs:RunTask"], [self._arn("ecs", "task-definition", f"{environment.migrate_family}:*")]),
            (["ecs:DescribeTasks"], [self._arn("ecs", "task", f"{environment.prefix}/*")]),
        ):
            may(deployer, actions, resources, why="Stacks, tasks and revisions of this environment, by its prefix.")
        cdk.CfnOutput(self, "DeployRole", value=deployer.role_arn)
        cdk.CfnOutput(self, "CloudFormationRole", value=executor.role_arn)

    def _arn(self, service: str, resource: str, name: str, region: str | None = None) -> str:
        return self.format_arn(service=service, resource=resource, resource_name=name, region=region)
