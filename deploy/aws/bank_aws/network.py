"""VPC, subnets, and every security group with all of its rules.

Services receive their group immutable, so no other stack can open a port. Public subnets hold the app's load balancer
and NAT. Tasks, the file system and the internal load balancer are in private subnets with outbound access (AWS APIs,
alert channels, the identity provider), the database in isolated ones.
"""

from __future__ import annotations

from typing import Any, Final

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from constructs import Construct

from bank_aws.environments import Environment
from bank_aws.exceptions import explain
from bank_aws.logs import retention

HTTPS: Final = 443
APP_PORT: Final = 8000
WEB_PORT: Final = 3000
MLFLOW_PORT: Final = 5000
CODE_PORT: Final = 4000
DATABASE_PORT: Final = 5432
FILES_PORT: Final = 2049

GROUPS: Final = {
    "edge": "The load balancer of the app, open to its clients",
    "inside": "The internal load balancer of Dagster and MLflow, open to the networks of the operators",
    "app": "The web app",
    "web": "The Dagster web server",
    "mlflow": "The MLflow server",
    "code": "The Dagster code location",
    "runs": "The Dagster daemon and the runs it starts",
    "migrate": "The task that prepares the databases",
    "database": "The database",
    "files": "The file system",
    "sync": "Copies between bucket and file system",
}

RULES: Final = (
    ("edge", "app", APP_PORT),
    ("inside", "web", WEB_PORT),
    ("inside", "mlflow", MLFLOW_PORT),
    ("app", "mlflow", MLFLOW_PORT),
    ("code", "mlflow", MLFLOW_PORT),
    ("runs", "mlflow", MLFLOW_PORT),
    ("web", "code", CODE_PORT),
    ("runs", "code", CODE_PORT),
    ("app", "database", DATABASE_PORT),
    ("web", "database", DATABASE_PORT),
    ("mlflow", "database", DATABASE_PORT),
    ("code", "database", DATABASE_PORT),
    ("runs", "database", DATABASE_PORT),
    ("migrate", "database", DATABASE_PORT),
    ("app", "files", FILES_PORT),
    ("code", "files", FILES_PORT),
    ("runs", "files", FILES_PORT),
    ("sync", "files", FILES_PORT),
)
"""(from, to, TCP port): all traffic between parts of the platform."""

TO_AWS: Final = ("app", "web", "mlflow", "code", "runs", "migrate", "inside")
"""Who may open HTTPS to the outside: tasks for image, log and secret APIs, the internal load balancer for OIDC."""


class NetworkStack(cdk.Stack):
    """VPC and security groups."""

    def __init__(self, scope: Construct, name: str, environment: Environment, *, operators: str, **kwargs: Any):
        """Build it.

        Args:
            scope: the app.
            name: stack name.
            environment: sizes.
            operators: CIDR of the network that operators reach the internal load balancer from.
            **kwargs: of the stack.
        """
        super().__init__(scope, name, **kwargs)
        flow_log = logs.LogGroup(
            self,
            "FlowLog",
            log_group_name=f"/bank/{environment.name}/flow",
            retention=retention(environment),
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )
        self.vpc = ec2.Vpc(
            self,
            "Vpc",
            max_azs=2,
            nat_gateways=environment.nat_gateways,
            restrict_default_security_group=False,
            subnet_configuration=[
                ec2.SubnetConfiguration(
                    name="public", subnet_type=ec2.SubnetType.PUBLIC, cidr_mask=24, map_public_ip_on_launch=False
                ),
                ec2.SubnetConfiguration(name="private", subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS, cidr_mask=22),
                ec2.SubnetConfiguration(name="isolated", subnet_type=ec2.SubnetType.PRIVATE_ISOLATED, cidr_mask=26),
            ],
            gateway_endpoints={"S3": ec2.GatewayVpcEndpointOptions(service=ec2.GatewayVpcEndpointAwsService.S3)},
        )
        role = iam.Role(self, "FlowLogRole", assumed_by=iam.ServicePrincipal("vpc-flow-logs.amazonaws.com"))
        ec2.FlowLog(
            self,
            "Flow",
            resource_type=ec2.FlowLogResourceType.from_vpc(self.vpc),
            destination=ec2.FlowLogDestination.to_cloud_watch_logs(flow_log, role),
            traffic_type=ec2.FlowLogTrafficType.REJECT,
        )
        self.groups = {
            group: ec2.SecurityGroup(
                self,
                group.capitalize(),
                vpc=self.vpc,
                description=text,
                security_group_name=f"{environment.prefix}-{group}",
                allow_all_outbound=False,
            )
            for group, text in GROUPS.items()
        }
        for source, target, port in RULES:
            self.groups[source].connections.allow_to(self.groups[target], ec2.Port.tcp(port), f"{source} to {target}")
        for group in TO_AWS:
            self.groups[group].add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(HTTPS), "HTTPS to AWS and partners")
        self.groups["edge"].add_ingress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(HTTPS), "Clients of the app")
        self.groups["edge"].add_ingress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(80), "Redirected to HTTPS")
        self.groups["inside"].add_ingress_rule(ec2.Peer.ipv4(operators), ec2.Port.tcp(HTTPS), "Operators")
        # The migrate task is started from outside (release.py), which has to say where.
        subnets = [subnet.subnet_id for subnet in self.vpc.private_subnets]
        cdk.CfnOutput(self, "MigrateSubnets", value=cdk.Fn.join(",", subnets))
        cdk.CfnOutput(self, "MigrateGroup", value=self.groups["migrate"].security_group_id)
        explain(
            self.groups["edge"],
            "AwsSolutions-EC23",
            "Clients of the app come from the internet; the app asks "
            "every one for a login or an API key, and nothing else has an open ingress.",
        )

    def fixed(self, scope: Construct, group: str) -> ec2.ISecurityGroup:
        """A group as another stack may use it: attachable, but not changeable."""
        return ec2.SecurityGroup.from_security_group_id(
            scope, f"Group{group.capitalize()}", self.groups[group].security_group_id, mutable=False
        )
