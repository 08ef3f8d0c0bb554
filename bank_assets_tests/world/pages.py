"""Helpers of the page tests: a home with a champion, the app on it, the Predict form as a person sends it."""

import pytest

from bank_assets_tests.world.demo_home import HTMX, fit_demo, make_home, open_pages, soup_of


@pytest.fixture
def home(tmp_path):
    return make_home(tmp_path / "bank", fit_demo())


@pytest.fixture
def pages(home):
    with open_pages(home) as client:
        yield client


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """One app for a module, for tests that leave nothing behind that others would see."""
    with open_pages(make_home(tmp_path_factory.mktemp("bank"), fit_demo())) as client:
        yield client


def services(client):
    return client.app.state.services


def form_values(page):
    """What the Predict form would send."""
    form = page.select_one("#predict-form")
    values = {one["name"]: one.get("value", "") for one in form.select("input[name]")}
    for choice in form.select("select"):
        selected = choice.select_one("option[selected]") or choice.select_one("option")
        values[choice["name"]] = selected.get("value", selected.text)
    return values


def decide(client, **changes):
    values = {**form_values(soup_of(client.get("/predict"))), **changes}
    return client.post("/predict", data=values, headers=HTMX)
