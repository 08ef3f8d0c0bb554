"""Lists that are uploaded on the Campaign page."""

import io

import pytest

from bank_assets.contract.uci import UCI
from bank_assets.store import campaign_files
from bank_assets_tests.serving.campaigns.lists import delivered
from bank_assets_tests.world.demo_home import soup_of, token_of
from serving.decisions.uploads import is_longer


def upload(client, text, name="list.csv"):
    content = text if isinstance(text, bytes) else text.encode()
    return client.post(
        "/campaign/upload", data=token_of(client), files={"file": (name, content, "text/csv")}, follow_redirects=False
    )


def csv_text(rows, columns=UCI.campaign_columns):
    lines = [",".join(columns)] + [",".join(row[name] for name in columns) for row in rows]
    return "\n".join(lines) + "\n"


def test_an_uploaded_list_is_planned_and_its_bad_rows_are_named(client):
    rows = delivered(client)[:30]
    rows[4] = {**rows[4], "age": "7"}
    rows[5] = {**rows[5], "contact_id": ""}
    response = upload(client, csv_text(rows), "../my list.csv")
    assert response.status_code == 303
    page = soup_of(client.get(response.headers["location"]))
    assert "28 contacts" in page.select_one("[data-testid=plan]").text
    assert "my list.csv (uploaded)" in page.select_one("option[selected]").text
    named = [one.text for one in page.select("details.card li")]
    assert named == [
        "line 6: age: expected a whole number from 16 to 120 years, found 7",
        "line 7: contact_id: expected whom to call, found nothing",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "contact_id\nc-1\n",
        csv_text([]),
        b"\xff\xfe\x00",
        ",".join((*UCI.campaign_columns, "duration")) + "\n",
    ],
    ids=["empty", "columns missing", "no row", "not text", "known only after the call"],
)
def test_a_file_that_does_not_fit_is_refused_and_not_kept(shown, text):
    response = upload(shown, text)
    assert response.status_code == 422
    assert soup_of(response).select_one("[data-testid=problem] li")
    assert not list((shown.app.state.services.settings.bundles / "uploads").glob("*"))


def test_an_upload_that_is_deleted_between_finding_and_reading_is_404(client, monkeypatch):
    address = upload(client, csv_text(delivered(client)[:5])).headers["location"]
    found = campaign_files.CampaignFiles.get

    def vanishing(files, key):
        file = found(files, key)
        file.path.unlink()
        return file

    monkeypatch.setattr(campaign_files.CampaignFiles, "get", vanishing)
    assert client.get(address).status_code == 404


def test_uploads_are_forgotten(client, monkeypatch):
    first = upload(client, csv_text(delivered(client)[:5])).headers["location"]
    monkeypatch.setattr(campaign_files.time, "time", lambda: 1e12)
    upload(client, csv_text(delivered(client)[:6]))
    lost = client.get(first)
    assert lost.status_code == 404
    assert soup_of(lost).select_one("[data-testid=problem] a")["href"] == "/campaign"


def test_the_way_on_from_a_refused_upload_is_a_page(shown):
    refused = soup_of(upload(shown, "no;header\n"))
    (way,) = refused.select("[data-testid=problem] a")
    assert refused.h1.text == "This file cannot be used"
    assert not {"422", "contract", "payload"} & set(refused.main.text.lower().split())
    page = soup_of(shown.get(way["href"]))
    example = shown.get(page.select_one("#h-upload a")["href"])
    assert upload(shown, example.text).status_code == 303


def deliveries(client):
    folder = client.app.state.services.settings.platform.landing / "campaigns"
    return {path.name: path.read_text() for path in folder.glob("*")} if folder.is_dir() else {}


def test_a_longer_upload_becomes_a_delivery_and_the_page_says_so(client, monkeypatch):
    monkeypatch.setattr("serving.decisions.uploads.MAX_ROWS", 20)
    monkeypatch.setattr("serving.campaigns.call_lists.FIRST_ROWS", 10)
    before, rows = deliveries(client), delivered(client)[:21]
    assert "list=" in upload(client, csv_text(rows[:20]), "crm.csv").headers["location"]
    assert deliveries(client) == before
    response = upload(client, csv_text(rows), "../crm autumn.txt")
    assert response.status_code == 303
    page = soup_of(client.get(response.headers["location"]))
    assert "crm autumn.csv was delivered to the pipeline" in page.select_one(".notice").text
    new = {name: text for name, text in deliveries(client).items() if name not in before}
    assert new == {"crm autumn.csv": csv_text(rows)}
    for other in ("another.csv", "x" * 300):
        answer = client.get(f"/campaign?delivered={other}")
        assert (answer.status_code, soup_of(answer).select(".notice")) == (200, [])
    again = [upload(client, csv_text(rows[::order]), "crm autumn.csv").headers["location"] for order in (1, -1)]
    assert "crm+autumn.csv" in again[0].replace("%20", "+")
    assert len(deliveries(client)) == len(before) + 2, "a list of another content keeps its file"


def test_a_longer_upload_that_does_not_fit_is_refused_at_once(client, monkeypatch):
    monkeypatch.setattr("serving.decisions.uploads.MAX_ROWS", 20)
    monkeypatch.setattr("serving.campaigns.call_lists.FIRST_ROWS", 10)
    before, rows = deliveries(client), [{**row, "age": "7"} for row in delivered(client)[:21]]
    for text in (csv_text(rows), "no;header\n" * 40):
        assert upload(client, text).status_code == 422
    assert deliveries(client) == before
    folder = client.app.state.services.settings.platform.landing / "campaigns"
    monkeypatch.setattr("bank_assets.store.campaign_files.temporary_beside", refused)
    answer = upload(client, csv_text(delivered(client)[:21]))
    assert answer.status_code == 409
    assert "expected a landing folder that this app may write to" in soup_of(answer).text
    assert deliveries(client) == before
    assert folder.is_dir()


def refused(path):
    raise PermissionError(13, "Permission denied", str(path))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("above", [[], ["sep=;"], ['"SEP=;"']])
def test_rows_of_an_upload_are_counted_as_they_are_read(monkeypatch, end, above):
    monkeypatch.setattr("serving.decisions.uploads.MAX_ROWS", 3)
    lines = [*above, "a;b"]
    texts = [end.join([*lines, *["1;2"] * n, "", " "]).encode() for n in (2, 3, 4)]
    assert [is_longer(io.BytesIO(text)) for text in texts] == [False, False, True]
