"""The two entrances: a public load balancer for the app, an internal one for Dagster and MLflow, which have no login.

Every forwarding action of the internal listener first authenticates with the company's OpenID Connect provider;
requests that match no host get a 404. Inside there is no plain HTTP, and outside it only redirects.
"""

from __future__ import annotations

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_elasticloadbalancingv2 as elb
from constructs import Construct

from bank_aws.data import DataStack
from bank_aws.environments import Environment
from bank_aws.network import NetworkStack
from bank_aws.tasks import parameter

URL = "https://.+"


class Edge(Construct):
    """Load balancers of an environment, with the parameters that only the operator knows."""

    def __init__(self, stack: cdk.Stack, environment: Environment, network: NetworkStack, data: DataStack, domain: str):
        """Build both.

        Args:
            stack: that they belong to; gets the parameters.
            environment: names.
            network: VPC and security groups.
            data: bucket of access logs.
            domain: host name of the app.
        """
        super().__init__(stack, "Edge")
        self._environment, self._network, self._data = environment, network, data
        self.domain = domain
        certificate = elb.ListenerCertificate.from_arn(
            parameter(
                stack,
                "CertificateArn",
                "ACM certificate for the domain and *.domain, in this region",
                r"arn:[a-z-]+:acm:[a-z0-9-]+:\d{12}:certificate/.+",
            )
        )
        issuer = parameter(stack, "OidcIssuer", "Issuer of the OpenID Connect provider", URL)
        self._sign_in: dict[str, Any] = {
            "issuer": issuer,
            "authorization_endpoint": parameter(stack, "OidcAuthorizationEndpoint", "Its authorization endpoint", URL),
            "token_endpoint": parameter(stack, "OidcTokenEndpoint", "Its token endpoint", URL),
            "user_info_endpoint": parameter(stack, "OidcUserInfoEndpoint", "Its user info endpoint", URL),
            "client_id": parameter(stack, "OidcClientId", "Client id registered with it", ".+"),
            # The operator's own secret: it exists before this stack, and its value is in no template.
            "client_secret": cdk.SecretValue.secrets_manager(
                f"bank/{environment.name}/oidc", json_field="client_secret"
            ),
            "scope": "openid email",
            "session_timeout": cdk.Duration.hours(8),
            "on_unauthenticated_request": elb.UnauthenticatedAction.AUTHENTICATE,
        }
        self.public = self._balancer("Public", "edge", is_public=True)
        self.public.add_listener(
            "Plain",
            port=80,
            open=False,
            default_action=elb.ListenerAction.redirect(protocol="HTTPS", port="443", permanent=True),
        )
        nothing_here = elb.ListenerAction.fixed_response(404, content_type="text/plain", message_body="not here")
        listener: dict[str, Any] = {
            "port": 443,
            "open": False,
            "protocol": elb.ApplicationProtocol.HTTPS,
            "certificates": [certificate],
            "ssl_policy": elb.SslPolicy.RECOMMENDED_TLS,
            "default_action": nothing_here,
        }
        self.public_listener = self.public.add_listener("Tls", **listener)
        self.inside = self._balancer("Inside", "inside", is_public=False)
        self.inside_listener = self.inside.add_listener("Tls", **listener)
        cdk.CfnOutput(stack, "AppAddress", value=self.public.load_balancer_dns_name)
        cdk.CfnOutput(stack, "OperatorsAddress", value=self.inside.load_balancer_dns_name)

    def _balancer(self, name: str, group: str, *, is_public: bool) -> elb.ApplicationLoadBalancer:
        kind = ec2.SubnetType.PUBLIC if is_public else ec2.SubnetType.PRIVATE_WITH_EGRESS
        made = elb.ApplicationLoadBalancer(
            self,
            name,
            load_balancer_name=f"{self._environment.prefix}-{group}",
            vpc=self._network.vpc,
            internet_facing=is_public,
            vpc_subnets=ec2.SubnetSelection(subnet_type=kind),
            security_group=self._network.fixed(self, group),
            drop_invalid_header_fields=True,
            deletion_protection=self._environment.is_protected,
            idle_timeout=cdk.Duration.seconds(60),
        )
        made.set_attribute("access_logs.s3.enabled", "true")
        made.set_attribute("access_logs.s3.bucket", self._data.access_logs.bucket_name)
        made.set_attribute("access_logs.s3.prefix", group)
        return made

    def _targets(
        self,
        name: str,
        port: int,
        health_path: str,
        service: elb.IApplicationLoadBalancerTarget,
        health_codes: str = "200",
    ) -> elb.ApplicationTargetGroup:
        return elb.ApplicationTargetGroup(
            self,
            name,
            vpc=self._network.vpc,
            port=port,
            protocol=elb.ApplicationProtocol.HTTP,
            target_type=elb.TargetType.IP,
            targets=[service],
            deregistration_delay=cdk.Duration.seconds(30),
            health_check=elb.HealthCheck(
                path=health_path,
                healthy_http_codes=health_codes,
                interval=cdk.Duration.seconds(10),
                timeout=cdk.Duration.seconds(5),
                healthy_threshold_count=2,
                unhealthy_threshold_count=3,
            ),
        )

    def publish(
        self, service: elb.IApplicationLoadBalancerTarget, port: int, health_path: str
    ) -> elb.ApplicationTargetGroup:
        """Route the domain to a service that has its own login."""
        group = self._targets("AppTargets", port, health_path, service)
        self.public_listener.add_action(
            "App",
            priority=10,
            conditions=[elb.ListenerCondition.host_headers([self.domain])],
            action=elb.ListenerAction.forward([group]),
        )
        return group

    def publish_inside(
        self, name: str, service: elb.IApplicationLoadBalancerTarget, port: int, health_path: str, priority: int
    ) -> None:
        """Answer `<name>.<domain>` inside, after signing in."""
        group = self._targets(f"{name.title()}Targets", port, health_path, service)
        self.inside_listener.add_action(
            name.title(),
            priority=priority,
            conditions=[elb.ListenerCondition.host_headers([f"{name}.{self.domain}"])],
            action=elb.ListenerAction.authenticate_oidc(
                next=elb.ListenerAction.forward([group]),
                session_cookie_name=f"bank-{name}",
                **self._sign_in,
            ),
        )
