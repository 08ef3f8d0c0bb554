"""A customer's page shows what came back as it was reported: identifiers unchanged, days as written, with its list."""

from bank_assets.ledger import campaigns
from bank_assets.ledger.campaigns import CampaignList
from bank_assets_tests.world.demo_home import soup_of


def test_dispositions_show_their_list_their_day_and_the_identifier_as_it_is(client):
    facts = {"actor": "ana", "name": "may", "model_version": "1", "model_digest": "d", "content_digest": "d"}
    kept = CampaignList(**facts, economics={}, request={"as_of": "2010-11-01"}, summary={})
    made = campaigns.keep_list(client.app.state.services.ledger, kept)
    called = {"contact_id": "k_1", "disposition": "not_reached", "called_at": "2010-11-15T23:30:00+01:00"}
    listed = {**called, "called_at": "2010-11-16T10:00:00Z", "list_id": made.id}
    assert client.post("/api/v1/outcomes/batch", json=[called, listed]).json()["new"] == 2
    page = soup_of(client.get("/customers", params={"id": "k_1"}))
    table = page.find("h3", string="Dispositions").find_parent("div", class_="card")
    assert [[cell.text for cell in row.select("td")] for row in table.select("tbody tr")] == [
        ["may", "2010-11-16", "k_1", "not reached", "local"],
        ["no list", "2010-11-15", "k_1", "not reached", "local"],
    ]
    assert [link["href"] for link in table.select("a")] == [f"/campaign/lists/{made.id}"]
