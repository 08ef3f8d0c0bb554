"""What the tests of pages share: the Predict form as a person sends it, and the objects of the app."""

from bank_assets_tests.demo_home import HTMX, soup_of


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
