"""Call lists of the pipeline: one for each campaign file, made again while the file's days are open."""

import csv
import hashlib
import logging
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

from bank_assets.assets import scoring
from bank_assets.assets.list_plan import PLANNED
from bank_assets.assets.list_stage import readable_list
from bank_assets.contract.feeds import Disposition
from bank_assets.contract.uci import UCI
from bank_assets.core.economics.exploration import LearningBudget
from bank_assets.landing.deliveries import register_deliveries
from bank_assets.landing.register import read_manifest
from bank_assets.ledger import campaigns, chain, decisions, feeds, list_life, list_rows, states
from bank_assets.resources.ledger import LedgerResource
from bank_assets.settings import Settings
from bank_assets.spark.session import SparkStartError
from bank_assets.store.call_lists import CallListFiles
from bank_assets.store.list_designs import ListDesigns
from bank_assets.store.warehouse import Warehouse
from bank_assets_tests.store.test_call_lists import FACTS, IDS, scored
from bank_assets_tests.world.customers import delimited, delivered
from bank_assets_tests.world.lists import FACTS as LIST_FACTS
from bank_assets_tests.world.workers import IN_THIS_PROCESS, InThisProcess


class Home:
    def __init__(self, root, names):
        self.settings = Settings(home=root, ledger_url=f"sqlite:///{root / 'ledger.db'}")
        self.warehouse, self.ledger = Warehouse(self.settings.warehouse), LedgerResource(url=self.settings.ledger_url)
        folder = self.settings.landing / "campaigns"
        folder.mkdir(parents=True)
        text = delimited([delivered(contact_id="c00", contact_date="2010-10-20")], UCI.campaign_columns)
        for name in names:
            (folder / f"{name}.csv").write_text(text)
            self.warehouse.write("batch_scores", name, scored(), "made", {**FACTS, "sha256": "s"})
        now = datetime.now(UTC)
        register_deliveries(self.settings.landing, self.settings.warehouse, UCI, now=now, settle_seconds=0)

    def publish(self, as_of):
        states.publish(self.ledger.engine, as_of, {"as_of": as_of})

    def make(self):
        context = SimpleNamespace(log=logging.getLogger(__name__))
        self.result = scoring.call_list.op.compute_fn.decorated_fn(context, self.warehouse, self.ledger, self.settings)
        return {name: entry.metadata["csv"] for name, entry in self.warehouse.manifest("call_list").items()}


@pytest.fixture
def home(tmp_path):
    home = Home(tmp_path, ["one list", "one-list", "=cmd()"])
    home.publish("2010-10-20")
    return home


def test_equal_lists_have_a_call_list_each_with_their_name_in_file_and_rows(home):
    made = home.make()
    assert len(set(made.values())) == 3
    shown = [column.name for column in home.result.metadata["dagster/column_schema"].columns]
    assert shown[-3:] == home.warehouse.read("call_list", ["one list"]).column_names[-3:] == PLANNED.names
    assert all(file.startswith("call-list-one-list-v7-") for file in (made["one list"], made["one-list"]))
    for name, file in made.items():
        with (home.settings.reports / "call_lists" / file).open(newline="") as stream:
            assert {row["list_id"] for row in csv.DictReader(stream)} == {name if name[0] != "=" else f"'{name}"}


def test_a_list_that_cannot_be_read_counts_as_refused_rows_and_stops_no_other(home, tmp_path):
    delivery = read_manifest(home.settings.warehouse)[0]
    damaged = replace(delivery, columns=(), path=home.settings.warehouse / "nothing.csv")
    log = SimpleNamespace(log=logging.getLogger(__name__))
    found = readable_list(log, IN_THIS_PROCESS, damaged, UCI, tmp_path / "parts")
    assert (len(found), found.n_rejected, delivery.rows) == (0, 1, 1)
    assert "FileNotFoundError" in found.rejected[0]


@pytest.mark.parametrize("fault", [OSError(28, "No space left on device"), MemoryError(), SparkStartError("no JVM")])
def test_a_fault_of_the_machine_stops_the_run_instead_of_refusing_a_list(home, tmp_path, fault):
    class Failing(InThisProcess):
        def run(self, work, tasks):
            raise fault

    delivery, log = read_manifest(home.settings.warehouse)[0], SimpleNamespace(log=logging.getLogger(__name__))
    with pytest.raises(type(fault)):
        readable_list(log, Failing(), delivery, UCI, tmp_path / "parts")


@pytest.mark.parametrize(("feedback", "n_kept"), [("full", 0), ("called", 3)])
def test_the_design_of_each_list_is_kept_where_lists_teach(home, feedback, n_kept):
    home.settings = replace(home.settings, feedback=feedback)
    home.make()
    kept = ListDesigns(home.warehouse.root, "called").read()
    assert (len(kept), {len(one.contact_ids) for one in kept}) == (n_kept, {20} if n_kept else set())
    home.make()
    assert len(ListDesigns(home.warehouse.root, "called").names()) == n_kept, "nothing is made twice"


@pytest.mark.parametrize(("as_of", "is_made_again"), [("2010-10-20", True), ("2010-10-21", False)])
def test_a_call_list_follows_an_objection_while_its_days_are_open(home, as_of, is_made_again):
    before = home.make()
    home.publish(as_of)
    campaigns.suppress(home.ledger.engine, ["c19"], reason="objection", actor="test")
    assert (home.make() != before) == is_made_again


@pytest.fixture
def recorded(tmp_path):
    """A home whose list was scored from the file that lies there."""
    home = Home(tmp_path, ["autumn"])
    rows = [delivered(contact_id=contact_id, contact_date="2010-10-20") for contact_id in IDS]
    (home.settings.landing / "campaigns" / "autumn.csv").write_text(delimited(rows, UCI.campaign_columns))
    register_deliveries(home.settings.landing, home.settings.warehouse, UCI, now=datetime.now(UTC), settle_seconds=0)
    facts = {**FACTS, "sha256": read_manifest(home.settings.warehouse)[-1].sha256, "n_rejected": 0}
    shared = {**LIST_FACTS, "plan_of_the_day": {"2010-10-20": {}}}
    home.warehouse.write("batch_scores", "autumn", scored(), "made", {**facts, "recorded": shared})
    home.publish("2010-10-20")
    return home


def test_every_row_of_the_pipeline_s_list_is_on_record_and_each_content_once(recorded):
    (file,) = recorded.make().values()
    engine = recorded.ledger.engine
    (made,) = campaigns.lists(engine)
    content = (recorded.settings.reports / "call_lists" / file).read_bytes()
    assert made.content_digest == hashlib.sha256(content).hexdigest()
    assert made.id.encode() in content
    rows = [decisions.get(engine, f"{made.id}.{row}") for row in range(1, 21)]
    assert [one.contact_id for one in rows] == IDS
    assert {one.listed.reason for one in rows} == {"worth_calling", "not_worth_calling"}
    assert rows[-1].payload == {name: rows[0].payload[name] for name in UCI.payload_columns}
    campaigns.suppress(engine, ["nobody of the list"], reason="objection", actor="test")
    recorded.make()
    assert campaigns.lists(engine) == [made], "made again with the same content"
    campaigns.suppress(engine, ["c19"], reason="objection", actor="test")
    recorded.make()
    newest, before = campaigns.lists(engine)
    assert (newest.revises, before) == (made.id, made)
    assert decisions.get(engine, f"{newest.id}.20").listed.reason == "suppressed"
    assert chain.verify(engine).ok


def test_the_design_by_which_a_list_teaches_says_of_each_row_what_its_record_says(recorded):
    recorded.settings = replace(recorded.settings, feedback="called", learning=LearningBudget(minimum=3))
    campaigns.suppress(recorded.ledger.engine, ["c19"], reason="objection", actor="test")
    recorded.make()
    designs, (made,) = ListDesigns(recorded.warehouse.root, "called"), campaigns.lists(recorded.ledger.engine)
    (design,) = designs.read()
    assert designs.names() == [f"2010-10-19-{made.id}.json"]
    decided, contacts, _ = list_rows.columns_of(
        recorded.ledger.engine, made.id, ("contact_date", "propensity", "decision", "reason")
    )
    assert design.contact_ids.tolist() == contacts
    assert design.contact_dates.astype(str).tolist() == decided["contact_date"]
    assert design.is_called.tolist() == [one == "call" for one in decided["decision"]]
    assert design.is_explored.tolist() == [one == "exploration" for one in decided["reason"]]
    is_barred = [one == "suppressed" for one in decided["reason"]]
    assert (any(is_barred), any(design.is_explored)) == (True, True)
    known = ["barred" if barred else p for barred, p in zip(is_barred, decided["propensity"], strict=True)]
    assert ["barred" if np.isnan(p) else p for p in design.propensity] == known


@pytest.mark.parametrize(("n_days", "budget_eur", "minimum"), [(1, None, 2), (2, None, 4), (3, 40.0, 4)])
def test_a_list_of_several_days_explores_on_each_of_them(home, n_days, budget_eur, minimum):
    days = pa.array(np.datetime64("2010-10-20") + np.arange(20) % n_days)
    rows = scored().set_column(scored().column_names.index("contact_date"), "contact_date", days)
    home.warehouse.write("batch_scores", "autumn", rows, "made", {**FACTS, "sha256": "s"})
    home.settings = replace(home.settings, learning=LearningBudget(minimum=2), budget_eur=budget_eur)
    home.make()
    facts = home.warehouse.manifest("call_list")["autumn"].metadata["learning"]
    assert facts["minimum"] == facts["reserve"]["n_calls"] == minimum, "recorded, so that the list is drawn again"


def report(home, contact_id, list_id):
    call = Disposition(contact_id, "not_reached", "2010-10-20T00:00:00.000000Z", list_id=list_id)
    assert feeds.record_dispositions(home.ledger.engine, [call], actor="test", source="test").new == 1


def ready(home):
    """The contacts of each file that lies ready."""
    folder = home.settings.reports / "call_lists"
    return {
        path.name: {row["contact_id"] for row in csv.DictReader(path.open(newline=""))}
        for path in sorted(folder.glob("*.csv"))
    }


def test_a_list_stays_as_it_is_from_its_first_reported_call_on_and_its_file_follows_objections(recorded):
    before, engine = recorded.make(), recorded.ledger.engine
    (made,), ((file, called),) = campaigns.lists(engine), ready(recorded).items()
    report(recorded, min(called), made.id)
    objecting = max(called)
    campaigns.suppress(engine, [objecting], reason="objection", actor="test")
    assert recorded.make() == before
    assert campaigns.lists(engine) == [made]
    assert ready(recorded) == {file: called - {objecting}}
    as_made = CallListFiles(recorded.settings.reports / "call_lists").read(file)
    assert hashlib.sha256(as_made).hexdigest() == made.content_digest
    campaigns.unsuppress(engine, objecting, reason="a mistake", actor="test")
    recorded.make()
    assert ready(recorded) == {file: called}


def test_a_report_of_an_earlier_version_stops_the_list_too_and_the_later_version_yields(recorded):
    (first,), engine = recorded.make().values(), recorded.ledger.engine
    called = ready(recorded)[first]
    campaigns.suppress(engine, [max(called)], reason="objection", actor="test")
    second = recorded.make()["autumn"]
    assert ready(recorded) == {second: called - {max(called)}}, "who calls by yesterday's file may call an objector"
    report(recorded, min(called), campaigns.lists(engine)[1].id)
    campaigns.suppress(engine, ["c01"], reason="objection", actor="test")
    recorded.make()
    assert len(campaigns.lists(engine)) == 2
    assert ready(recorded) == {first: called - {max(called), "c01"}, second: set()}


@pytest.mark.parametrize("kind", [list_life.WITHDRAWN, list_life.CLOSED])
def test_a_list_that_somebody_ended_does_not_come_back_and_its_file_goes(recorded, kind):
    (file,), engine = recorded.make().values(), recorded.ledger.engine
    (made,) = campaigns.lists(engine)
    list_life.note(engine, made.id, kind=kind, actor="ana", content={"reason": "x"}, check=lambda _: None)
    campaigns.suppress(engine, ["c19"], reason="objection", actor="test")
    assert recorded.make() == {"autumn": file}
    assert campaigns.lists(engine) == [made]
    assert ready(recorded) == {}


def test_scores_that_are_not_those_of_the_file_make_a_list_that_is_not_on_record(recorded):
    entry = recorded.warehouse.manifest("batch_scores")["autumn"]
    recorded.warehouse.write("batch_scores", "autumn", scored().slice(1), "made again", entry.metadata)
    recorded.make()
    assert campaigns.lists(recorded.ledger.engine) == []
