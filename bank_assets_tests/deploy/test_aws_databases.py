"""The migrate task and the Dagster instance of AWS, on a real PostgreSQL, Dagster and MLflow, with moto for ECS."""

import contextlib
import json
import os
import socket
import socketserver
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import ClassVar

import boto3
import dagster as dg
import moto
import psycopg
import pytest
import yaml
from sqlalchemy.engine import make_url

from bank_assets.ledger import accounts
from bank_assets.ledger.engine import open_ledger
from bank_assets_tests.deploy.synthesized import AWS, ROOT

sys.path.insert(0, str(AWS))

import databases

pytestmark = [pytest.mark.postgres, pytest.mark.slow]
NAMES = ("LEDGER", "DAGSTER", "MLFLOW", "ADMIN")
PASSWORDS = {f"BANK_PASSWORD_{name}": f"drawn-for-{name.lower()}-9!$" for name in NAMES}


class _ToSocket(socketserver.BaseRequestHandler):
    """A TCP connection passed on to PostgreSQL's Unix socket: on AWS there is a host and a port."""

    def handle(self):
        with socket.socket(socket.AF_UNIX) as inner:
            inner.connect(self.server.path)
            back = threading.Thread(target=_pump, args=(inner, self.request), daemon=True)
            back.start()
            _pump(self.request, inner)
            back.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


@pytest.fixture(scope="module")
def postgres_port(postgres_server):
    """A TCP port of the private PostgreSQL."""
    folder = make_url(postgres_server.get_uri()).query["host"]
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _ToSocket) as server:
        server.daemon_threads = True
        server.path = f"{folder}/.s.PGSQL.5432"
        threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.fixture(scope="module")
def prepared(postgres_server, postgres_port, tmp_path_factory):
    """The environment of the migrate task, after it ran once."""
    url = make_url(postgres_server.get_uri())
    home = tmp_path_factory.mktemp("home")
    env = {
        **os.environ,
        **PASSWORDS,
        "PGHOST": "127.0.0.1",
        "PGPORT": str(postgres_port),
        "PGUSER": url.username,
        "PGPASSWORD": url.password or "unused",
        "DAGSTER_HOME": str(AWS / "dagster"),
        "BANK_HOME": str(home),
        "PYTHONPATH": str(ROOT),
    }
    assert databases.main(env) == 0
    return env


def test_the_owners_enter_their_own_database_and_no_other(prepared):
    for name in databases.DATABASES:
        with psycopg.connect(databases._url(prepared, name)) as connection:
            owner = connection.execute(
                "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()"
            ).fetchone()
            assert owner == (name,)
            (n_tables,) = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
            assert n_tables > 5, name
    with pytest.raises(psycopg.OperationalError, match="permission denied"):
        psycopg.connect(databases._url(prepared, "mlflow"), dbname="ledger")


def test_running_it_again_changes_nothing_and_sets_new_passwords(prepared):
    env = prepared | {"BANK_PASSWORD_MLFLOW": "another-one"}
    assert databases.make_databases(env).startswith("nothing to make")
    assert databases.make_first_user(env) == "there is one"
    psycopg.connect(databases._url(env, "mlflow")).close()
    databases.make_databases(prepared)
    assert databases.migrate_mlflow(prepared) == "migrated"


def test_the_first_user_can_log_in(prepared):
    ledger = open_ledger(databases._url(prepared, "ledger"), migrate=False)
    assert accounts.has_credentials(ledger)
    ledger.dispose()


def test_a_missing_variable_is_named_before_anything_is_touched(prepared, capsys):
    assert databases.main({name: value for name, value in prepared.items() if name != "BANK_PASSWORD_DAGSTER"}) == 1
    assert "BANK_PASSWORD_DAGSTER" in capsys.readouterr().out


class _Metadata(BaseHTTPRequestHandler):
    """The metadata that ECS gives a task about itself."""

    task: ClassVar[dict[str, str]] = {}

    def do_GET(self):
        body = {"Cluster": "bank-dev", "TaskARN": self.task["arn"], "Name": "daemon", "Labels": {}}
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_args):
        pass


@pytest.fixture
def daemon_on_ecs(monkeypatch):
    """A cluster in moto with the family of runs, and the metadata address that a daemon's task would have."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    with moto.mock_aws():
        ecs, ec2 = boto3.client("ecs"), boto3.client("ec2")
        ecs.create_cluster(clusterName="bank-dev")
        for family, container in (("bank-dev-daemon", "daemon"), ("bank-dev-run", "run")):
            ecs.register_task_definition(
                family=family,
                networkMode="awsvpc",
                requiresCompatibilities=["FARGATE"],
                cpu="1024",
                memory="4096",
                containerDefinitions=[{"name": container, "image": "bank/pipeline", "memory": 1024}],
            )
        subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
        group = ec2.describe_security_groups()["SecurityGroups"][0]["GroupId"]
        network = {"awsvpcConfiguration": {"subnets": [subnet], "securityGroups": [group]}}
        started = ecs.run_task(
            cluster="bank-dev", taskDefinition="bank-dev-daemon", launchType="FARGATE", networkConfiguration=network
        )
        _Metadata.task = {"arn": started["tasks"][0]["taskArn"]}
        server = HTTPServer(("127.0.0.1", 0), _Metadata)
        threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
        monkeypatch.setenv("ECS_CONTAINER_METADATA_URI_V4", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("ECS_CONTAINER_METADATA_URI", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("BANK_RUN_TASK_DEFINITION", "bank-dev-run")
        yield ecs
        server.shutdown()


def test_each_run_is_a_task_of_its_own_with_its_command(prepared, daemon_on_ecs, monkeypatch):
    from dagster._core.launcher import LaunchRunContext
    from dagster._core.remote_origin import GrpcServerCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin

    for name in ("PGHOST", "PGPORT", "BANK_PASSWORD_DAGSTER"):
        monkeypatch.setenv(name, prepared[name])
    with dg.DagsterInstance.from_config(str(AWS / "dagster")) as instance:
        location = GrpcServerCodeLocationOrigin(host="code", port=4000, location_name="bank_assets")
        origin = RemoteJobOrigin(RemoteRepositoryOrigin(location, "__repository__"), "data_job")
        code_origin = dg.reconstructable(_empty_job).get_python_origin()
        run = instance.create_run_for_job(_empty_job, remote_job_origin=origin, job_code_origin=code_origin)
        instance.run_launcher.launch_run(LaunchRunContext(dagster_run=run, workspace=None))
        launched = instance.get_run_by_id(run.run_id)
    (task,) = daemon_on_ecs.describe_tasks(cluster="bank-dev", tasks=[launched.tags["ecs/task_arn"]])["tasks"]
    assert "task-definition/bank-dev-run:" in task["taskDefinitionArn"]
    (override,) = task["overrides"]["containerOverrides"]
    assert override["name"] == "run"
    assert override["command"][:3] == ["dagster", "api", "execute_run"]
    assert run.run_id in override["command"][3]


@dg.op
def _nothing() -> None:
    pass


@dg.job
def _empty_job() -> None:
    _nothing()


def test_the_instance_names_the_platforms_limits_and_its_log_handler():
    stated = yaml.safe_load((AWS / "dagster" / "dagster.yaml").read_text())
    production = yaml.safe_load((ROOT / "deploy" / "dagster.yaml").read_text())
    for key in ("telemetry", "nux", "run_retries", "retention"):
        assert stated[key] == production[key], f"{key} differs between the two production instances"
    assert stated["concurrency"]["pools"] == production["concurrency"]["pools"]
    limits = [each["concurrency"]["runs"]["tag_concurrency_limits"] for each in (stated, production)]
    assert limits[0] == limits[1]
