"""Exceptions from cdk-nag's AwsSolutions rules, each with its reason, beside the resource that it concerns.

A finding without an explanation fails `make synth`.
"""

from __future__ import annotations

import aws_cdk as cdk
from constructs import IConstruct


def explain(resource: IConstruct, rule: str, reason: str) -> None:
    """Accept one finding about one resource.

    Args:
        resource: the construct that the finding names, or one above it.
        rule: the finding, such as `AwsSolutions-IAM5[Resource::*]`.
        reason: why the finding is acceptable here.
    """
    cdk.Validations.of(resource).acknowledge(cdk.Acknowledgment(id=rule, reason=reason))
