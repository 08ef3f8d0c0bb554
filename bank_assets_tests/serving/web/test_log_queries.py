"""The queries of docs/aws.md and the metric filters name only fields that the log lines contain."""

import io
import json
import logging
import re
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
from litestar.testing import TestClient

from bank_assets.assets.materialization import Stopwatch, result
from bank_assets.store.registry import RegistryUnavailableError
from bank_assets.store.warehouse import Entry
from bank_assets_tests.resources.test_json_logs import broken, fine, lines_of_run
from bank_assets_tests.world.waiting import wait_until
from serving.app import create_app
from serving.decisions.scoring import DecisionMaker
from serving.web import logs

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "deploy" / "aws"))

from bank_aws.metrics import METRICS  # noqa: E402

PATH = "/api/v1/predictions"
WORDS = {
    *("fields", "filter", "sort", "limit", "stats", "by", "as", "asc", "desc", "and", "or", "in", "like", "not"),
    *("count", "pct", "max", "avg", "sum", "bin", "ispresent"),
}


def queries() -> list[tuple[str, str, str]]:
    """(title, log group, text) of each query in the documentation."""
    text = (ROOT / "docs" / "aws.md").read_text()
    return re.findall(r"^### (.+?) · /bank/ENV/(\w+)\n```insights\n(.*?)```", text, flags=re.M | re.S)


def fields_of(query: str) -> set[str]:
    """Names in a query that are neither words of the language, values, nor names that it gives itself."""
    text = re.sub(r'"[^"]*"', "", query)
    given = set(re.findall(r"\bas (\w+)", text))
    names = {name for name in re.findall(r"(?<!\w)@?[A-Za-z_]\w*", text) if not name.startswith("@")}
    return names - given - WORDS


@dg.asset
def champion_model() -> dg.MaterializeResult:
    entry = Entry(snapshot="s", files=(), rows=1, size=0, digest="d", fingerprint="f")
    return result(entry, Stopwatch(), {"decision": "promoted", "champion": "7", "as_of": "2010-11-17"})


@pytest.fixture
def written(serving_settings, registry, published, payload, monkeypatch, tmp_path, capfd) -> dict[str, set[str]]:
    """Fields of the lines that the app, runs and the daemon write, by log group."""
    lines = {"app": app_lines(serving_settings, registry, payload, monkeypatch)}
    lines["runs"] = [
        line
        for number, asset in enumerate((fine, broken, champion_model))
        for line in lines_of_run(tmp_path / f"home{number}", capfd, asset)
    ]
    code = (
        "import logging; from dagster._utils.log import configure_loggers; configure_loggers(formatter='json'); "
        "logging.getLogger('dagster.daemon').error('trouble')"
    )
    daemon = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    lines["dagster"] = [json.loads(line) for line in daemon.stdout.splitlines()]
    return {group: {name for line in found for name in line} for group, found in lines.items()}


def app_lines(serving_settings, registry, payload, monkeypatch):
    stream, events = io.BytesIO(), io.StringIO()
    handler = logging.StreamHandler(events)
    handler.setFormatter(logs.JsonLines())
    logging.getLogger().addHandler(handler)
    level = logging.getLogger("serving").level
    logging.getLogger("serving").setLevel(logging.INFO)
    champion, registry.alias = registry.alias, None
    try:
        app = create_app(serving_settings, registry=registry, access_log=stream)
        with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
            assert client.post(PATH, json=payload).status_code == 503
            registry.alias = champion
            wait_until(lambda: client.post(PATH, json=payload).status_code == 201)

            def lost():
                raise RegistryUnavailableError("registry: expected an answer, found none.")

            monkeypatch.setattr(registry, "champion", lost)
            wait_until(lambda: "registry not reachable" in events.getvalue())
            monkeypatch.setattr(DecisionMaker, "decide", lambda *_: 1 / 0)
            assert client.post(PATH, json=payload).status_code == 500
    finally:
        logging.getLogger().removeHandler(handler)
        logging.getLogger("serving").setLevel(level)
    return [json.loads(line) for line in (stream.getvalue().decode() + events.getvalue()).splitlines()]


def test_every_field_of_every_query_and_metric_is_in_the_lines(written):
    assert len(queries()) >= 12
    for title, group, query in queries():
        assert fields_of(query), title
        assert fields_of(query) <= written[group], f"{title}: {fields_of(query) - written[group]} never written"
    for metric in METRICS:
        named = set(re.findall(r"\$\.(\w+)", f"{metric.pattern} {metric.value}"))
        assert named <= written[metric.log], f"{metric.name}: {named - written[metric.log]} never written"


def test_a_field_that_no_line_has_is_noticed():
    assert fields_of('fields at, customer_name | filter status >= 500 and x in ["a"] | stats count(*) as n by at') == {
        "at",
        "customer_name",
        "status",
        "x",
    }


def test_the_estimate_in_the_documentation_is_what_the_script_prints():
    done = subprocess.run(
        [sys.executable, str(ROOT / "deploy/aws/costs.py")], capture_output=True, text=True, check=True
    )
    assert done.stdout in (ROOT / "docs" / "aws.md").read_text()
