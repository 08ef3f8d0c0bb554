"""Schemathesis on the OpenAPI document: no request causes a 5xx, and all errors have one shape."""

import httpx
import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis.errors import Unsatisfiable

from bank_assets.ledger import chain
from bank_assets_tests.world.app import PAYLOAD

pytestmark = pytest.mark.slow

OPERATIONS = [
    ("POST", "/api/v1/predictions"),
    ("GET", "/api/v1/predictions"),
    ("POST", "/api/v1/predictions/batch"),
    ("GET", "/api/v1/predictions/{prediction_id}"),
    ("POST", "/api/v1/predictions/{prediction_id}/replay"),
    ("POST", "/api/v1/outcomes"),
    ("POST", "/api/v1/outcomes/batch"),
    ("POST", "/api/v1/subscriptions/batch"),
    ("POST", "/api/v1/webhooks/feedback"),
    ("GET", "/api/v1/model"),
    ("GET", "/api/v1/model/history"),
    ("POST", "/api/v1/model/rollback"),
    ("POST", "/api/v1/campaigns/plan"),
    ("POST", "/api/v1/plans"),
    ("GET", "/api/v1/plans"),
    ("GET", "/api/v1/plans/{plan_id}"),
    ("POST", "/api/v1/plans/{plan_id}/plan"),
    ("POST", "/api/v1/plans/{plan_id}/list"),
    ("POST", "/api/v1/lists"),
    ("GET", "/api/v1/lists"),
    ("GET", "/api/v1/lists/{list_id}"),
    ("GET", "/api/v1/lists/{list_id}/read-out"),
    ("POST", "/api/v1/lists/{list_id}/export"),
    ("POST", "/api/v1/lists/{list_id}/revise"),
    ("POST", "/api/v1/lists/{list_id}/withdraw"),
    ("POST", "/api/v1/lists/{list_id}/close"),
    ("GET", "/api/v1/customers/{customer_id}/contact-policy"),
    ("GET", "/api/v1/objections"),
    ("POST", "/api/v1/objections"),
    ("DELETE", "/api/v1/objections/{customer_id}"),
    ("GET", "/api/v1/audit/verify"),
    ("POST", "/api/v1/audit/erasures"),
    ("POST", "/api/v1/withdrawals"),
    ("GET", "/api/v1/withdrawals"),
    ("GET", "/health/live"),
    ("GET", "/health/ready"),
    ("GET", "/metrics"),
]


@pytest.fixture(scope="module")
def api_schema(running):
    import schemathesis  # only here: the import takes longer than most tests

    return schemathesis.openapi.from_dict(running.get("/schema/openapi.json").json())


def try_inputs(running, api_schema, method, path, mode, examples):
    """No server error, and the chain of records verifies."""
    from schemathesis import GenerationMode

    operation = api_schema[path][method]

    @settings(
        max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), database=None, derandomize=True
    )
    @given(case=operation.as_strategy(generation_mode=GenerationMode(mode)))
    def send(case):
        sent = case.as_transport_kwargs(base_url="http://127.0.0.1")
        sent.pop("cookies", None)
        if isinstance(sent.get("data"), (bytes, str)):
            sent["content"] = sent.pop("data")
        try:
            response = running.request(**sent)
        except (httpx.InvalidURL, UnicodeEncodeError, httpx.LocalProtocolError):
            reject()  # the client cannot even send it
        assert response.status_code < 500, response.text
        if response.status_code >= 400:
            assert response.headers["content-type"] == "application/problem+json"
            assert {"type", "title", "status", "detail"} <= set(response.json())

    try:
        send()
    except Unsatisfiable:
        assert mode == "negative"  # an operation without input has no invalid one
    assert chain.verify(running.app.state.services.ledger).ok


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
@pytest.mark.parametrize("mode", ["positive", "negative"])
def test_no_input_makes_a_server_error(running, api_schema, method, path, mode):
    """Valid bodies and parameters, and invalid ones, of every operation."""
    try_inputs(running, api_schema, method, path, mode, 10)


@pytest.mark.soak
@pytest.mark.parametrize(("method", "path"), OPERATIONS)
@pytest.mark.parametrize("mode", ["positive", "negative"])
def test_none_of_many_inputs_makes_a_server_error(running, api_schema, method, path, mode):
    try_inputs(running, api_schema, method, path, mode, 50)


def test_every_operation_is_tried(api_schema):
    found = {(o.ok().method.upper(), o.ok().path) for o in api_schema.get_all_operations()}
    assert set(OPERATIONS) == {(m, p) for m, p in found if p.startswith(("/api", "/health", "/metrics"))}


def test_valid_decisions_are_recorded_and_the_chain_verifies(running):
    ledger = running.app.state.services.ledger
    before = chain.verify(ledger).n
    for _ in range(3):
        assert running.post("/api/v1/predictions", json=PAYLOAD).status_code == 201
    result = chain.verify(ledger)
    assert (result.ok, result.n) == (True, before + 3)
