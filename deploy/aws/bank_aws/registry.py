"""Image repositories, GitHub's identity provider and the role that pushes: once per account, before anything else."""

from __future__ import annotations

from typing import Any, Final

import aws_cdk as cdk
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_iam as iam
from constructs import Construct

from bank_aws.exceptions import explain

IMAGES: Final = ("serving", "pipeline")
ISSUER: Final = "token.actions.githubusercontent.com"
KEPT_IMAGES: Final = 30


def github_parameter(stack: cdk.Stack) -> cdk.CfnParameter:
    """The repository that may push or deploy, `owner/name`; stated at deployment, so that a fork trusts itself."""
    return cdk.CfnParameter(
        stack,
        "GitHubRepository",
        type="String",
        description="owner/name of the repository whose workflows may assume the role",
        default=stack.node.try_get_context("github_repository"),
        allowed_pattern="[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+",
    )


def github_principal(stack: cdk.Stack, provider_arn: str, subject: str) -> iam.FederatedPrincipal:
    """Workflows of the repository, restricted to a subject.

    Args:
        stack: that the role is in.
        provider_arn: GitHub's identity provider in this account.
        subject: end of the token's `sub`, such as `ref:refs/heads/main`.
    """
    repository = github_parameter(stack).value_as_string
    return iam.FederatedPrincipal(
        provider_arn,
        {
            "StringEquals": {
                f"{ISSUER}:aud": "sts.amazonaws.com",
                f"{ISSUER}:sub": f"repo:{repository}:{subject}",
            }
        },
        "sts:AssumeRoleWithWebIdentity",
    )


class RegistryStack(cdk.Stack):
    """Image repositories and the role that fills them."""

    def __init__(self, scope: Construct, name: str, **kwargs: Any):
        """Build it."""
        super().__init__(scope, name, **kwargs)
        self.repositories = {image: self._repository(image) for image in IMAGES}
        provider = iam.CfnOIDCProvider(self, "GitHub", url=f"https://{ISSUER}", client_id_list=["sts.amazonaws.com"])
        self.provider_arn = provider.attr_arn
        push = iam.Role(
            self,
            "Push",
            role_name="bank-push",
            description="Pushes images from the main branch",
            assumed_by=github_principal(self, self.provider_arn, "ref:refs/heads/main"),
            max_session_duration=cdk.Duration.hours(1),
        )
        for repository in self.repositories.values():
            repository.grant_pull_push(push)
        explain(
            push,
            "AwsSolutions-IAM5[Resource::*]",
            "ecr:GetAuthorizationToken knows no resource; pushing itself is limited to the two repositories.",
        )
        for image, repository in self.repositories.items():
            cdk.CfnOutput(self, f"{image.title()}Repository", value=repository.repository_uri)
        cdk.CfnOutput(self, "PushRole", value=push.role_arn)

    def _repository(self, image: str) -> ecr.Repository:
        return ecr.Repository(
            self,
            image.title(),
            repository_name=f"bank/{image}",
            image_scan_on_push=True,
            image_tag_mutability=ecr.TagMutability.IMMUTABLE,
            encryption=ecr.RepositoryEncryption.AES_256,
            removal_policy=cdk.RemovalPolicy.RETAIN,
            lifecycle_rules=[
                ecr.LifecycleRule(
                    rule_priority=1,
                    description="Untagged layers of interrupted pushes",
                    tag_status=ecr.TagStatus.UNTAGGED,
                    max_image_age=cdk.Duration.days(7),
                ),
                ecr.LifecycleRule(
                    rule_priority=2,
                    description="Enough versions to roll back to",
                    max_image_count=KEPT_IMAGES,
                ),
            ],
        )
