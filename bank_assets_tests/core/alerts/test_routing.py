"""Which channels get an alert."""

import pytest

from bank_assets.core.alerts.alert import Occurrence
from bank_assets.core.alerts.campaign_catalogue import channels_tested, list_closed, list_made, objection_received
from bank_assets.core.alerts.catalogue import nothing_arrived
from bank_assets.core.alerts.routing import is_routed, routes_of

NOW = Occurrence("2010-11-02T00:00:00+00:00")
ALERTS = {
    "test": channels_tested(NOW, "anna"),
    "made": list_made(NOW, "L-1", "autumn.csv", 20),
    "closed": list_closed(NOW, "L-1", "autumn.csv", "Read what it brought."),
    "objection": objection_received(NOW, 7, 3),
    "silence": nothing_arrived(NOW, "2010-10-28", 5, 4, "d"),
}
WEBHOOK, SLACK, MAIL = ("webhooks", "webhooks-1a2b3c4d"), ("slack", "slack-1a2b3c4d"), ("mailtos", "mailtos-1")


@pytest.mark.parametrize(
    ("routes", "name", "reached"),
    [
        ((), "silence", (WEBHOOK, SLACK, MAIL)),
        ((), "made", (WEBHOOK,)),
        ((), "closed", (WEBHOOK,)),
        ((), "objection", (WEBHOOK,)),
        ((), "test", (WEBHOOK, SLACK, MAIL)),
        (("nothing_arrived=none",), "silence", ()),
        (("nothing_arrived=none", "test=none"), "test", (WEBHOOK, SLACK, MAIL)),
        (("nothing_arrived=slack-1a2b3c4d+mailtos",), "silence", (SLACK, MAIL)),
        (("list_made=all", "objection=none"), "made", (WEBHOOK, SLACK, MAIL)),
        (("list_made=all", "objection=none"), "objection", ()),
    ],
)
def test_a_route_decides_and_else_the_alert_itself(routes, name, reached):
    document = ALERTS[name].to_dict("http://bank.example", "")
    assert tuple(one for one in (WEBHOOK, SLACK, MAIL) if is_routed(document, routes_of(routes), one)) == reached


@pytest.mark.parametrize("text", ["drift=slack", "promoted", "promoted=", "=slack"])
def test_a_route_that_cannot_be_read_is_named(text):
    with pytest.raises(ValueError, match=r"expected kind=channel.channel.* with a kind of run_failed, .*found"):
        routes_of([text])


def test_alerts_about_campaigns_name_no_person_and_have_stable_keys():
    assert ALERTS["made"].subject == ALERTS["closed"].subject == "L-1"
    assert ALERTS["made"].page == "/campaign/lists/L-1"
    assert ALERTS["objection"].title == "3 objections were received"
    later = Occurrence("2011-01-01T00:00:00+00:00")
    assert list_made(later, "L-1", "autumn.csv", 20).key == ALERTS["made"].key
    assert channels_tested(later, "anna").key != ALERTS["test"].key, "each test is sent"
