"""Every setting that the platform and the app read reaches their containers, or a reason here says why not."""

import sys

import pytest

from bank_assets.settings import load_settings
from bank_assets_tests.deploy.composed import compose
from bank_assets_tests.deploy.synthesized import AWS
from serving.settings import load_serving_settings

sys.path.insert(0, str(AWS))

IMAGE = {
    "HOME": "the images",
    "HOST": "the image",
    "PORT": "the image",
    "REVISION": "the images",
    "CODE_VERSION": "the image",
}
"""Settings that are the same wherever the images run, and what fixes them."""
STACKS = {
    "MLFLOW_URI": "the address of the stack's own server",
    "MLFLOW_ARTIFACTS": "the stack's own server",
    "LAKE": "the stack's own bucket",
    "LANDING": "the stack's own bucket",
    "LEDGER_URL": "the stack's own database",
    "SPARK_MASTER": "there is no cluster: a run computes in its own task",
    "SPARK_MEMORY": "half of a run's memory",
    "ALERT_URLS": "a secret",
    "PUBLIC_URL": "the domain, a parameter of the stack",
    "UI_URL": "the domain, a parameter of the stack",
    "SOURCE_PASSWORD": "a secret, given as a file",
    "WEBHOOK_SECRETS": "a secret, given as a file",
    "LOGIN": "always required behind a public address",
    "HTTPS": "always on",
    "SECRET": "a secret",
    "SHUTDOWN_SECONDS": "goes with the stop timeout",
    "DRAIN_SECONDS": "goes with the load balancer's health check",
    "MIGRATE": "a task of its own",
}
"""Settings that the stacks of AWS set themselves, or leave at their default, and why."""


class Recorded(dict):
    """An environment that remembers what was looked up."""

    def __init__(self, given):
        super().__init__(given)
        self.names = set()

    def get(self, name, default=None):
        self.names.add(name.removeprefix("BANK_"))
        return super().get(name, default)


@pytest.fixture(scope="module")
def read(tmp_path_factory):
    """Names that the platform and the app read, without `BANK_`."""
    platform, app = Recorded({}), Recorded({"BANK_SECRET": "s" * 32, "BANK_HOME": str(tmp_path_factory.mktemp("home"))})
    load_settings(platform)
    load_serving_settings(app)
    assert len(platform.names) > 25
    assert app.names > platform.names
    return platform.names, app.names


def passed(service: dict) -> set[str]:
    """Settings that a service gets, as a value or as the file of a secret."""
    names = {name.removeprefix("BANK_") for name in service["environment"]}
    return names | {name.removesuffix("_FILE") for name in names}


def test_compose_passes_every_setting(read):
    names = set.union(*read)
    services = compose(**{f"BANK_{name}": "given" for name in names})["services"]
    for name, wanted in {
        "code": read[0],
        "web": read[0],
        "daemon": read[0],
        "app-a": read[1],
        "app-b": read[1],
    }.items():
        assert wanted - passed(services[name]) - set(IMAGE) == set(), name


def test_a_setting_that_is_given_reaches_the_container_and_another_keeps_its_default():
    service = compose(BANK_COST_EUR="4")["services"]["app-a"]
    assert service["environment"]["BANK_COST_EUR"] == "4"
    assert "BANK_VALUE_EUR" not in service["environment"]


def test_on_aws_an_environment_may_state_every_setting_that_the_stacks_do_not_fix(read):
    from bank_aws.environments import SETTINGS

    stated = {name.removeprefix("BANK_") for name in SETTINGS}
    fixed = set(IMAGE) | set(STACKS)
    assert set.union(*read) - fixed == stated
