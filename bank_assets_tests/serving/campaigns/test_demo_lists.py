"""The demo makes its lists on these pages."""

import pytest

from bank_assets.demo.pages import CampaignPages
from bank_assets.demo.processes import DemoError
from bank_assets.ledger import campaigns

pytestmark = pytest.mark.slow


class Browsed(CampaignPages):
    """The demo at the pages of an app in this process."""

    def __init__(self, client):
        super().__init__(0)
        self._client = client

    def _answered(self, path, body, headers):
        answer = self._client.request("GET" if body is None else "POST", path, content=body, headers=headers)
        return str(answer.url), answer.status_code, answer.content


def test_the_demo_makes_a_list_as_a_person_does(client):
    content = (client.app.state.services.settings.platform.landing / "campaigns" / "example.csv").read_bytes()
    made = Browsed(client).make_list("2009-03.csv", content, holdout_pct=20.0)
    kept = campaigns.get_list(client.app.state.services.ledger, made.id)
    assert kept.name == "2009-03.csv"
    assert kept.summary["called"]["n_calls"] == len(made.called)
    assert kept.summary["holdout"]["n_held_out"] == len(made.held_out) > 0
    assert kept.request["holdout_share"] == 0.2
    assert made.explored <= made.called.keys()
    assert not made.called.keys() & made.held_out


def test_a_page_that_refuses_is_named(client):
    with pytest.raises(DemoError, match=r"expected a page at /campaign/upload, found status 422"):
        Browsed(client).make_list("a.csv", b"no;header\n1;2\n", holdout_pct=0.0)
