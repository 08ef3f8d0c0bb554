"""Permissions of roles: each names its resources, and a wildcard needs a reason."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_iam as iam

from bank_aws.exceptions import explain


def may(
    role: iam.Role | iam.IRole,
    actions: Sequence[str],
    resources: Sequence[str],
    *,
    why: str = "",
    conditions: dict[str, Any] | None = None,
) -> None:
    """Give a role a permission.

    Args:
        role: whose.
        actions: without wildcards.
        resources: ARNs; of another stack's resource, take it by `Stack.export_value`.
        why: reason for each wildcard among the resources; without one, cdk-nag refuses them.
        conditions: of the statement.
    """
    role.add_to_principal_policy(
        iam.PolicyStatement(actions=list(actions), resources=list(resources), conditions=conditions)
    )
    if not why:
        return
    for resource in resources:
        spelled = _spelled(cdk.Stack.of(role).resolve(resource))
        if "*" in spelled:
            explain(role, f"AwsSolutions-IAM5[Resource::{spelled}]", why)


def _spelled(resolved: Any) -> str:
    """A resolved ARN as cdk-nag names it in a finding."""
    if isinstance(resolved, str):
        return resolved
    (function, value), *_ = resolved.items()
    if function == "Fn::Join":
        return value[0].join(_spelled(part) for part in value[1])
    if function == "Fn::ImportValue":
        return str(value)
    return f"<{value if isinstance(value, str) else '.'.join(value)}>"
