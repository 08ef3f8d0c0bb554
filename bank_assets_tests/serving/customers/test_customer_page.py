"""A customer's page shows what came back as it was reported: identifiers unchanged, days as written."""

from bank_assets_tests.world.demo_home import soup_of


def test_dispositions_show_their_day_and_the_identifier_as_it_is(client):
    called = {"contact_id": "k_1", "disposition": "not_reached", "called_at": "2010-11-15T23:30:00+01:00"}
    assert client.post("/api/v1/outcomes/batch", json=[called]).json()["new"] == 1
    page = soup_of(client.get("/customers", params={"id": "k_1"}))
    table = page.find("h3", string="Dispositions").find_parent("div", class_="card")
    assert [cell.text for cell in table.select("tbody td")] == ["2010-11-15", "k_1", "not reached", "local"]
