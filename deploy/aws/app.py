"""The CDK app: `python deploy/aws/app.py [--output folder] [--context key=value ...]` writes the templates, offline.

It assembles the stacks and checks them with cdk-nag; `make synth` calls it, and `npx cdk` works too (cdk.json). Stacks
name no account, region or asset, so a template is deployed as it is, without a bootstrap of the account.

Order: registry; then per environment delivery, network, data, sync, jobs, (migrate task), services, monitoring.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import aws_cdk as cdk
from bank_aws.data import DataStack
from bank_aws.delivery import DeliveryStack
from bank_aws.environments import Environment, read_environments
from bank_aws.jobs import JobsStack
from bank_aws.monitoring import MonitoringStack
from bank_aws.network import NetworkStack
from bank_aws.registry import RegistryStack
from bank_aws.services import ServicesStack
from bank_aws.sync import SyncStack
from cdk_nag import AwsSolutionsChecks

HERE: Final = Path(__file__).resolve().parent
OPERATORS: Final = "10.0.0.0/8"
"""Default network of operators: private addresses, that is, a VPN or a peered network."""


def file_context() -> dict[str, Any]:
    """The context of cdk.json."""
    found: dict[str, Any] = json.loads((HERE / "cdk.json").read_text())["context"]
    return found


def build(context: Mapping[str, Any], output: Path | None = None) -> cdk.App:
    """Put the stacks together.

    Args:
        context: over that of cdk.json.
        output: folder of the templates; default what the CDK command line says, or a temporary one.

    Returns:
        The app, checked by cdk-nag when it is synthesized.
    """
    merged = {**file_context(), **context}
    app = cdk.App(context=merged, outdir=str(output) if output else None, analytics_reporting=False)
    cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    registry = RegistryStack(app, "bank-registry", **_options("Image repositories and the push role"))
    for environment in read_environments(merged["environments"]):
        _add(app, environment, registry, str(merged.get("operators", OPERATORS)))
    return app


def _options(description: str, environment: Environment | None = None) -> dict[str, Any]:
    return {
        "description": f"Bank marketing platform: {description}",
        "synthesizer": cdk.BootstraplessSynthesizer(),
        "suppress_template_indentation": True,
        "analytics_reporting": False,
        "termination_protection": bool(environment and environment.is_protected),
        "tags": {"platform": "bank-marketing"} | ({"environment": environment.name} if environment else {}),
    }


def _add(app: cdk.App, environment: Environment, registry: RegistryStack, operators: str) -> None:
    def named(name: str) -> str:
        return f"{environment.prefix}-{name}"

    def options(description: str) -> dict[str, Any]:
        return _options(description, environment)

    DeliveryStack(app, named("delivery"), environment, registry, **options("who may deploy"))
    network = NetworkStack(
        app, named("network"), environment, operators=operators, **options("VPC and security groups")
    )
    data = DataStack(app, named("data"), environment, network, **options("database, files, buckets, secrets"))
    SyncStack(app, named("sync"), environment, network, data, **options("deliveries in, snapshots out"))
    jobs = JobsStack(app, named("jobs"), environment, network, registry, data, **options("cluster and one-off tasks"))
    services = ServicesStack(
        app, named("services"), environment, network, registry, data, jobs, **options("services and load balancers")
    )
    MonitoringStack(app, named("monitoring"), environment, data, jobs, services, **options("alarms and dashboard"))


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the templates.

    Returns:
        0, or 1 if cdk-nag has a finding without an explanation.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=HERE / "cdk.out")
    parser.add_argument("--context", "-c", action="append", default=[], metavar="KEY=VALUE", help="VALUE may be JSON")
    parsed = parser.parse_args(arguments)
    # Under the CDK command line, it says where the templates go.
    output = None if os.environ.get("CDK_OUTDIR") else parsed.output
    build(dict(_pair(text) for text in parsed.context), output).synth()
    return 0


def _pair(text: str) -> tuple[str, Any]:
    key, separator, value = text.partition("=")
    if not separator:
        raise SystemExit(f"--context: expected KEY=VALUE, found {text!r}.")
    try:
        return key, json.loads(value)
    except json.JSONDecodeError:
        return key, value


if __name__ == "__main__":
    sys.exit(main())
