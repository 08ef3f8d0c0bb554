"""Who may do what in the AWS templates: sign-ins, roles, network ways, the push."""

import copy
import json

import pytest

from bank_assets_tests.deploy.synthesized import ENVIRONMENTS, STACKS, listed, resources, statements

pytestmark = pytest.mark.slow


def unauthenticated(template) -> list[str]:
    """Ways in a services template on which a request reaches Dagster or MLflow without a sign-in."""
    faults = []
    balancers = resources(template, "AWS::ElasticLoadBalancingV2::LoadBalancer")
    inside = {name for name, balancer in balancers.items() if balancer["Scheme"] == "internal"}
    listeners = resources(template, "AWS::ElasticLoadBalancingV2::Listener")
    open_to = {name: listener["LoadBalancerArn"]["Ref"] for name, listener in listeners.items()}
    rules = resources(template, "AWS::ElasticLoadBalancingV2::ListenerRule")
    groups = resources(template, "AWS::ElasticLoadBalancingV2::TargetGroup")
    app = {name for name, group in groups.items() if group["Port"] == 8000}
    for name, listener in listeners.items():
        if open_to[name] in inside and listener["Protocol"] != "HTTPS":
            faults.append(f"{name}: plain HTTP inside")
        faults += _forwards(name, listener["DefaultActions"], set())
    for name, rule in rules.items():
        public = open_to[rule["ListenerArn"]["Ref"]] not in inside
        faults += _forwards(name, rule["Actions"], app if public else set())
    return faults


def _forwards(name, actions, allowed) -> list[str]:
    faults, signed_in = [], False
    for action in sorted(actions, key=lambda action: action.get("Order", 0)):
        signed_in |= action["Type"] == "authenticate-oidc" and (
            action["AuthenticateOidcConfig"]["OnUnauthenticatedRequest"] == "authenticate"
        )
        if action["Type"] == "forward" and not signed_in and action["TargetGroupArn"]["Ref"] not in allowed:
            faults.append(f"{name}: forwards without a sign-in")
    return faults


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_dagster_and_mlflow_are_behind_a_sign_in(templates, environment):
    template = templates[f"bank-{environment}-services"]
    assert unauthenticated(template) == []
    rules = resources(template, "AWS::ElasticLoadBalancingV2::ListenerRule")
    assert sum(action["Type"] == "authenticate-oidc" for rule in rules.values() for action in rule["Actions"]) == 2
    assert "{{resolve:secretsmanager:bank/" in json.dumps(rules), "the client secret must be a reference"


@pytest.mark.parametrize("breach", ["no sign-in", "let through", "plain", "default", "wrong balancer"])
def test_a_way_around_the_sign_in_is_noticed(templates, breach):
    template = copy.deepcopy(templates["bank-dev-services"])
    rules = resources(template, "AWS::ElasticLoadBalancingV2::ListenerRule")
    listeners = resources(template, "AWS::ElasticLoadBalancingV2::Listener")
    guarded = next(rule for rule in rules.values() if len(rule["Actions"]) == 2)
    inside = next(each for each in listeners.values() if each["LoadBalancerArn"]["Ref"].startswith("EdgeInside"))
    public = next(name for name, each in listeners.items() if each["LoadBalancerArn"]["Ref"].startswith("EdgePublic"))
    forward = next(action for action in guarded["Actions"] if action["Type"] == "forward")
    if breach == "no sign-in":
        guarded["Actions"] = [forward]
    elif breach == "let through":
        guarded["Actions"][0]["AuthenticateOidcConfig"]["OnUnauthenticatedRequest"] = "allow"
    elif breach == "plain":
        inside["Protocol"] = "HTTP"
    elif breach == "default":
        inside["DefaultActions"] = [forward]
    else:
        guarded["Actions"], guarded["ListenerArn"] = [forward], {"Ref": public}
    assert unauthenticated(template)


def test_roles_are_separate_and_name_their_resources(templates):
    for name, template in templates.items():
        for definition in resources(template, "AWS::ECS::TaskDefinition").values():
            assert definition["TaskRoleArn"] != definition["ExecutionRoleArn"], name
        for policy, statement in statements(template):
            for action in listed(statement["Action"]):
                assert "*" not in action, (name, policy, action)
            if "*" in listed(statement["Resource"]):
                # Only calls that accept no resource.
                assert set(listed(statement["Action"])) <= {
                    "ecr:GetAuthorizationToken",
                    "ecs:DescribeTaskDefinition",
                    "ec2:DescribeNetworkInterfaces",
                }, (name, policy)


HOME = {"elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"}
OBJECTS = {"s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:PutObject"}
LAKE = {*OBJECTS, "s3:GetBucketLocation", "s3:ListBucket", "kms:Decrypt", "kms:GenerateDataKey"}


@pytest.mark.parametrize(
    ("family", "actions"),
    [
        ("AppTask", HOME),
        ("CodeTask", HOME | LAKE),
        ("WebTask", {"ecs:DescribeTasks", "ecs:StopTask", "ecs:DescribeTaskDefinition"}),
    ],
)
def test_what_a_task_may_do_itself_is_this_and_nothing_else(templates, family, actions):
    granted = set()
    for name, statement in statements(templates["bank-prod-services"]):
        if name.startswith(f"{family}TaskRole"):
            granted |= set(listed(statement["Action"]))
    assert granted == actions


def open_ways(template) -> set[tuple[str, str, int]]:
    """(source, target, port) of all ingress rules of a network template; sources outside are CIDRs."""
    name_of = {
        name: group["GroupName"].split("-")[-1]
        for name, group in resources(template, "AWS::EC2::SecurityGroup").items()
    }
    ways = set()
    for name, group in resources(template, "AWS::EC2::SecurityGroup").items():
        for rule in group.get("SecurityGroupIngress", []):
            assert rule["FromPort"] == rule["ToPort"]
            ways.add((rule["CidrIp"], name_of[name], rule["FromPort"]))
    for rule in resources(template, "AWS::EC2::SecurityGroupIngress").values():
        assert rule["FromPort"] == rule["ToPort"]
        source, target = (rule[key]["Fn::GetAtt"][0] for key in ("SourceSecurityGroupId", "GroupId"))
        ways.add((name_of[source], name_of[target], rule["FromPort"]))
    return ways


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_only_the_listed_ways_are_open(templates, environment):
    from bank_aws.network import RULES

    outside = {("0.0.0.0/0", "edge", 443), ("0.0.0.0/0", "edge", 80), ("10.0.0.0/8", "inside", 443)}
    assert open_ways(templates[f"bank-{environment}-network"]) == set(RULES) | outside
    for stack in STACKS:
        if stack != "network":
            for kind in ("AWS::EC2::SecurityGroup", "AWS::EC2::SecurityGroupIngress", "AWS::EC2::SecurityGroupEgress"):
                assert not resources(templates[f"bank-{environment}-{stack}"], kind), f"{stack} opens a port"


def test_only_one_repository_and_its_environments_may_push_and_deploy(templates):
    def subjects(template):
        for role in resources(template, "AWS::IAM::Role").values():
            for statement in role["AssumeRolePolicyDocument"]["Statement"]:
                if statement["Action"] == "sts:AssumeRoleWithWebIdentity":
                    condition = statement["Condition"]["StringEquals"]
                    assert condition["token.actions.githubusercontent.com:aud"] == "sts.amazonaws.com"
                    yield json.dumps(condition["token.actions.githubusercontent.com:sub"])

    assert [s for s in subjects(templates["bank-registry"]) if ":ref:refs/heads/main" in s and "*" not in s]
    for environment in ENVIRONMENTS:
        (subject,) = subjects(templates[f"bank-{environment}-delivery"])
        assert f":environment:{environment}" in subject
        assert "*" not in subject
