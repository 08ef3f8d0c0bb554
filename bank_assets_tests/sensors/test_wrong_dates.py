"""Wrong dates, in contacts or in a list, do not stop the loop: it goes on from where it was."""

from dataclasses import asdict

import pytest

from bank_assets.ledger import promotions, responses
from bank_assets_tests.sensors.response_world import PERFORMANCE
from bank_assets_tests.world.home import campaign_text

pytestmark = pytest.mark.slow


def test_the_loop_continues_where_it_was_when_a_wrong_year_is_corrected(make):
    loop = make()
    before = loop.last
    with_champion = {"to_version": "1", "from_version": "1", "reasons": [], "evidence": {}, "actor": "pipeline"}
    promotions.record(loop.engine, kind="refit", decision="refused", as_of="2030-02-11", **with_champion)
    wrong = {**asdict(before), "seq": before.seq + 1, "as_of": "2030-02-11"}
    del wrong["at"]
    responses.append(loop.engine, **wrong | {"state": before.state.replace(before.as_of, "2030-02-11")})
    loop.deliver("2020-02")
    loop.rescore()
    loop.both()
    days = [row.as_of for row in responses.history(loop.engine, after=before.seq + 1)]
    assert days[-1] == "2020-02-02", "the day after those that were judged"
    assert {day[:4] for day in days} == {"2020"}


def test_no_list_moves_the_clock(make):
    loop = make()
    before = loop.last
    folder = loop.settings.landing / "campaigns"
    folder.mkdir()
    for content in (campaign_text(loop.contacts).replace("2020-", "2030-"), "half a file;", "", "\xe4"):
        (folder / "example.csv").write_bytes(content.encode("latin-1"))
        assert loop.both() == ([], [])
        assert loop.last == before
        assert "the last is 2020-02-01" in loop.daemon.said[PERFORMANCE]
