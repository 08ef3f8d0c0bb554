"""The Predict page as a person uses it: form, decision, what-if, faults."""

import re

import pytest

from bank_assets.contract.uci import UCI
from bank_assets.ledger import chain, decisions
from bank_assets_tests.world.demo_home import HTMX, soup_of
from bank_assets_tests.world.pages import decide, form_values, services


def test_the_form_offers_the_contract(pages):
    page = soup_of(pages.get("/predict"))
    for name in UCI.payload_columns:
        column, field = UCI.by_source[name], page.select_one(f"#f-{name}")
        assert column.description in page.select_one(f"#h-{name}").text
        if column.categories:
            assert [option.text for option in field.select("option")] == list(column.categories)
        else:
            assert (int(field["min"]), int(field["max"])) == (column.minimum, column.maximum)
    assert page.select_one("#f-contact_date")["value"] == "2010-10-18"


def test_a_decision_is_on_record_before_it_is_shown(pages):
    response = decide(pages, contact_id="c-7")
    page = soup_of(response)
    assert response.status_code == 201
    found = page.select_one("[data-testid=decision]")
    record = decisions.get(services(pages).ledger, found["data-decision-id"])
    assert record.contact_id == "c-7"
    assert float(page.select_one("[data-testid=probability]")["data-value"]) == record.probability
    assert page.select_one("[data-testid=verdict]").text == ("Call" if record.decision == "call" else "Do not call")
    assert response.headers["hx-push-url"] == f"/predict/{record.id}"
    assert page.select_one("#predict-form")["hx-swap-oob"] == "true"
    assert page.select_one("input[name=decision_id]")["value"] == record.id


def test_shown_reasons_add_up_to_the_probability(pages):
    page = soup_of(decide(pages))
    amounts = [one.text for one in page.select(".reasons .amount")]
    points = [float(text.split()[0].replace("−", "-").replace("+", "")) for text in amounts]
    base = float(re.search(r"A typical customer has ([\d.]+) %", page.text)[1])
    shown = float(page.select_one("[data-testid=probability]")["data-value"]) * 100
    assert base + sum(points) == pytest.approx(shown, abs=0.05 * (len(points) + 1))
    assert any("Age 40" in one.text for one in page.select(".reasons .what"))


def test_without_scripts_a_decision_leads_to_its_own_address(pages):
    values = form_values(soup_of(pages.get("/predict")))
    response = pages.post("/predict", data=values, follow_redirects=False)
    assert response.status_code == 303
    page = soup_of(pages.get(response.headers["location"]))
    assert page.html.select_one("[data-testid=decision]")["data-decision-id"] in response.headers["location"]
    again = form_values(page)
    assert {name: again[name] for name in UCI.payload_columns} == {name: values[name] for name in UCI.payload_columns}


def test_faults_come_back_in_the_form_and_nothing_is_recorded(pages):
    before = chain.anchor(services(pages).ledger)
    response = decide(pages, age="7", cost_eur="free", job="king")
    page = soup_of(response)
    assert response.status_code == 422
    assert response.headers["hx-retarget"] == "#predict-form"
    faulty = {one["name"]: one for one in page.select("[aria-invalid=true]")}
    assert set(faulty) == {"age", "cost_eur", "job"}
    assert page.select_one("#e-age").text == "Expected a whole number from 16 to 120 years; found 7."
    assert page.select_one("#f-age")["value"] == "7"
    assert "3 fields" in page.select_one("[role=alert]").text
    assert chain.anchor(services(pages).ledger) == before


def test_a_what_if_is_no_decision_and_leaves_no_record(pages):
    shown = soup_of(decide(pages))
    record = decisions.get(services(pages).ledger, shown.select_one("[data-testid=decision]")["data-decision-id"])
    before = chain.anchor(services(pages).ledger)
    values = {**form_values(shown), "balance": "9000"}
    response = pages.post("/predict/what-if", data=values, headers=HTMX)
    page = soup_of(response)
    assert "No decision, not on record" in page.text
    assert "Yearly balance 9000 instead of 450" in page.text
    assert page.select_one("[data-testid=what-if-difference]")
    assert page.select_one("[data-decision-id]") is None
    assert chain.anchor(services(pages).ledger) == before
    recorded = decide(pages, balance="9000")
    probability = float(soup_of(recorded).select_one("[data-testid=probability]")["data-value"])
    assert f"{probability * 100:.1f} %" in page.select_one("[data-testid=what-if-probability]").text
    assert probability != record.probability


def test_a_what_if_with_faults_says_which(pages):
    values = {**form_values(soup_of(pages.get("/predict"))), "age": "7"}
    response = pages.post("/predict/what-if", data=values, headers=HTMX)
    assert response.status_code == 422
    assert "Age: expected a whole number" in soup_of(response).text


def test_stale_and_unseen_values_are_flagged(pages):
    text = soup_of(decide(pages, contact_date="2011-06-01", age="118")).text
    assert "Stale: 2011-06-01 lies more than 30 days past the last day the model knows, 2010-10-18" in text
    assert "Age 118 was never seen in training" in text


def test_what_customers_send_is_escaped(pages):
    page = soup_of(decide(pages, contact_id="<script>alert(1)</script>"))
    assert page.select("script") == []
    found = soup_of(pages.get("/audit"))
    assert "<script>alert(1)</script>" in found.select_one("[data-testid=decisions]").text
    assert len(found.select("script")) == 2


def test_values_that_contradict_each_other_are_to_be_read_with_care(pages):
    found = decide(pages, contact_id="c-8", pdays="90", previous="0")
    assert "Earlier contacts is 0, expected not 0, since pdays is 90: read with care." in soup_of(found).text
    decision_id = soup_of(found).select_one("[data-testid=decision]")["data-decision-id"]
    (flag,) = decisions.get(services(pages).ledger, decision_id).flags
    assert (flag["flag"], flag["field"]) == ("contradicts_another_value", "previous")
