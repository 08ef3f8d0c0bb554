"""Deploys one version to one environment: `python deploy/aws/release.py --environment prod --revision <commit> ...`.

The workflow and people call it with the same arguments; after a failure run it again. Order: stacks that change rarely,
the task definitions, the migrate task, whose exit code must be 0, the services, which are replaced without downtime and
rolled back if the new version does not become ready, then alarms. A stack whose template and parameters are unchanged
is left alone.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import boto3
from botocore.exceptions import ClientError, WaiterError

BEFORE: Final = ("network", "data", "sync", "jobs")
AFTER: Final = ("services", "monitoring")
TEMPLATE_BYTES: Final = 51_200
"""Largest template that CloudFormation takes without a bucket."""
NOTHING_TO_DO: Final = ("didn't contain changes", "No updates are to be performed")


class ReleaseError(RuntimeError):
    """The release stopped; the message says what was expected, found and what to do."""


class Release:
    """The release of one version to one environment."""

    def __init__(self, session: Any, folder: Path, environment: str, parameters: dict[str, str], role: str | None):
        """Prepare.

        Args:
            session: a boto3 session.
            folder: of the templates, from `make synth`.
            environment: `dev`, `prod`.
            parameters: of the stacks; each stack takes those that it declares.
            role: that CloudFormation acts with; None for the caller's own.
        """
        self._stacks = session.client("cloudformation")
        self._ecs = session.client("ecs")
        self._folder = folder
        self._environment = environment
        self._parameters = parameters
        self._role = role

    def run(self, poll_seconds: float = 10.0) -> None:
        """Release.

        Raises:
            ReleaseError: a step failed; earlier steps stay, and running services were not touched or were rolled back.
        """
        for name in BEFORE:
            self.deploy(name)
        self.migrate(poll_seconds)
        for name in AFTER:
            self.deploy(name)

    def deploy(self, name: str) -> bool:
        """Bring a stack to its template.

        Returns:
            False if it needs no change.

        Raises:
            ReleaseError: it cannot be deployed.
        """
        stack = f"bank-{self._environment}-{name}"
        path = self._folder / f"{stack}.template.json"
        if not path.is_file():
            raise ReleaseError(f"{stack}: expected its template at {path}, found none; run `make synth`.")
        body = path.read_text()
        if len(body.encode()) > TEMPLATE_BYTES:
            raise ReleaseError(f"{stack}: expected a template of up to {TEMPLATE_BYTES} bytes, found {len(body)}.")
        is_new = not self._exists(stack)
        kind = "CREATE" if is_new else "UPDATE"
        change = f"release-{int(time.time())}"
        given = {"RoleARN": self._role} if self._role else {}
        self._stacks.create_change_set(
            StackName=stack,
            ChangeSetName=change,
            ChangeSetType=kind,
            TemplateBody=body,
            Parameters=self._parameters_of(json.loads(body), stack, is_new),
            Capabilities=["CAPABILITY_NAMED_IAM"],
            **given,
        )
        try:
            self._stacks.get_waiter("change_set_create_complete").wait(
                StackName=stack, ChangeSetName=change, WaiterConfig={"Delay": 3, "MaxAttempts": 100}
            )
        except WaiterError as error:
            reason = str(self._stacks.describe_change_set(StackName=stack, ChangeSetName=change).get("StatusReason"))
            self._stacks.delete_change_set(StackName=stack, ChangeSetName=change)
            if any(text in reason for text in NOTHING_TO_DO):
                print(f"{stack}: unchanged", flush=True)
                return False
            raise ReleaseError(f"{stack}: expected a change set, found: {reason}") from error
        self._stacks.execute_change_set(StackName=stack, ChangeSetName=change)
        waiter = "stack_create_complete" if is_new else "stack_update_complete"
        try:
            self._stacks.get_waiter(waiter).wait(StackName=stack, WaiterConfig={"Delay": 10, "MaxAttempts": 360})
        except WaiterError as error:
            raise ReleaseError(f"{stack}: expected it to complete, found: {self._failures(stack)}") from error
        print(f"{stack}: {'created' if is_new else 'updated'}", flush=True)
        return True

    def _exists(self, stack: str) -> bool:
        try:
            found = self._stacks.describe_stacks(StackName=stack)["Stacks"][0]
        except ClientError as error:
            if "does not exist" in str(error):
                return False
            raise
        return bool(found["StackStatus"] != "REVIEW_IN_PROGRESS")

    def _parameters_of(self, template: dict[str, Any], stack: str, is_new: bool) -> list[dict[str, Any]]:
        """Given values; for the others what is deployed, or the template's default."""
        made: list[dict[str, Any]] = []
        deployed: set[str] = set()
        if not is_new:
            described = self._stacks.describe_stacks(StackName=stack)["Stacks"][0]
            deployed = {each["ParameterKey"] for each in described.get("Parameters", [])}
        for name, declared in template.get("Parameters", {}).items():
            if name in self._parameters:
                made.append({"ParameterKey": name, "ParameterValue": self._parameters[name]})
            elif name in deployed:
                made.append({"ParameterKey": name, "UsePreviousValue": True})
            elif "Default" not in declared:
                raise ReleaseError(
                    f"{stack}: expected the parameter {name} ({declared.get('Description')}), found none."
                )
        return made

    def _failures(self, stack: str) -> str:
        events = self._stacks.describe_stack_events(StackName=stack)["StackEvents"]
        failed = [
            f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason')}"
            for event in events
            if event["ResourceStatus"].endswith("FAILED")
        ]
        return "; ".join(failed[-3:]) or "no failed resource; see the console"

    def migrate(self, poll_seconds: float) -> None:
        """Run the migrate task of the new version and wait for it.

        Raises:
            ReleaseError: it did not start or did not end with 0; the old version keeps serving.
        """
        network = self._outputs("network")
        family, cluster = f"bank-{self._environment}-migrate", f"bank-{self._environment}"
        started = self._ecs.run_task(
            cluster=cluster,
            taskDefinition=family,
            launchType="FARGATE",
            startedBy="release",
            networkConfiguration={
                "awsvpcConfiguration": {
                    "subnets": network["MigrateSubnets"].split(","),
                    "securityGroups": [network["MigrateGroup"]],
                    "assignPublicIp": "DISABLED",
                }
            },
        )
        if not started["tasks"]:
            raise ReleaseError(f"{family}: expected it to start, found {started.get('failures')}.")
        task = started["tasks"][0]["taskArn"]
        while True:
            found = self._ecs.describe_tasks(cluster=cluster, tasks=[task])["tasks"][0]
            if found["lastStatus"] == "STOPPED":
                break
            time.sleep(poll_seconds)
        codes = [container.get("exitCode") for container in found["containers"]]
        if codes != [0]:
            raise ReleaseError(
                f"{family}: expected exit code 0, found {codes} ({found.get('stoppedReason')}); see the log group "
                f"/bank/{self._environment}/migrate. The old version keeps serving; fix it and release again."
            )
        print(f"{family}: done", flush=True)

    def _outputs(self, name: str) -> dict[str, str]:
        stack = self._stacks.describe_stacks(StackName=f"bank-{self._environment}-{name}")["Stacks"][0]
        return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}


def main(arguments: Sequence[str] | None = None) -> int:
    """Release, or say what stopped it.

    Returns:
        Exit code.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--environment", required=True)
    parser.add_argument("--revision", required=True, help="commit that the images are tagged with")
    parser.add_argument("--templates", type=Path, default=Path(__file__).resolve().parent / "cdk.out")
    parser.add_argument("--role", help="role that CloudFormation acts with")
    parser.add_argument("--parameter", action="append", default=[], metavar="NAME=VALUE")
    parsed = parser.parse_args(arguments)
    parameters = dict(text.split("=", 1) for text in parsed.parameter) | {"Revision": parsed.revision}
    release = Release(boto3.Session(), parsed.templates, parsed.environment, parameters, parsed.role)
    try:
        release.run()
    except (ReleaseError, ClientError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
