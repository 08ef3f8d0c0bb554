"""The templates created against moto, as far as moto supports them.

The first test fails if the list of unsupported resource types is wrong in either direction.
"""

import json
import sys
from typing import Any

import boto3
import moto
import pytest

from bank_assets_tests.deploy.synthesized import AWS, listed

sys.path.insert(0, str(AWS))

from release import Release, ReleaseError

pytestmark = pytest.mark.slow

UNKNOWN_TO_MOTO = {
    "AWS::ApplicationAutoScaling::ScalableTarget",
    "AWS::ApplicationAutoScaling::ScalingPolicy",
    "AWS::CloudWatch::Alarm",
    "AWS::DataSync::LocationEFS",
    "AWS::DataSync::LocationS3",
    "AWS::DataSync::Task",
    "AWS::EC2::SecurityGroupEgress",
    "AWS::IAM::OIDCProvider",
    "AWS::Logs::MetricFilter",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::TopicPolicy",
    "AWS::SecretsManager::Secret",
    "AWS::SecretsManager::SecretTargetAttachment",
    "AWS::ServiceDiscovery::PrivateDnsNamespace",
    "AWS::ServiceDiscovery::Service",
}
BREAKS_MOTO = {("AWS::RDS::DBInstance", "DBParameterGroupName"): "it takes the group's object for its name"}
UNKNOWN_ATTRIBUTES = {
    ("AWS::EFS::AccessPoint", "Arn"),
    ("AWS::EFS::FileSystem", "Arn"),
    ("AWS::ElasticLoadBalancingV2::LoadBalancer", "LoadBalancerFullName"),
    ("AWS::ElasticLoadBalancingV2::TargetGroup", "TargetGroupFullName"),
}
PARAMETERS = {
    "Revision": "abcdef1234567",
    "GitHubRepository": "owner/name",
    "Domain": "bank.example.org",
    "OidcIssuer": "https://id.example.org",
    "OidcAuthorizationEndpoint": "https://id.example.org/authorize",
    "OidcTokenEndpoint": "https://id.example.org/token",
    "OidcUserInfoEndpoint": "https://id.example.org/userinfo",
    "OidcClientId": "bank",
}
ORDER = (
    "bank-registry",
    *(f"bank-dev-{s}" for s in ["delivery", "network", "data", "sync", "jobs", "services", "monitoring"]),
)


def known_to_moto(kind: str) -> bool:
    from moto.cloudformation.parsing import get_model_map

    return kind in get_model_map()


def reduced(template: dict[str, Any]) -> dict[str, Any]:
    """A template without the resources that moto lacks; references to them become text."""
    kinds = {name: resource["Type"] for name, resource in template["Resources"].items()}
    gone = {name for name, kind in kinds.items() if not known_to_moto(kind)}

    def walk(value: Any) -> Any:
        if isinstance(value, list):
            return [walk(each) for each in value]
        if not isinstance(value, dict):
            return value
        if value.get("Ref") in gone:
            return f"arn:aws:unknown:::{value['Ref']}"
        if "Fn::GetAtt" in value:
            name, attribute = value["Fn::GetAtt"]
            if name in gone or (kinds.get(name), attribute) in UNKNOWN_ATTRIBUTES:
                return f"arn:aws:unknown:::{name}"
        return {key: walk(each) for key, each in value.items()}

    def kept(resource: dict[str, Any]) -> dict[str, Any]:
        depends = [name for name in listed(resource.get("DependsOn", [])) if name not in gone]
        properties = {
            key: value
            for key, value in resource.get("Properties", {}).items()
            if (resource["Type"], key) not in BREAKS_MOTO
        }
        return resource | {"DependsOn": depends, "Properties": properties}

    remaining = {name: kept(each) for name, each in template["Resources"].items() if name not in gone}
    return walk(template | {"Resources": remaining})


def test_the_list_of_what_moto_cannot_make_is_exact(templates):
    kinds = {resource["Type"] for template in templates.values() for resource in template["Resources"].values()}
    assert {kind for kind in kinds if not known_to_moto(kind)} == UNKNOWN_TO_MOTO


def _create(name: str, template: dict[str, Any], parameters: dict[str, str]) -> None:
    declared = [key for key in template.get("Parameters", {}) if key in parameters]
    boto3.client("cloudformation").create_stack(
        StackName=name,
        TemplateBody=json.dumps(template),
        Parameters=[{"ParameterKey": key, "ParameterValue": parameters[key]} for key in declared],
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )


@pytest.fixture(scope="module")
def cloud(templates, tmp_path_factory):
    """All stacks of the development environment, created in moto."""
    folder = tmp_path_factory.mktemp("reduced")
    for name in ORDER:
        (folder / f"{name}.template.json").write_text(json.dumps(reduced(templates[name])))
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "testing")
        patch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
        with moto.mock_aws():
            secret = json.dumps({"client_secret": "drawn"})
            boto3.client("secretsmanager").create_secret(Name="bank/dev/oidc", SecretString=secret)
            certificate = boto3.client("acm").request_certificate(DomainName="bank.example.org")["CertificateArn"]
            parameters = PARAMETERS | {"CertificateArn": certificate}
            release = Release(boto3.Session(), folder, "dev", parameters, None)
            for name in ORDER:
                # Not by change sets as in a release, because moto's change sets do not export.
                _create(name, json.loads((folder / f"{name}.template.json").read_text()), parameters)
            yield release


def test_every_stack_is_created_with_all_that_moto_knows(cloud, templates):
    stacks = boto3.client("cloudformation")
    for name in ORDER:
        assert stacks.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"] == "CREATE_COMPLETE"
        made = stacks.describe_stack_resources(StackName=name)["StackResources"]
        assert len(made) == len(reduced(templates[name])["Resources"]), name


def test_what_was_created_is_what_was_requested(cloud):
    repositories = boto3.client("ecr").describe_repositories()["repositories"]
    assert {each["imageTagMutability"] for each in repositories} == {"IMMUTABLE"}
    (database,) = boto3.client("rds").describe_db_instances()["DBInstances"]
    assert (database["StorageEncrypted"], database["PubliclyAccessible"]) == (True, False)
    ecs = boto3.client("ecs")
    names = [arn.split("/")[-1] for arn in ecs.list_services(cluster="bank-dev")["serviceArns"]]
    assert sorted(names) == ["app", "code", "daemon", "mlflow", "web"]
    balancers = {
        b["LoadBalancerName"]: b["Scheme"] for b in boto3.client("elbv2").describe_load_balancers()["LoadBalancers"]
    }
    assert balancers == {"bank-dev-edge": "internet-facing", "bank-dev-inside": "internal"}


def test_a_stack_is_created_then_changed_and_keeps_the_parameters_it_was_given(cloud, tmp_path):
    queue = {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": {"Ref": "Domain"}, "DelaySeconds": 1}}
    template = {"Parameters": {"Domain": {"Type": "String"}}, "Resources": {"Queue": queue}}
    path = tmp_path / "bank-tiny-network.template.json"
    path.write_text(json.dumps(template))
    assert Release(boto3.Session(), tmp_path, "tiny", {"Domain": "a-name"}, None).deploy("network")
    queue["Properties"]["DelaySeconds"] = 2
    path.write_text(json.dumps(template))
    assert Release(boto3.Session(), tmp_path, "tiny", {}, None).deploy("network")
    (stack,) = boto3.client("cloudformation").describe_stacks(StackName="bank-tiny-network")["Stacks"]
    assert stack["StackStatus"] == "UPDATE_COMPLETE"
    assert stack["Parameters"] == [{"ParameterKey": "Domain", "ParameterValue": "a-name"}]
    path.write_text(json.dumps(template | {"Description": "x" * 51_200}))
    with pytest.raises(ReleaseError, match="51200 bytes"):
        Release(boto3.Session(), tmp_path, "tiny", {}, None).deploy("network")


def test_a_missing_parameter_and_a_missing_template_stop_the_release(cloud, templates, tmp_path):
    (tmp_path / "bank-prod-jobs.template.json").write_text(json.dumps(templates["bank-prod-jobs"]))
    bare = Release(boto3.Session(), tmp_path, "prod", {}, None)
    with pytest.raises(ReleaseError, match="expected the parameter Revision"):
        bare.deploy("jobs")
    with pytest.raises(ReleaseError, match="make synth"):
        bare.deploy("data")


@pytest.mark.parametrize("exit_code", [0, 3])
def test_the_release_waits_for_the_migration_and_stops_if_it_fails(cloud, monkeypatch, exit_code):
    ecs = boto3.client("ecs")
    task = ecs.describe_task_definition(taskDefinition="bank-dev-migrate")["taskDefinition"]
    assert task["containerDefinitions"][0]["command"] == ["python", "deploy/aws/databases.py"]
    requested: list[dict[str, Any]] = []
    answers = iter(["PENDING", "RUNNING", "STOPPED"])

    class Ending:  # moto runs no task without a limit of memory per container, and none ends
        def run_task(self, **request):
            requested.append(request)
            return {"tasks": [{"taskArn": "task"}]}

        def describe_tasks(self, **_request):
            task = {"lastStatus": next(answers), "containers": [{"exitCode": exit_code}], "stoppedReason": "done"}
            return {"tasks": [task]}

    monkeypatch.setattr(cloud, "_ecs", Ending())
    if exit_code == 0:
        cloud.migrate(poll_seconds=0)
    else:
        with pytest.raises(ReleaseError, match=r"expected exit code 0, found \[3\]"):
            cloud.migrate(poll_seconds=0)
    assert next(answers, None) is None
    network = requested[0]["networkConfiguration"]["awsvpcConfiguration"]
    assert (len(network["subnets"]), network["assignPublicIp"]) == (2, "DISABLED")
