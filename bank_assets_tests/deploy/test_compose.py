"""compose.yaml is valid, publishes nothing without a login, and grants nothing more than needed."""

import copy
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bank_assets_tests.deploy.composed import ROOT, compose, interpolated
from deploy import make_secrets

OURS = {"migrate", "mlflow", "code", "web", "daemon", "app-a", "app-b", "spark-master", "spark-worker"}
CONFIG = ROOT / "deploy" / "proxy" / "haproxy.cfg"


def unauthenticated(document: dict, proxy_config: str) -> list[str]:
    """Every way in from outside that requires no password; empty if there is none."""
    found = [fault for name, service in document["services"].items() for fault in published(name, service)]
    if not document["networks"]["inside"].get("internal"):
        found.append("network inside: not internal")
    frontends = re.findall(r"^frontend (\w+)\n((?:[ \t]+.*\n|\n)*)", proxy_config, re.MULTILINE)
    assert len(frontends) == 3
    return found + [fault for title, body in frontends for fault in let_through(title, body)]


def published(name: str, service: dict) -> list[str]:
    found = [f"{name}: shares the machine's network"] if service.get("network_mode") == "host" else []
    for port in service.get("ports", []):
        if name != "proxy":
            found.append(f"{name}: publishes {port}")
        elif not str(port).startswith("127.0.0.1:"):
            found.append(f"{name}: publishes {port} on every address by default")
    if name.startswith("app-") and service["environment"].get("BANK_LOGIN") != "required":
        found.append(f"{name}: asks for no login")
    return found


def let_through(title: str, body: str) -> list[str]:
    found = [] if re.search(r"^\s*bind \S+ ssl crt ", body, re.MULTILINE) else [f"frontend {title}: no TLS"]
    asks = f"http-request auth realm {title} unless {{ http_auth(operators) }}\n"
    if title != "app" and asks not in body:
        found.append(f"frontend {title}: asks for no password")
    return found


def test_the_app_believes_the_address_that_the_proxy_sets_and_nobody_else_can_set_it():
    frontend = CONFIG.read_text().partition("frontend app")[2].partition("\nbackend")[0]
    assert "http-request set-header X-Forwarded-For %[src]" in frontend
    for name in ("app-a", "app-b"):
        service = compose()["services"][name]
        assert service["environment"]["FORWARDED_ALLOW_IPS"] == "*"
        assert "ports" not in service


def test_no_listener_is_published_without_a_login():
    assert unauthenticated(compose(), CONFIG.read_text()) == []


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda d: d["services"]["web"].update(ports=["127.0.0.1:3000:3000"]), "web: publishes"),
        (lambda d: d["services"]["mlflow"].update(network_mode="host"), "mlflow: shares"),
        (lambda d: d["services"]["proxy"]["ports"].append("9000:9000"), "proxy: publishes 9000:9000 on every"),
        (lambda d: d["networks"].update(inside={}), "network inside"),
        (lambda d: d["services"]["app-b"]["environment"].pop("BANK_LOGIN"), "app-b: asks for no login"),
    ],
)
def test_a_way_in_that_is_opened_is_named(change, what):
    document = copy.deepcopy(compose())
    change(document)
    found = unauthenticated(document, CONFIG.read_text())
    assert len(found) == 1
    assert found[0].startswith(what)


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("    http-request auth realm mlflow unless { http_auth(operators) }\n", "", "frontend mlflow: asks"),
        (
            "{ http_auth(operators) }\n    http-request del-header",
            "TRUE\n    http-request del-header",
            "frontend dagster",
        ),
        ('"${BANK_PROXY_APP}" ssl crt', '"${BANK_PROXY_APP}" crt', "frontend app: no TLS"),
    ],
)
def test_a_proxy_that_lets_through_is_named(old, new, what):
    text = CONFIG.read_text()
    assert old in text
    found = unauthenticated(compose(), text.replace(old, new, 1))
    assert len(found) == 1
    assert found[0].startswith(what)


@pytest.mark.slow
def test_the_file_is_valid_by_compose_s_own_schema(tmp_path):
    command = [str(Path(sys.executable).with_name("check-jsonschema")), "--builtin-schema", "vendor.compose-spec"]
    subprocess.run([*command, str(ROOT / "compose.yaml")], check=True, capture_output=True, timeout=60)
    broken = tmp_path / "compose.yaml"
    broken.write_text((ROOT / "compose.yaml").read_text().replace("healthcheck:", "healthchek:", 1))
    assert subprocess.run([*command, str(broken)], check=False, capture_output=True, timeout=60).returncode == 1


@pytest.mark.parametrize("name", sorted(OURS))
def test_our_containers_have_no_rights_to_spare(name):
    service = compose()["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert "user" not in service  # the image's own, which is not root (test_dockerfile)
    assert "privileged" not in service
    assert any(one.startswith("/tmp") for one in service["tmpfs"])
    assert "/var/run/docker.sock" not in str(service.get("volumes"))


def test_every_service_has_limits_a_health_check_and_bounded_logs():
    services = compose()["services"]
    for name, service in services.items():
        limits = service["deploy"]["resources"]["limits"]
        assert float(limits["cpus"]) > 0
        assert re.fullmatch(r"\d+[MG]", limits["memory"]), name
        assert service["logging"]["options"]["max-size"], name
        # The one-shot service ends instead, and the app's check is in its image.
        assert name in {"migrate", "app-a", "app-b"} or service["healthcheck"]["test"], name
    assert "HEALTHCHECK" in (ROOT / "Dockerfile").read_text().split("AS serving\n")[1].split("FROM ")[0]


def test_a_replica_has_time_to_drain_and_stop():
    service = compose()["services"]["app-a"]
    needed = sum(float(service["environment"][f"BANK_{name}_SECONDS"]) for name in ("DRAIN", "SHUTDOWN"))
    assert float(service["stop_grace_period"].removesuffix("s")) > needed
    # The proxy must notice, by one failed check, before the replica stops answering.
    assert "inter 500ms fall 1" in CONFIG.read_text()
    assert float(service["environment"]["BANK_DRAIN_SECONDS"]) > 1


def test_secrets_are_files_that_are_made_and_no_value_is_in_the_file(tmp_path):
    document = compose()
    make_secrets.make(tmp_path / "secrets")
    made = {path.name for path in (tmp_path / "secrets").iterdir()}
    assert {Path(one["file"]).name for one in document["secrets"].values()} <= made
    for name, service in document["services"].items():
        for key, value in (service.get("environment") or {}).items():
            if re.search(r"PASSWORD|SECRET|_KEY|_URL$", key) and not key.endswith(("PUBLIC_URL", "UI_URL")):
                is_alerts = key == "BANK_ALERT_URLS"
                assert is_alerts or key.endswith("_FILE") or not value or "://storage" in value, f"{name}: {key}"
        for path in re.findall(r"/run/secrets/(\w+)", str(service)):
            assert path in service["secrets"], f"{name} reads {path}"


def test_only_mlflow_and_the_preparation_hold_the_storage_s_keys():
    holders = {name for name, one in compose()["services"].items() if "storage_secret" in one.get("secrets", [])}
    assert holders == {"mlflow", "migrate"}


def test_a_lake_or_deliveries_in_a_bucket_are_reached_by_those_who_read_them_and_by_nobody_else():
    given = {
        "BANK_LAKE": "s3://bank/lake",
        "AWS_REGION": "eu-central-1",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9000",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_SESSION_TOKEN": "token",
    }
    services = compose(**given)["services"]
    holders = {name for name, one in services.items() if one["environment"].get("AWS_SECRET_ACCESS_KEY") == "secret"}
    assert holders == {"code", "spark-worker"}
    for name in holders:
        assert {key: services[name]["environment"].get(key) for key in given if key != "BANK_LAKE"} == {
            key: value for key, value in given.items() if key != "BANK_LAKE"
        }
        assert "outside" in services[name]["networks"], "a bucket is not among the services"
    assert services["code"]["environment"]["BANK_LAKE"] == given["BANK_LAKE"]
    plain = compose()["services"]["code"]["environment"]
    assert not [key for key in plain if key.startswith("AWS_")], "an empty one would be taken for an address"
    files = compose(AWS_SECRET_ACCESS_KEY_FILE="/run/secrets/lake_secret")["services"]["code"]["environment"]
    assert files["AWS_SECRET_ACCESS_KEY_FILE"] == "/run/secrets/lake_secret"


def test_secrets_are_made_once_private_and_hashed(tmp_path):
    folder = tmp_path / "secrets"
    first = make_secrets.make(folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert folder.stat().st_mode & 0o777 == 0o700
    assert make_secrets.make(folder) == []
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert set(first) == set(before)
    password = (folder / "operator_password").read_text()
    users = (folder / "proxy_users.cfg").read_text()
    assert password not in users
    assert "$5$" in users


def test_a_missing_tag_is_an_error_and_not_latest():
    with pytest.raises(KeyError, match="make up sets it"):
        interpolated({"image": "${BANK_IMAGE_TAG:?make up sets it}"}, {})


def test_the_example_settings_are_those_of_the_file():
    text = (ROOT / "compose.yaml").read_text()
    names = set(re.findall(r"^(\w+)=", (ROOT / "deploy/compose.env.example").read_text(), re.MULTILINE))
    read = set(re.findall(r"\$\{(\w+)", text)) | set(re.findall(r"^ +(BANK_\w+):$", text, re.MULTILINE))
    assert names - {"COMPOSE_PROFILES"} <= read
