"""Delivered dispositions and subscriptions go on record once; their bad rows become a file beside the reasons."""

import json

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from bank_assets.contract.feeds import Disposition
from bank_assets.contract.uci import UCI
from bank_assets.landing.feeds import record_feeds
from bank_assets.landing.header import DeliveryRefused
from bank_assets.landing.register import Withdrawal
from bank_assets.landing.withdrawals import withdraw
from bank_assets.ledger import campaigns, feeds, outcomes
from bank_assets.ledger.engine import open_ledger, writing
from bank_assets_tests.landing.landing_home import NOW, Home
from bank_assets_tests.world.customers import delimited

CALLS = "contact_id,disposition,called_at\nc-1,subscribed,2010-11-22\nc-2,objection,2010-11-22\n"


class Fed(Home):
    def __init__(self, root):
        super().__init__(root)
        self.engine = open_ledger(f"sqlite:///{root / 'ledger.db'}")

    def take(self):
        found = self.register()
        return found, record_feeds(self.landing, self.warehouse, UCI, self.engine, NOW)


@pytest.fixture
def home(tmp_path):
    fed = Fed(tmp_path)
    yield fed
    fed.engine.dispose()


def test_dispositions_lie_among_the_outcomes_and_are_told_from_them_by_their_header(home):
    outcome = {"contact_id": "c-1", "y": "no", "duration": "1", "arrived_at": "2010-11-24"}
    home.deliver(CALLS, "dialer.csv", "outcomes")
    home.deliver(delimited([outcome], UCI.outcome_columns), "outcomes.csv", "outcomes")
    found, said = home.take()
    assert [(one.kind, one.key) for one in found.new] == [
        ("dispositions", "outcomes/dialer.csv"),
        ("outcomes", "outcomes/outcomes.csv"),
    ]
    assert said == ["outcomes/dialer.csv: 2 new rows, 0 known, 0 refused"]
    assert [(one.contact_id, one.y) for one in outcomes.export(home.engine)] == [("c-1", "yes")]
    assert campaigns.suppressed(home.engine) == {"c-2"}
    assert [one.kind for one in home.month("2010-11", "outcomes")] == ["outcomes"], "the tables read no dispositions"


def test_a_file_is_taken_once_under_whatever_name(home):
    home.deliver(CALLS, "a.csv", "outcomes")
    home.take()
    home.deliver(CALLS, "b.csv", "outcomes")
    assert home.take()[1] == []
    home.deliver(CALLS.replace("c-2", "c-3"), "a.csv", "outcomes")
    assert home.take()[1] == ["outcomes/a.csv: 1 new rows, 1 known, 0 refused"]


def test_a_file_that_cannot_be_read_stops_no_other_one(home):
    home.deliver(CALLS, "a.csv", "outcomes")
    home.deliver("customer_id;on_day\nk-1;2010-11-22\n", "books.csv", "subscriptions")
    (lost, _) = home.register().new
    content = lost.path.read_bytes()
    lost.path.unlink()
    assert home.take()[1] == [
        "outcomes/a.csv: not on record because of FileNotFoundError; the next look tries again",
        "subscriptions/books.csv: 1 new rows, 0 known, 0 refused",
    ]
    home.take()
    assert ["a file that can be put on record" in one.text for one in home.alerts().values()] == [True], "told once"
    lost.path.write_bytes(content)
    assert home.take()[1] == ["outcomes/a.csv: 2 new rows, 0 known, 0 refused"]
    assert home.alerts() == {}


def test_refused_rows_become_a_file_beside_the_reasons_and_people_are_told(home):
    home.deliver(CALLS + "c-3,sold,2010-11-22\nc-4,refused,soon\n", "calls.csv", "outcomes")
    assert home.take()[1] == ["outcomes/calls.csv: 2 new rows, 0 known, 2 refused"]
    (reason,) = (home.landing / "refused").glob("calls.rows-*.reason.json")
    assert json.loads(reason.read_text())["lines"]["4"] == [
        'disposition: expected one of subscribed, refused, not_reached, call_back, objection, cancelled, found "sold"'
    ]
    rows = reason.with_name(reason.name.removesuffix(".reason.json")).read_text()
    assert rows.splitlines() == [*CALLS.splitlines()[:1], '"c-3","sold","2010-11-22"', '"c-4","refused","soon"']
    (alert,) = home.alerts().values()
    assert "usable rows throughout; 2 of 4 are not" in alert.text
    assert "sold" not in alert.text, "an alert quotes no row"
    corrected = rows.replace("sold", "refused").replace("soon", "2010-11-22")
    home.deliver(corrected, "corrected.csv", "outcomes")
    assert home.take()[1] == ["outcomes/corrected.csv: 2 new rows, 0 known, 0 refused"]


def test_the_downloaded_calls_with_two_columns_added_are_dispositions(home):
    head = "list_id,group,rank,contact_id,contact_date,probability,disposition,called_at"
    home.deliver(f"{head}\n,calls,1,c-1,2010-11-20,0.5,refused,2010-11-22\n", "list.csv", "outcomes")
    assert home.take()[1] == ["outcomes/list.csv: 1 new rows, 0 known, 0 refused"]


def test_refused_rows_are_told_once_where_the_landing_folder_may_not_be_written(home):
    home.deliver(CALLS + "c-3,sold,2010-11-22\n", "calls.csv", "outcomes")
    (home.landing / "refused").write_text("no folder")
    assert home.take()[1] == ["outcomes/calls.csv: 2 new rows, 0 known, 1 refused"]
    assert home.take()[1] == [], "it is on record and not taken again"
    (alert,) = (one for one in home.alerts().values() if "calls.csv" in one.title)
    assert (alert.title, alert.text.split(".")[0]) == (
        "calls.csv in the landing folder outcomes is not used",
        "Expected usable rows throughout; 1 of 3 are not",
    )


def test_no_error_or_log_quotes_a_customer(home, caplog):
    with writing(home.engine) as connection:
        full = "CREATE TRIGGER full BEFORE INSERT ON dispositions BEGIN SELECT RAISE(ABORT, 'disk is full'); END"
        connection.execute(text(full))
    home.deliver(CALLS, "calls.csv", "outcomes")
    said = home.take()[1]
    assert said == ["outcomes/calls.csv: not on record because of IntegrityError; the next look tries again"]
    with pytest.raises(IntegrityError, match="parameters hidden") as caught:
        feeds.record_dispositions(home.engine, [Disposition("c-1", "refused", "2010")], actor="a", source="f")
    assert "c-1" not in f"{caught.value}{caplog.text}"


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        ("outcomes", "contact_id,disposition\nc-1,refused\n", "missing: 'called_at'"),
        ("outcomes", "contact_id,disposition,called_at,agent\nc-1,refused,2010-11-22,x\n", "extra: 'agent'"),
        ("outcomes", "contact_id,disposition,called_at\nc-1,refused,soon\n", "none in 1 rows"),
        ("subscriptions", "on_day,kind\n2010-11-22,subscribed\n", "missing: 'customer_id'"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_as_any_delivery(home, kind, text, said):
    home.deliver(text, kind=kind)
    (refusal,) = home.take()[0].refused
    assert said in refusal.problem


def test_subscriptions_have_a_folder_of_their_own(home):
    home.deliver(
        "customer_id;on_day\nk-1;2010-11-22\nk-1;2010-11-22\n;2010-11-23\nk-2;2010-11-24\n",
        "books.csv",
        "subscriptions",
    )
    assert home.take()[1] == ["subscriptions/books.csv: 2 new rows, 1 known, 1 refused"]
    assert feeds.subscriptions_until(home.engine) == "2010-11-22"


def test_what_is_on_record_is_corrected_by_a_later_report_and_not_withdrawn(home):
    home.deliver(CALLS, "a.csv", "outcomes")
    home.take()
    with pytest.raises(DeliveryRefused, match="found dispositions, which are on record in the ledger; report"):
        withdraw(home.warehouse, Withdrawal(reason="wrong", at=NOW.isoformat(), delivery="outcomes/a.csv"))
