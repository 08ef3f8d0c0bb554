"""Objections at every door: read alike, counted against known customers, seen, exported, and taken back."""

from html import unescape
from pathlib import Path
from urllib.parse import quote

import pytest

from bank_assets.contract.id_lists import MOST_IDS
from bank_assets_tests.world.demo_home import HTMX, soup_of, token_of
from serving.customers import page as objections_page

PATH = "/api/v1/objections"
PAGE = "/customers/objections"


def pasted(client, text, page=PAGE, **fields):
    files = {"file": ("", b"", "application/octet-stream")}
    return client.post(page, data={**token_of(client), "ids": text, **fields}, files=files, headers=HTMX)


def uploaded(client, content):
    file = {"file": ("ids.csv", content, "text/csv")}
    return client.post(PAGE, data={**token_of(client), "ids": ""}, files=file, headers=HTMX)


@pytest.fixture(autouse=True)
def nobody_objected(running):
    yield
    suppressions = running.app.state.services.suppressions
    for one in suppressions.read().customer_ids:
        suppressions.remove(one, reason="end of a test", actor="test")


@pytest.fixture
def client(running):
    """One app for all; what a test adds is removed after it."""
    return running


def test_ids_that_lost_their_leading_zeros_are_told(client):
    here = Path(__file__)
    listed = {"file": ("zeros.csv", here.with_name("leading_zeros.csv").read_bytes(), "text/csv")}
    assert client.post("/campaign/upload", data=token_of(client), files=listed).status_code == 200
    content = here.with_name("objections_without_zeros.csv").read_bytes()
    ids = content.decode().split()[1:]
    answer = client.post(PATH, json={"customer_ids": ids}).json()
    assert (answer["added"], answer["known"], len(answer["unknown"])) == (10, 0, 10)
    assert "were leading zeros lost? 00000001 is known, 1 is not" in answer["hint"]
    text = soup_of(uploaded(client, content)).select_one("[data-testid=suppressed]").text
    assert "0 added, 10 were on the list already. 0 of 10 are known customers: were leading zeros lost?" in text
    restored = pasted(client, "00000001\n00000002").text
    assert "2 of 2 are known customers." in restored


@pytest.mark.parametrize("page", [PAGE, "/campaign/suppressions"])
@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("k-1;k-2", "line 1"),
        ("id\nk-1\nk-2 k-3", "put each on its own line"),
        ("PK\x03\x04 k-1", "Excel"),
        ("", "none"),
    ],
)
def test_what_was_pasted_stays_in_the_form_when_it_cannot_be_used(client, page, text, found):
    answer = pasted(client, text, page, reason="letter")
    assert answer.status_code == 422
    form = soup_of(answer)
    assert found.lower() in form.select_one("[role=alert]").text.lower()
    assert form.select_one("textarea").text.lstrip("\n") == text
    assert form.select_one("form")["action"] == page
    assert form.select_one("[name=reason]")["value"] == "letter"
    assert client.get(PATH).json()["total"] == 0


def test_a_file_that_is_no_text_is_refused_by_name(client):
    answer = uploaded(client, b"PK\x03\x04\x14\x00\xff\xfe")
    assert answer.status_code == 422
    assert "an Excel file or a zip" in answer.text
    assert client.get(PATH).json()["objections"] == []


@pytest.mark.slow
def test_a_file_of_ten_megabytes_is_taken_at_the_page_and_too_many_ids_are_refused_with_what_to_do(client):
    padded = "\ufeffCustomer_ID\r\n" + f'"k-1"{" " * 96}\r\n\r\nK-1{" " * 100}\n' * 50_000
    assert "3 added, 0 were on the list already" in uploaded(client, f"{padded}k-2\nk-3".encode()).text
    wrong = uploaded(client, f"{padded}k-4;k-5".encode())
    assert (wrong.status_code, "Line 150002: expected one identifier per line" in wrong.text) == (422, True)
    many = [f"{n:040}" for n in range(MOST_IDS + 1)]
    for answer in (uploaded(client, "\n".join(many).encode()), client.post(PATH, json={"customer_ids": many})):
        assert answer.status_code == 422
        assert "200,000" in answer.text
    assert client.get(PATH).json()["total"] == 3


def test_an_objection_holds_for_every_spelling(client, payload):
    pasted(client, "Customer_ID\n K-7\u200b \nk-7\n")
    assert [one["customer_id"] for one in client.get(PATH).json()["objections"]] == ["K-7"]
    for spelling in ("k-7", "K-7"):
        decided = client.post("/api/v1/predictions", json={**payload, "customer_id": spelling}).json()
        assert decided["reason"] == "suppressed"


def test_an_admin_takes_an_objection_back_with_a_reason(client, payload):
    client.post(PATH, json={"customer_ids": ["k-8", "k-9"], "reason": "letter"})
    assert client.delete(f"{PATH}/k-8").status_code == 422
    assert client.delete(f"{PATH}/k-8", params={"reason": "wrong person"}).json()["customer_id"] == "k-8"
    assert client.delete(f"{PATH}/k-8", params={"reason": "wrong person"}).status_code == 404
    form = {**token_of(client), "customer_id": "k-9"}
    refused = client.post(f"{PAGE}/remove", data={**form, "reason": "x"})
    assert refused.status_code == 422
    assert "Give a reason of 3 to 1,000 characters" in refused.text
    assert "k-9" in refused.text
    assert (
        client.post(f"{PAGE}/remove", data={**form, "reason": "customer called"}, follow_redirects=False).status_code
        == 303
    )
    assert client.get(PATH).json()["total"] == 0
    told = soup_of(client.get(PAGE)).select("[data-testid=taken-back] tbody tr")
    assert [row.select("td")[-1].text for row in told[:2]] == ["customer called", "wrong person"]
    again = client.post("/api/v1/predictions", json={**payload, "customer_id": "k-9"}).json()
    assert again["reason"] != "suppressed"


@pytest.mark.parametrize("one", ["2010/4711", "objections", "a b/c?d=%2F&e", "/x"])
def test_an_id_of_any_signs_has_its_address(client, one):
    client.post(PATH, json={"customer_ids": [one]})
    assert one in unescape(client.get("/customers", params={"id": one}).text)
    address = quote(one, safe="")
    policy = client.get(f"/api/v1/customers/{address}/contact-policy").json()
    assert (policy["customer_id"], policy["reason"]) == (one, "suppressed")
    assert client.delete(f"{PATH}/{address}", params={"reason": "by letter"}).json()["customer_id"] == one
    earlier = client.get(f"/customers/{address}", follow_redirects=False)
    assert one == "objections" or earlier.headers["location"] == f"/customers?id={address}"


def test_the_rows_of_an_exported_file_object_for_the_customer_that_they_name(client, payload):
    client.post(PATH, json={"customer_ids": ["+351-8"]})
    cell = client.get(f"{PAGE}.csv").text.splitlines()[1].split(",")[0]
    rows = f"contact_id,customer_id,disposition,called_at\nc-1,{cell.replace('8', '7')},objection,2010-11-22\n"
    sent = client.post("/api/v1/outcomes/batch", content=rows, headers={"content-type": "text/csv"})
    assert sent.json()["suppressed"] == 1
    decided = client.post("/api/v1/predictions", json={**payload, "customer_id": "+351-7"}).json()
    assert (cell, decided["reason"]) == ("'+351-8", "suppressed")
    assert client.delete(f"{PATH}/{quote(cell)}", params={"reason": "by letter"}).status_code == 200


def test_objections_are_searched_and_exported(client):
    client.post(PATH, json={"customer_ids": ["k-10", "=k-11", "other"], "reason": "phone"})
    found = client.get(PATH, params={"search": "K-1"}).json()["objections"]
    assert {one["customer_id"] for one in found} == {"=k-11", "k-10"}
    page = client.get(PAGE, params={"search": "K-10"}).text
    assert "k-10" in page
    assert "k-11" not in page
    rows = client.get(f"{PAGE}.csv").text.splitlines()
    assert rows[0] == "customer_id,reason,at,actor"
    assert {row.split(",")[0] for row in rows[1:]} == {"k-10", "'=k-11", "other"}


def test_a_page_that_does_not_show_all_objections_says_so(client, monkeypatch):
    monkeypatch.setattr(objections_page, "SHOWN", 2)
    text = []
    for one in ("k-1", "k-2"):
        client.post("/api/v1/objections", json={"customer_ids": [one]})
        text.append(soup_of(client.get(PAGE)).text)
    assert ["The newest 2 are shown" in one for one in text] == [False, True]


def test_without_scripts_the_page_says_what_a_form_did(client):
    file = {"file": ("ids.txt", b"k-1\nk-2", "text/plain")}
    answer = client.post(PAGE, data={**token_of(client), "reason": "fair in Porto"}, files=file)
    assert "2 added" in answer.text
    assert "0 of 2 are known customers" in answer.text
    assert {one["reason"] for one in client.get(PATH).json()["objections"]} == {"fair in Porto"}
