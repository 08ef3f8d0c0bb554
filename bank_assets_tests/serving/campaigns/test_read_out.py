"""The read-out of lists on record: what dispositions and the bank's books make of them, on pages and in the API."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bank_assets.contract.feeds import Disposition, Subscription
from bank_assets.contract.uci import UCI
from bank_assets.ledger import campaigns, events, feeds
from bank_assets.ledger.blocks import ListRows
from bank_assets.ledger.campaigns import CampaignList
from bank_assets.ledger.engine import open_ledger, writing
from bank_assets_tests.serving.campaigns.lists import make_list, rows_of
from bank_assets_tests.world.demo_home import HTMX, soup_of
from bank_assets_tests.world.registry import MemoryRegistry
from serving.campaigns.former_champion import FormerChampions
from serving.campaigns.read_out import NOT_YET, REPLACED, WITHDRAWN, ReadOuts, Report
from serving.campaigns.read_out_views import read_out_view, report_view
from serving.champion.champion import ChampionStore
from serving.web.problems import NotFoundError
from serving.web.view_models import PLAIN, WATCH

DAY = "2010-05-03"


@pytest.fixture
def ledger(tmp_path):
    engine = open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    yield engine
    engine.dispose()


@pytest.fixture
def read_outs(ledger, tmp_path):
    store = ChampionStore(tmp_path, UCI)
    former = FormerChampions(ledger, store, MemoryRegistry({}))
    return ReadOuts(ledger, store, former, days=30, not_reached_share=0.2, spontaneous_share=0.0)


def kept(ledger, list_id="l-1", *, called=270, held_out=30, share=0.1, explored=0, day=DAY, revises=None):
    """A list on record that calls the first contacts and holds out the others; a contact `c-…` is of customer `k-…`."""
    n = called + held_out
    decided = {
        "contact_date": [day] * n,
        "reason": ["worth_calling"] * (called - explored) + ["exploration"] * explored + ["held_out"] * held_out,
        "decision": ["call"] * called + ["do_not_call"] * held_out,
        "probability": [0.3 + (row % 7) / 100 for row in range(n)],
        "propensity": [1.0 - share] * n,
        "cost_eur": [5.0] * n,
        "value_eur": [50.0] * n,
    }
    ids = [[f"{kind}-{list_id}-{row}" for row in range(n)] for kind in "ck"]
    forecast = {"profit_eur": {"expected": 2_700.0, "low": 2_000.0, "high": 3_400.0, "level": 0.9}}
    made = CampaignList(
        id=list_id, actor="ana", name="spring", model_version="1", model_digest="d", economics={}, content_digest="d",
        request={"holdout_share": share, "first_day": day, "last_day": day}, summary={"forecast": forecast},
        revises=revises,
    )  # fmt: skip
    facts = {"f1_threshold": 0.3}
    return campaigns.keep_list(ledger, made, ListRows(*ids, {"age": [40] * n}, decided), facts)


def called(ledger, rows, disposition="refused", list_id="l-1", day="04", month="05"):
    reports = [Disposition(f"c-{list_id}-{row}", disposition, f"2010-{month}-{day}T10:00:00.000000Z") for row in rows]
    feeds.record_dispositions(ledger, reports, actor="dialer", source="api")


def booked(ledger, rows, on_day="2010-05-20", kind="subscribed", list_id="l-1"):
    found = [Subscription(f"k-{list_id}-{row}", on_day, kind) for row in rows]
    found += [Subscription(one, "2010-06-30") for one in ("k-else", "k-other")]
    feeds.record_subscriptions(ledger, found, actor="bank", source="file")


def test_a_list_is_read_out_from_calls_and_books(ledger, read_outs):
    kept(ledger)
    called(ledger, range(250))
    called(ledger, range(250, 270), "not_reached")
    booked(ledger, [*range(90), 270, 271])
    booked(ledger, [5], "2010-05-25", "cancelled")
    booked(ledger, [100, 290], "2010-06-03")  # a day after the window
    _, found = read_outs.of("l-1")
    assert (found.planned, found.made.calls, found.made.subscriptions) == (270, 270, 89)
    assert found.made.cost_eur == pytest.approx(250 * 5 + 20 * 0.2 * 5)
    assert (found.lift.called_subscribed, found.lift.held_out_subscribed, found.breaches) == (89, 2, 0)
    assert found.lift.subscriptions.value == pytest.approx(89 - 270 * 2 / 30)
    assert found.is_as_forecast is (2_000 <= found.made.profit_eur <= 3_400)


def test_the_forecast_of_a_list_that_nobody_called_by_is_not_judged(ledger, read_outs):
    kept(ledger)
    booked(ledger, [3])

    def profit():
        tiles = read_out_view("", read_outs.of("l-1")[1], 30).tiles
        return next((one.note, one.tone) for one in tiles if one.label == "Realised profit")

    assert profit() == ("forecast 2,700 EUR; 2,000 EUR to 3,400 EUR", PLAIN)
    called(ledger, range(270))
    assert profit() == ("forecast 2,700 EUR; outside 2,000 EUR to 3,400 EUR", WATCH)


def test_what_arrives_later_counts_at_once(ledger, read_outs):
    kept(ledger)
    called(ledger, range(270))
    _, before = read_outs.of("l-1")
    assert before.lift.reason.startswith("Not yet measurable: expected subscriptions")
    assert before.everyone is None
    booked(ledger, range(60))
    assert read_outs.of("l-1")[1].lift.called_subscribed == 60


def test_without_books_dispositions_count_and_the_last_one_wins(ledger, read_outs):
    kept(ledger)
    called(ledger, range(10), "subscribed", day="02")  # a day before it was planned
    called(ledger, [3], "cancelled", day="06")
    called(ledger, [4], "refused", day="06")
    called(ledger, [5], "not_reached", day="06")  # says nothing about the subscription
    assert read_outs.of("l-1")[1].made.subscriptions == 8


@pytest.mark.parametrize("by_books", [True, False])
def test_what_was_taken_back_within_the_window_counts_as_none_by_either_feed(ledger, read_outs, by_books):
    kept(ledger)
    if by_books:
        called(ledger, range(20))
        booked(ledger, range(20), "2010-05-04")
        booked(ledger, range(5), "2010-06-02", "cancelled")  # the last day of the window
        booked(ledger, range(5, 10), "2010-06-03", "cancelled")
    else:
        called(ledger, range(20), "subscribed")
        called(ledger, range(5), "cancelled", day="02", month="06")
        called(ledger, range(5, 10), "cancelled", day="03", month="06")
    assert read_outs.of("l-1")[1].made.subscriptions == 15


def test_calls_to_held_out_customers_are_breaches(ledger, read_outs):
    kept(ledger)
    called(ledger, [0, 280, 281], "subscribed")
    _, found = read_outs.of("l-1")
    assert (found.made.calls, found.breaches) == (1, 2)
    titles = [
        [
            notice.title
            for notice in read_out_view("", replace(found, breaches=n), 30).notices
            if "held-out" in notice.title
        ]
        for n in (0, 1, 2)
    ]
    assert titles == [[], ["1 held-out customer was called"], ["2 held-out customers were called"]]


def test_lists_are_pooled_once_their_window_is_covered(ledger, read_outs):
    for list_id in ("l-1", "l-2", "l-3"):
        kept(ledger, list_id)
    assert read_outs.report() == Report([], {}, None)
    for list_id in ("l-1", "l-2"):
        called(ledger, range(270), list_id=list_id)
        booked(ledger, [*range(80), 275], list_id=list_id)
    for number in range(51):  # made later, by which nobody called
        kept(ledger, f"m-{number}", called=2, held_out=0)
    found = read_outs.report()
    assert [one.id for one, _ in found.lists] == ["l-2", "l-1"]
    assert (found.pooled.lift.called, found.pooled.lift.held_out) == (540, 60)
    assert found.pooled.lift.subscriptions.value == pytest.approx(160 - 540 * 2 / 60)


def test_the_report_says_which_lists_are_not_pooled(ledger, read_outs):
    for list_id in ("l-1", "l-2", "l-3", "l-5"):
        kept(ledger, list_id, revises="l-2" if list_id == "l-3" else None)
        called(ledger, range(270), list_id=list_id)
        booked(ledger, range(80), list_id=list_id)
    kept(ledger, "l-4", day="2010-06-20")
    called(ledger, range(10), list_id="l-4", day="20", month="06")
    with writing(ledger) as connection:
        events.append(connection, kind="list.withdrawn", subject="l-5", content={"reason": "strike"}, actor="ana")
    found = read_outs.report()
    assert found.apart == {"l-2": REPLACED, "l-4": NOT_YET, "l-5": WITHDRAWN}
    assert found.pooled.lift.called == 540
    view = report_view(found, 30)
    assert view.pool.startswith("Pooled: 2 of the 5 lists made and called within 365 days. Left out: 1 ")
    assert (view.pooled.heading, len(view.lists)) == ("2 lists together", 5)


def test_a_report_or_a_subscription_changes_only_the_read_outs_that_it_concerns(ledger, read_outs, monkeypatch):
    for list_id in ("l-1", "l-2"):
        kept(ledger, list_id)
        called(ledger, range(270), list_id=list_id)
        booked(ledger, range(80), list_id=list_id)
    computed, results = [], ReadOuts._results
    monkeypatch.setattr(
        ReadOuts, "_results", lambda self, one, attribution: computed.append(one.id) or results(self, one, attribution)
    )
    for change, changed in (
        (lambda: None, ["l-1", "l-2"]),
        (lambda: None, []),
        (lambda: called(ledger, [271], list_id="l-1"), ["l-1"]),
        (lambda: booked(ledger, [81], on_day="2010-07-30"), []),
        (lambda: booked(ledger, [82], on_day="2010-06-02"), ["l-1", "l-2"]),
    ):
        change()
        computed.clear()
        for list_id in ("l-1", "l-2"):
            read_outs.of(list_id)
        assert computed == changed


def test_what_exploration_taught_is_shown(ledger, read_outs):
    kept(ledger, called=270, explored=20)
    called(ledger, range(260))
    called(ledger, range(260, 270), "not_reached")
    explored = read_outs.of("l-1")[1].explored
    assert (explored.calls, explored.outcomes) == (20, 10)
    assert explored.stand_for == pytest.approx(10 / 0.9)
    tiles = {one.label: one for one in read_out_view("x", read_outs.of("l-1")[1], 30).tiles}
    assert tiles["What exploration taught"].value == "10"
    assert tiles["What exploration taught"].note == (
        "outcomes for 11 outside the best calls; they tell as much as 10 of equal weight"
    )


def test_an_unknown_list_and_one_without_rows_say_so(ledger, read_outs):
    kept(ledger, "l-9", called=0, held_out=0)
    with pytest.raises(NotFoundError, match="expected one on record, found none"):
        read_outs.of("l-0")
    assert read_outs.of("l-9")[1] is None
    assert read_out_view("l-9", None, 30).sentence.startswith("No read-out: expected the rows of the list")


def test_pages_and_api_show_a_list_as_it_comes_back(client):
    made = soup_of(make_list(client, holdout_pct="20"))
    list_id, ledger = made.select_one('[data-testid="list-id"]').text, client.app.state.services.ledger
    calls = [row["contact_id"] for row in rows_of(client, made)[0]]
    reports = [Disposition(one, "refused", "2010-10-20T10:00:00.000000Z", list_id=list_id) for one in calls]
    feeds.record_dispositions(ledger, reports, actor="dialer", source="api")
    page = soup_of(client.get(f"/campaign/lists/{list_id}/read-out"))
    part = page.select_one('[data-testid="read-out"]')
    assert part.h2.text.startswith("Not yet measurable")
    without = replace(client.app.state.services.read_outs, spontaneous_share=0.0).of(list_id)[1]
    assert "assuming that nobody subscribes without a call" in without.lift.sentence
    assert read_out_view("x", without, 30).notices[0].title == "Assumes that nobody subscribes without a call"
    assert soup_of(client.get(f"/campaign/lists/{list_id}/read-out", headers=HTMX)).select_one("h1") is None
    answer = client.get(f"/api/v1/lists/{list_id}/read-out").json()
    assert (answer["made"]["calls"], answer["attribution_days"]) == (len(calls), 30)
    assert answer["lift"]["sentence"] == part.h2.text
    report = soup_of(client.get("/campaign/report"))
    assert [row.a["href"] for row in report.select("tbody tr")] == [f"/campaign/lists/{list_id}"]
    assert client.get("/campaign/lists/l-0/read-out").status_code == 404
