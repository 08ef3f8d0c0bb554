"""Forms of pages have a key: a second click or a reload of the answer is answered again and records nothing."""

import re
import threading

import pytest

from bank_assets.ledger import chain, idempotency
from bank_assets.ledger.contact_history import newest_event
from bank_assets.ledger.engine import read
from bank_assets.ledger.models import idempotency_keys
from bank_assets_tests.serving.campaigns.lists import end_lists, plan
from bank_assets_tests.world.demo_home import HTMX, fit_demo, make_home, open_pages, soup_of
from serving.web.idempotency import FIELD
from serving.web.templating import TEMPLATES

KEYED = '"hidden" name="_csrf_token" value="{{ csrf_token() }}">{{ ui.once() }}'
BY_CONTENT = {
    "/campaign/upload": "a file is kept under its digest",
    "{{ view.action }}": "who objected already is not added again",
    "/campaign/lists/{{ view.list_id }}/dispositions": "a known row adds nothing",
    "/audit/{{ record.id }}/replay": "nothing is recorded",
    "/login": "nobody is logged in yet",
    "/logout": "a session ends once",
}
"""Forms without a key, by their address, and why a repetition changes nothing."""


def test_every_form_has_a_key_or_repeats_nothing_by_its_nature():
    without = set()
    for path in TEMPLATES.rglob("*.html"):
        for form in re.findall(r'<form[^>]* method="post".*?</form>', path.read_text(), re.DOTALL):
            if KEYED not in form:
                without.add(re.search(r' action="(.*?)"', form)[1])
    assert without == set(BY_CONTENT)


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with open_pages(make_home(tmp_path_factory.mktemp("bank"), fit_demo())) as client:
        yield client


def values_of(page, action, **values):
    form = page.select_one(f'form[action="{action}"]')
    sent = {one["name"]: one.get("value", "") for one in form.select("input[name]")}
    sent |= {one["name"]: one.select_one("[selected]").text for one in form.select("select")}
    assert len(sent[FIELD]) == 32
    return sent | values


def n_decisions(client):
    return chain.anchor(client.app.state.services.ledger).seq


def n_events(client):
    return newest_event(client.app.state.services.ledger)


def test_a_decision_is_made_once_for_a_form_and_anew_for_another_one(client):
    values, before = values_of(soup_of(client.get("/predict")), "/predict", contact_id="a&b"), n_decisions(client)
    first, again = (client.post("/predict", data=values, headers=HTMX) for _ in range(2))
    assert (first.status_code, again.status_code, again.content) == (201, 201, first.content)
    assert again.headers["hx-push-url"] == first.headers["hx-push-url"]
    assert n_decisions(client) == before + 1
    whole = [client.post("/predict", data=values, follow_redirects=False) for _ in range(2)]
    assert {one.status_code for one in whole} == {303}, "without scripts another kind of answer is wanted"
    assert len({one.headers["location"] for one in whole}) == 1
    assert n_decisions(client) == before + 2
    client.post("/predict", data={**values, "age": "52"}, headers=HTMX)
    renewed = values_of(soup_of(first), "/predict")
    assert renewed[FIELD] != values[FIELD], "who decides about the same customer again may"
    client.post("/predict", data=values | {FIELD: renewed[FIELD]}, headers=HTMX)
    assert n_decisions(client) == before + 4


def test_a_form_that_was_refused_may_be_sent_again_and_what_is_not_recorded_needs_no_key(client):
    values, before = values_of(soup_of(client.get("/predict")), "/predict", age="old"), n_decisions(client)
    answers = [client.post("/predict", data=values, headers=HTMX) for _ in range(2)]
    answers += [client.post("/predict/what-if", data={**values, "age": "41"}, headers=HTMX) for _ in range(2)]
    assert [one.status_code for one in answers] == [422, 422, 200, 200]
    assert not any("idempotency-replayed" in one.headers for one in answers)
    assert n_decisions(client) == before


def test_two_clicks_at_once_save_one_plan_and_both_are_answered(client):
    end_lists(client)
    values, before, answers = values_of(plan(client), "/campaign/plans", name="twice"), n_events(client), []

    def click():
        answers.append(client.post("/campaign/plans", data=values, follow_redirects=False))

    threads = [threading.Thread(target=click) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [(one.status_code, one.headers["location"]) for one in answers] == [(303, "/campaign/plans")] * 3
    assert n_events(client) == before + 1


def test_a_list_is_made_and_withdrawn_once(client):
    end_lists(client)
    values, before = values_of(plan(client), "/campaign/lists"), n_events(client)
    made = [client.post("/campaign/lists", data=values, headers=HTMX) for _ in range(2)]
    assert [one.status_code for one in made] == [201, 201]
    assert (made[0].content, n_events(client)) == (made[1].content, before + 1)
    address = soup_of(made[0]).select_one("form[action$=withdraw]")["action"]
    sent = values_of(soup_of(made[0]), address, reason="the wrong file")
    ended = [client.post(address, data=sent, follow_redirects=False) for _ in range(2)]
    assert [one.status_code for one in ended] == [303, 303], "no conflict for the second click"
    assert n_events(client) == before + 2


def test_a_test_alert_is_written_once(client):
    log = client.app.state.services.settings.platform.reports / "alerts.jsonl"
    values, before = values_of(soup_of(client.get("/monitoring")), "/monitoring/test-alert"), log.read_bytes()
    for _ in range(2):
        client.post("/monitoring/test-alert", data=values)
    assert log.read_bytes().count(b"\n") == before.count(b"\n") + 1


def test_objections_are_not_added_again(client):
    token = {"_csrf_token": client.cookies[client.app.csrf_config.cookie_name], "ids": "k-7\nk-8"}
    file, before = {"file": ("", b"", "application/octet-stream")}, n_events(client)
    for _ in range(2):
        client.post("/customers/objections", data=token, files=file, headers=HTMX)
    assert n_events(client) == before + 1


def test_a_kept_page_that_names_an_erased_customer_is_found(client):
    values = values_of(soup_of(client.get("/predict")), "/predict", contact_id="<a&b>")
    client.post("/predict", data=values, headers=HTMX)
    ledger = client.app.state.services.ledger

    def kept():
        return sum(one.answer is not None for one in read(ledger, idempotency_keys.select()))

    before = kept()
    with ledger.begin() as connection:
        idempotency.erase(connection, {"<a&b"}, None)
        idempotency.erase(connection, {"<a&b>"}, None)
    assert kept() == before - 1
    assert client.post("/predict", data=values, headers=HTMX).status_code == 409
