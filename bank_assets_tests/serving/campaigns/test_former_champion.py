"""The champion before a list's own, scored on the rows of the list as they are on record."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bank_assets.contract.feeds import Disposition, Subscription
from bank_assets.core.economics.economics import Economics
from bank_assets.core.model.scorer import logit
from bank_assets.ledger import campaigns, feeds, list_rows, promotions, states
from bank_assets.ledger.blocks import ListRows
from bank_assets.ledger.engine import open_ledger, utc_now
from bank_assets.store.registry import UnknownVersionError
from bank_assets_tests.serving.campaigns.lists import make_list
from bank_assets_tests.world.demo_home import fit_demo, make_home, open_pages, soup_of
from serving.campaigns.former_champion import FormerChampions

pytestmark = pytest.mark.slow
CALLED_ON, COVERED = "2010-10-20", "2011-03-01"


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with open_pages(make_home(tmp_path_factory.mktemp("former") / "bank", fit_demo())) as client:
        yield client


@pytest.fixture(scope="module")
def made(client):
    """A list of the demo home, which version 2 made after it replaced version 1."""
    page = soup_of(make_list(client, cost_eur="25", learning_calls="60"))
    return campaigns.get_list(client.app.state.services.ledger, page.select_one('[data-testid="list-id"]').text)


@pytest.fixture
def block(client, made):
    return next(list_rows.blocks_of(client.app.state.services.ledger, made.id))


@pytest.fixture
def ledger(tmp_path):
    engine = open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    yield engine
    engine.dispose()


def promoted(ledger, before, version):
    facts = {"reasons": [], "evidence": {}, "actor": "pipeline", "as_of": "2010-01-01"}
    promotions.record(ledger, kind="refit", decision="promoted", from_version=before, to_version=version, **facts)


def kept_again(ledger, made, block, facts=None, payload=None):
    """The same list in another ledger, whose champions a test chooses."""
    rows = ListRows(
        *(block.person[name] for name in ("contact_id", "customer_id")), payload or block.payload, block.decided
    )
    campaigns.keep_list(ledger, replace(made, created_at=utc_now()), rows, block.facts if facts is None else facts)
    return campaigns.get_list(ledger, made.id)


def former(client, ledger=None):
    services = client.app.state.services
    return FormerChampions(ledger or services.ledger, services.store, services.registry)


def expected_of(client, made):
    """What the version before gives the contacts of the same file, scored as a plan with the list's own state."""
    services = client.app.state.services
    before = services.store.obtain(services.registry.get("1"), services.registry)
    published = replace(services.store.state, state=replace(services.store.state.state, log_odds_shift=0.0))
    chosen = services.call_lists.scored(made.request["list_key"], before, published)
    return dict(zip(chosen.scored.contact_id, chosen.scored.scores.probability, strict=True))


def test_it_scores_the_rows_on_record_as_it_would_have_scored_the_file(client, made, block):
    found = former(client).of(made, Economics())
    expected = expected_of(client, made)
    assert found.version == "1"
    assert found.probability.tolist() == [expected[one] for one in block.person["contact_id"]]


def test_it_keeps_the_last_recalibration_that_was_published_while_it_was_the_champion(client, made, block, ledger):
    state = block.facts["as_of_features"]
    promoted(ledger, None, "1")
    for number, shift in enumerate((0.7, 0.3)):
        states.publish(ledger, f"2010-02-0{number + 1}", {**state, "log_odds_shift": shift})
    promoted(ledger, "1", "2")
    states.publish(ledger, "2010-02-03", {**state, "log_odds_shift": -0.9})
    moved = former(client, ledger).of(kept_again(ledger, made, block), Economics()).probability
    assert logit(moved) - logit(former(client).of(made, Economics()).probability) == pytest.approx(0.3)


def test_a_recalibration_of_an_earlier_champion_is_none_of_its_own(client, made, block, ledger):
    promoted(ledger, None, "3")
    states.publish(ledger, "2010-02-01", {**block.facts["as_of_features"], "log_odds_shift": 0.7})
    promoted(ledger, "3", "1")
    promoted(ledger, "1", "2")
    found = former(client, ledger).of(kept_again(ledger, made, block), Economics())
    assert found.probability.tolist() == former(client).of(made, Economics()).probability.tolist()


def test_it_says_why_there_is_none_or_why_it_cannot_decide_the_rows(client, made, block, ledger):
    promoted(ledger, None, "2")
    kept = kept_again(ledger, made, block)
    assert former(client, ledger).of(kept, Economics()).startswith("No champion before: expected one that version 2")
    promoted(ledger, "1", "2")  # after the list was made
    assert former(client, ledger).of(kept, Economics()).startswith("No champion before")


@pytest.mark.parametrize(
    ("lost", "expected"),
    [
        ("state", "expected the as-of features that the list was scored with, found none"),
        ("plan", "expected the statistics contacts_planned_that_day of each day's list, found them not on record"),
        ("column", "expected the columns age, which it takes, found none on record"),
    ],
)
def test_rows_that_lack_what_it_takes_say_so(client, made, block, ledger, lost, expected):
    facts, payload = dict(block.facts), dict(block.payload)
    if lost == "state":
        del facts["as_of_features"]
    elif lost == "plan":
        days = facts["plan_of_the_day"].items()
        facts["plan_of_the_day"] = {
            day: {name: one for name, one in plan.items() if name != "contacts_planned_that_day"} for day, plan in days
        }
    else:
        del payload["age"]
    promoted(ledger, "1", "2")
    kept = kept_again(ledger, made, block, facts, payload)
    found = former(client, ledger).of(kept, Economics())
    assert found.startswith(f"Cannot be scored by version 1: {expected}")


def test_page_and_api_say_what_other_policies_would_have_earned(client, made, block, monkeypatch):
    services = client.app.state.services
    path = f"/campaign/lists/{made.id}/read-out"
    assert client.get(f"/api/v1/lists/{made.id}/read-out").json()["policies"] == []
    is_call = np.asarray(block.decided["decision"]) == "call"
    called = np.asarray(block.person["contact_id"])[is_call].tolist()
    reports = [Disposition(one, "refused", f"{CALLED_ON}T10:00:00.000000Z", list_id=made.id) for one in called]
    feeds.record_dispositions(services.ledger, reports, actor="dialer", source="api")
    feeds.record_subscriptions(
        services.ledger, [Subscription(one, COVERED) for one in ("k-else", "k-other")], actor="bank", source="file"
    )

    monkeypatch.setattr(services.registry, "is_down", True)
    down = client.get(f"/api/v1/lists/{made.id}/read-out").json()["policies"][-1]
    assert (down["value"], down["reason"][:17]) == (None, "Out of reach now:")
    monkeypatch.setattr(services.registry, "is_down", False)

    answer = client.get(f"/api/v1/lists/{made.id}/read-out").json()
    found = {one["name"]: one for one in answer["policies"]}
    assert list(found) == ["half_threshold", "threshold", "twice_threshold", "previous_champion"]
    estimates = [one["value"]["profit_eur"] for one in found.values()]
    assert all(one is None or one["low"] <= one["value"] <= one["high"] for one in estimates)
    assert found["previous_champion"]["value"]["calls"] > 0
    table = soup_of(client.get(path)).select('[data-testid="policies"] tbody tr')
    assert [row.th.text for row in table] == ["Calling everyone", *(one["text"] for one in found.values())]
    assert table[-1].select("td")[0].text == f"{found['previous_champion']['value']['calls']:,}"
    assert "estimated from" in table[0].text


def test_an_unknown_version_is_said(client, made, block, ledger):
    promoted(ledger, "99", "2")
    with pytest.raises(UnknownVersionError, match="found 99"):
        former(client, ledger).of(kept_again(ledger, made, block), Economics())
