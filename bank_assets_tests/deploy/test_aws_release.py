"""How a release ends when CloudFormation reports anything but success, which moto never does."""

import json
import sys

import pytest
from botocore.exceptions import WaiterError

from bank_assets_tests.deploy.synthesized import AWS

sys.path.insert(0, str(AWS))

from release import Release, ReleaseError, main


class Stacks:
    """Answers of CloudFormation for one existing stack."""

    def __init__(self, change: str = "", fails: str = "") -> None:
        self.change, self.fails = change, fails
        self.calls: list[str] = []

    def __getattr__(self, name):
        def call(**given):
            self.calls.append(name)
            return given

        return call

    def describe_stacks(self, **_given):
        return {"Stacks": [{"StackStatus": "UPDATE_COMPLETE", "Parameters": [{"ParameterKey": "Domain"}]}]}

    def describe_change_set(self, **_given):
        return {"StatusReason": self.change}

    def describe_stack_events(self, **_given):
        failed = {"ResourceStatus": "UPDATE_FAILED", "ResourceStatusReason": self.fails}
        return {"StackEvents": [failed | {"LogicalResourceId": "AppService"}, {"ResourceStatus": "UPDATE_COMPLETE"}]}

    def get_waiter(self, name):
        bad = (name.startswith("change_set") and self.change) or (name.startswith("stack") and self.fails)

        class Waiter:
            def wait(self, **_given):
                if bad:
                    raise WaiterError(name, "terminal failure", {})

        return Waiter()


def release_with(stacks: Stacks, tmp_path) -> Release:
    class Session:
        def client(self, service):
            return stacks if service == "cloudformation" else None

    template = {"Parameters": {"Domain": {"Type": "String"}}, "Resources": {}}
    (tmp_path / "bank-dev-services.template.json").write_text(json.dumps(template))
    return Release(Session(), tmp_path, "dev", {}, "arn:role")


def test_a_stack_without_changes_is_left_alone(tmp_path, capsys):
    stacks = Stacks(change="The submitted information didn't contain changes.")
    assert release_with(stacks, tmp_path).deploy("services") is False
    assert "execute_change_set" not in stacks.calls
    assert "unchanged" in capsys.readouterr().out


def test_a_change_set_that_cannot_be_made_says_why(tmp_path):
    with pytest.raises(ReleaseError, match="export is gone"):
        release_with(Stacks(change="an export is gone"), tmp_path).deploy("services")


def test_services_that_were_rolled_back_stop_the_release_with_the_reason(tmp_path):
    with pytest.raises(ReleaseError, match="AppService: deployment circuit breaker was triggered"):
        release_with(Stacks(fails="deployment circuit breaker was triggered"), tmp_path).deploy("services")


def test_the_command_ends_with_1_and_names_what_is_missing(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    assert main(["--environment", "dev", "--revision", "abc", "--templates", str(tmp_path)]) == 1
    assert "make synth" in capsys.readouterr().err


def test_the_order_is_migrations_between_task_definitions_and_services(tmp_path, monkeypatch):
    order: list[str] = []
    monkeypatch.setattr(Release, "deploy", lambda _self, name: order.append(name))
    monkeypatch.setattr(Release, "migrate", lambda _self, _seconds: order.append("migrate"))
    release_with(Stacks(), tmp_path).run()
    assert order == ["network", "data", "sync", "jobs", "migrate", "services", "monitoring"]
