"""What the AWS templates guarantee; each security rule has a case that breaks it."""

import copy
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bank_assets_tests.deploy.synthesized import AWS, ENVIRONMENTS, STACKS, containers, resources

sys.path.insert(0, str(AWS))

pytestmark = pytest.mark.slow


def test_every_stack_is_there_and_small_enough_to_deploy_without_a_bucket(templates, templates_folder):
    assert set(templates) == {"bank-registry", *(f"bank-{e}-{s}" for e in ENVIRONMENTS for s in STACKS)}
    for path in templates_folder.glob("*.template.json"):
        assert path.stat().st_size <= 51_200, path.name


def test_no_account_region_registry_or_asset_is_written_down(templates):
    for name, template in templates.items():
        text = json.dumps(template)
        assert not re.findall(r"(?<![0-9A-Za-z])\d{12}(?![0-9A-Za-z])", text), name
        assert not re.findall(r"\b(?:eu|us|ap|sa|ca|me|af)-[a-z]+-\d\b", text), name
        assert not re.findall(r"[\w-]+\.dkr\.ecr", text), name
        assert "cdk-hnb659fds" not in text, f"{name}: an asset needs a bootstrapped account"


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_services_are_replaced_without_a_gap_and_rolled_back_by_themselves(templates, environment):
    services = resources(templates[f"bank-{environment}-services"], "AWS::ECS::Service")
    by_name = {service["ServiceName"]: service for service in services.values()}
    assert set(by_name) == {"app", "web", "daemon", "code", "mlflow"}
    for name, service in by_name.items():
        deployment = service["DeploymentConfiguration"]
        assert deployment["DeploymentCircuitBreaker"] == {"Enable": True, "Rollback": True}, name
        percent = (deployment["MinimumHealthyPercent"], deployment["MaximumPercent"])
        # Two daemons would evaluate every schedule twice.
        assert percent == ((0, 100) if name == "daemon" else (100, 200)), name
        assert service["NetworkConfiguration"]["AwsvpcConfiguration"]["AssignPublicIp"] == "DISABLED"
        assert service["LaunchType"] == "FARGATE", "the run launcher of dagster-aws reads the daemon's launch type"
    assert "DesiredCount" not in by_name["app"], "autoscaling owns it"
    assert by_name["app"]["DeploymentConfiguration"]["Alarms"]["Rollback"] is True
    assert by_name["app"]["HealthCheckGracePeriodSeconds"] > 0
    (target,) = resources(
        templates[f"bank-{environment}-services"], "AWS::ApplicationAutoScaling::ScalableTarget"
    ).values()
    assert target["MinCapacity"] >= 2


def test_containers_have_no_root_no_writable_root_and_no_secret_in_plain_sight(templates):
    seen = 0
    for name, template in templates.items():
        for family, container in containers(template):
            seen += 1
            assert container["ReadonlyRootFilesystem"] is True, (name, family)
            assert container["User"] == "10001:10001", (name, family)
            assert not container.get("Privileged"), (name, family)
            for variable in container.get("Environment", []):
                assert not re.search("PASSWORD|SECRET|TOKEN|KEY", variable["Name"]), (name, variable["Name"])
            assert container["LogConfiguration"]["LogDriver"] == "awslogs"
            wanted = {"app": {"BANK_SECRET", "PGUSER", "PGPASSWORD"}}.get(container["Name"], set())
            assert wanted <= {secret["Name"] for secret in container.get("Secrets", [])}
    assert seen == 2 * 7


def test_what_computes_or_decides_gets_the_settings_of_its_environment(templates):
    stated = json.loads((AWS / "cdk.json").read_text())["context"]["environments"]
    for environment in ENVIRONMENTS:
        found = {}
        for stack in ("jobs", "services"):
            for _, container in containers(templates[f"bank-{environment}-{stack}"]):
                variables = {one["Name"]: one["Value"] for one in container.get("Environment", [])}
                found[container["Name"]] = stated[environment]["settings"].items() <= variables.items()
                if found[container["Name"]]:  # links in alerts, reports and runs lead to people's addresses
                    address = variables["BANK_UI_URL"]["Fn::Join"][1]
                    assert address == ["https://dagster.", {"Ref": "Domain"}], container["Name"]
        assert {name for name, has_settings in found.items() if has_settings} == {"code", "run", "app"}


def test_what_holds_data_is_encrypted_kept_and_reached_over_tls(templates):
    for environment in ENVIRONMENTS:
        data = templates[f"bank-{environment}-data"]
        (database,) = resources(data, "AWS::RDS::DBInstance").values()
        (parameters,) = resources(data, "AWS::RDS::DBParameterGroup").values()
        assert database["StorageEncrypted"] is True
        assert database["PubliclyAccessible"] is False
        assert database["BackupRetentionPeriod"] >= 7
        assert parameters["Parameters"]["rds.force_ssl"] == "1"
        (files,) = resources(data, "AWS::EFS::FileSystem").values()
        assert files["Encrypted"] is True
        assert files["BackupPolicy"] == {"Status": "ENABLED"}
        assert [each["Effect"] for each in files["FileSystemPolicy"]["Statement"]] == ["Deny"]
        buckets = resources(data, "AWS::S3::Bucket")
        assert len(buckets) == 4
        for bucket in buckets.values():
            assert all(bucket["PublicAccessBlockConfiguration"].values())
            assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
            assert bucket["BucketEncryption"]
        denied = {
            policy["Bucket"]["Ref"]
            for policy in resources(data, "AWS::S3::BucketPolicy").values()
            for statement in policy["PolicyDocument"]["Statement"]
            if statement["Effect"] == "Deny"
            and statement.get("Condition", {}).get("Bool") == {"aws:SecureTransport": "false"}
        }
        assert denied == set(buckets)


def test_only_code_location_and_runs_reach_the_tables_and_none_a_former_version(templates):
    for environment in ENVIRONMENTS:
        allowed: dict[str, set[str]] = {}
        for stack in ("jobs", "services"):
            for policy in resources(templates[f"bank-{environment}-{stack}"], "AWS::IAM::Policy").values():
                for statement in policy["PolicyDocument"]["Statement"]:
                    if "GetAttLake" in str(statement["Resource"]):
                        actions = (
                            statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
                        )
                        for role in policy["Roles"]:
                            allowed.setdefault(role["Ref"].split("Task")[0], set()).update(actions)
        objects = {"s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:PutObject"}
        assert allowed == dict.fromkeys(("Run", "Code"), objects | {"s3:GetBucketLocation", "s3:ListBucket"})
        for stack, name in (("jobs", "run"), ("services", "code"), ("services", "app")):
            address = str(variables_of(templates[f"bank-{environment}-{stack}"], name)["BANK_LAKE"])
            assert "s3://" in address
            assert "Lake" in address
        buckets = resources(templates[f"bank-{environment}-data"], "AWS::S3::Bucket")
        (bucket,) = (one for name, one in buckets.items() if name.startswith("Lake"))
        (rule,) = bucket["LifecycleConfiguration"]["Rules"]
        assert rule["NoncurrentVersionExpiration"] == {"NoncurrentDays": 30}


def variables_of(template: dict, name: str) -> dict:
    """The variables of the container of this name."""
    for definition in resources(template, "AWS::ECS::TaskDefinition").values():
        for container in definition["ContainerDefinitions"]:
            if container["Name"] == name:
                return {one["Name"]: one["Value"] for one in container["Environment"]}
    raise LookupError(name)


def test_production_survives_a_zone_and_a_slip(templates):
    (database,) = resources(templates["bank-prod-data"], "AWS::RDS::DBInstance").values()
    assert (database["MultiAZ"], database["DeletionProtection"]) == (True, True)
    assert len(resources(templates["bank-prod-network"], "AWS::EC2::NatGateway")) == 2
    for kind in ("AWS::S3::Bucket", "AWS::EFS::FileSystem", "AWS::KMS::Key"):
        for name, resource in templates["bank-prod-data"]["Resources"].items():
            if resource["Type"] == kind:
                assert resource["DeletionPolicy"] == "Retain", name
    assert len(resources(templates["bank-dev-network"], "AWS::EC2::NatGateway")) == 1


def test_every_log_group_has_a_retention_and_every_image_is_scanned(templates):
    groups = [group for template in templates.values() for group in resources(template, "AWS::Logs::LogGroup").values()]
    assert len(groups) == 2 * 7
    assert all(group["RetentionInDays"] in (14, 365) for group in groups)
    repositories = resources(templates["bank-registry"], "AWS::ECR::Repository")
    assert {each["RepositoryName"] for each in repositories.values()} == {"bank/serving", "bank/pipeline"}
    for repository in repositories.values():
        assert repository["ImageScanningConfiguration"] == {"ScanOnPush": True}
        assert repository["ImageTagMutability"] == "IMMUTABLE"
        assert repository["LifecyclePolicy"]


def test_alarms_cover_the_journey_and_notify_somebody(templates):
    alarms = resources(templates["bank-prod-monitoring"], "AWS::CloudWatch::Alarm")
    names = {alarm["AlarmName"].removeprefix("bank-prod-") for alarm in alarms.values()}
    assert names == {
        *("errors", "latency", "unhealthy", "no-healthy", "no-decisions", "model-refused", "run-failed", "model-stale"),
        *("daemon", "database-storage", "database-cpu"),
    }
    assert all(alarm["AlarmActions"] and alarm["OKActions"] for alarm in alarms.values())
    # Alarms for which missing data means trouble must treat it as a breach.
    silent = {a["AlarmName"] for a in alarms.values() if a["TreatMissingData"] == "breaching"}
    assert silent == {f"bank-prod-{name}" for name in ("no-healthy", "no-decisions", "model-stale")}


def test_cdk_assertions_agree(templates):
    """The CDK's own matchers on the most important resources."""
    from aws_cdk.assertions import Match, Template

    data = Template.from_json(templates["bank-prod-data"])
    data.has_resource_properties("AWS::RDS::DBInstance", {"StorageEncrypted": True, "MultiAZ": True})
    data.all_resources_properties("AWS::SecretsManager::Secret", {"KmsKeyId": Match.any_value()})
    services = Template.from_json(templates["bank-prod-services"])
    services.resource_count_is("AWS::ECS::Service", 5)
    services.has_resource_properties(
        "AWS::ElasticLoadBalancingV2::Listener",
        {"Port": 80, "DefaultActions": [Match.object_like({"Type": "redirect"})]},
    )
    with pytest.raises(RuntimeError, match="MultiAZ"):
        data.has_resource_properties("AWS::RDS::DBInstance", {"MultiAZ": False})


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ({"app_min_tasks": 1}, "without a gap"),
        ({"log_days": 13}, "log_days as one of"),
        ({"x": 1}, "unknown ['x']"),
        ({"app_cpu": "256"}, "app_cpu as int"),
        ({"settings": {"BANK_LOGIN": "no"}}, "found BANK_LOGIN: 'no'"),
        ({"settings": {"BANK_COST_EUR": 4}}, "settings as text"),
    ],
)
def test_an_environment_that_breaks_a_guarantee_is_refused(override, says):
    from bank_aws.environments import EnvironmentSettingsError, read_environments

    dev = json.loads((AWS / "cdk.json").read_text())["context"]["environments"]["dev"]
    with pytest.raises(EnvironmentSettingsError) as refused:
        read_environments({"dev": dev | override})
    assert says in str(refused.value)


def test_a_finding_of_cdk_nag_that_nobody_explained_stops_the_synthesis(tmp_path):
    from app import build
    from aws_cdk import aws_s3

    app = build({"environments": {}}, tmp_path)
    aws_s3.Bucket(app.node.find_child("bank-registry"), "Open")
    with pytest.raises(RuntimeError, match="ValidationFailed"):
        app.synth()
    report = json.loads((tmp_path / "validation-report.json").read_text())
    found = {violation["ruleName"] for each in report["pluginReports"] for violation in each["violations"]}
    assert {"AwsSolutions-S1", "AwsSolutions-S10"} <= found


def cfn_lint(*paths) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / "cfn-lint"), "--regions", "eu-west-1", "us-east-1", "--"]
    return subprocess.run([*command, *map(str, paths)], capture_output=True, text=True, check=False)


def test_cfn_lint_has_nothing_to_say_and_notices_a_fault(templates, templates_folder, tmp_path):
    # Production has the same resources in other sizes; `make deploy-check` looks at all of them.
    clean = cfn_lint(*sorted(templates_folder.glob("bank-dev-*.template.json")))
    assert (clean.returncode, clean.stdout) == (0, "")
    broken = copy.deepcopy(templates["bank-registry"])
    next(iter(resources(broken, "AWS::ECR::Repository").values()))["ImageTagMutability"] = "SOMETIMES"
    (tmp_path / "broken.json").write_text(json.dumps(broken))
    assert "SOMETIMES" in cfn_lint(tmp_path / "broken.json").stdout
