"""The OpenAPI document, on which client programs rely."""

import json
import re

import pytest

from bank_assets.settings import Settings
from serving.app import create_app
from serving.settings import ServingSettings

PROBLEM = "application/problem+json"


@pytest.fixture(scope="module")
def document(tmp_path_factory):
    home = tmp_path_factory.mktemp("bank")
    platform = Settings(home=home, ledger_url=f"sqlite:///{home / 'ledger.db'}")
    return create_app(ServingSettings(platform=platform, secret="s" * 64)).openapi_schema.to_schema()


@pytest.fixture(scope="module")
def problem(document):
    """The schema of an error, which the document repeats at each of them."""
    return document["paths"]["/api/v1/predictions"]["post"]["responses"]["422"]["content"][PROBLEM]["schema"]


def shortened(value, problem):
    """The document without its repetitions of one schema."""
    if value == problem:
        return "as in test_an_error"
    if isinstance(value, dict):
        return {name: shortened(one, problem) for name, one in value.items()}
    return [shortened(one, problem) for one in value] if isinstance(value, list | tuple) else value


def test_no_description_shows_sections_of_a_docstring(document):
    assert re.findall(r"(?:Args|Attributes|Returns|Raises):", json.dumps(document)) == []


def test_an_error(problem, snapshot):
    assert problem == snapshot


def test_operations(document, problem, snapshot):
    operations = {part: value for part, value in document.items() if part != "components"}
    assert shortened(operations, problem) == snapshot


def test_schemas(document, problem, snapshot):
    assert shortened(document["components"], problem) == snapshot
