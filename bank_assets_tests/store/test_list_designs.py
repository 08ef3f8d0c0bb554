"""The design of a list is kept with it where lists teach; elsewhere nothing is kept, read or recomputed."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

from bank_assets.assets.performance import OUTCOME_SCHEMA
from bank_assets.contract.feeds import Disposition
from bank_assets.contract.uci import UCI
from bank_assets.core.economics.call_plan import WORTH_CALLING
from bank_assets.core.economics.economics import Economics
from bank_assets.core.economics.exploration import LearningBudget
from bank_assets.core.economics.planner import PlanSettings, plan_calls
from bank_assets.core.features.feedback import CALLED, FULL
from bank_assets.ledger import campaigns, events, feeds
from bank_assets.ledger.blocks import ListRows
from bank_assets.ledger.campaigns import CampaignList
from bank_assets.ledger.engine import open_ledger, writing
from bank_assets.store import lineage
from bank_assets.store.call_lists import ListScores
from bank_assets.store.champion_history import ChampionHistory
from bank_assets.store.contact_store import ContactStore
from bank_assets.store.home_json import DamagedFileError
from bank_assets.store.list_designs import ListDesigns
from bank_assets.store.warehouse import Warehouse
from bank_assets_tests.store.test_contact_store import CALL, contacts

IDS = [*(f"c{n:02d}" for n in range(20)), "c00"]
PLAN = plan_calls(
    IDS, np.linspace(0.02, 0.4, 21), {}, UCI,
    PlanSettings(Economics.constant(5.0, 50.0), holdout_share=0.2, learning=LearningBudget(minimum=2)), "spring",
)  # fmt: skip


def shown(as_of):
    return ListScores([CALL] * 21, PLAN.probability, PLAN.probability, "7", "d", as_of)


def on_record(ledger, list_id, contact_id, revises=None):
    """Put a list on record that calls one contact."""
    made = CampaignList(
        id=list_id, actor="ana", name="spring", model_version="1", model_digest="d", economics={}, request={},
        summary={}, content_digest="d", revises=revises,
    )  # fmt: skip
    decided = {"contact_date": [str(CALL)], "reason": [WORTH_CALLING], "decision": ["call"], "probability": [0.3]}
    campaigns.keep_list(ledger, made, ListRows([contact_id], [None], {"age": [40]}, decided), {})


@pytest.fixture
def designs(tmp_path):
    made = ListDesigns(tmp_path, CALLED)
    made.keep(PLAN, shown("2020-01-09"))
    return made


def test_a_design_is_read_as_it_was_kept_each_contact_once(designs):
    (found,) = designs.read()
    assert (found.list_id, str(found.as_of), found.contact_ids.tolist()) == ("spring", "2020-01-09", IDS[:20])
    assert set(found.contact_dates.tolist()) == {CALL}
    assert found.propensity.tolist() == PLAN.propensity[:20].tolist()
    assert found.is_called.tolist() == PLAN.is_called[:20].tolist()
    assert found.is_explored.tolist() == (PLAN.reason[:20] == "exploration").tolist()


def test_a_design_names_the_persons_of_a_list_that_has_them(tmp_path):
    made = ListDesigns(tmp_path, CALLED)
    made.keep(PLAN, replace(shown("2020-01-09"), customer_id=[*(f"k{n}" for n in range(20)), "k0"]))
    (found,) = made.read()
    assert found.customer_ids.tolist() == [f"k{n}" for n in range(20)]


def test_the_design_of_a_list_on_record_is_kept_once(designs):
    for as_of in ("2020-01-10", "2020-01-11"):
        designs.keep(PLAN, shown(as_of), "l-1")
    assert [name for name in designs.names() if "l-1" in name] == ["2020-01-10-l-1.json"]


def test_a_list_that_was_given_up_before_anybody_called_by_it_teaches_nothing(designs, tmp_path):
    ledger = open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    for list_id, revises in (("withdrawn", None), ("called", None), ("revised", None), ("newest", "revised")):
        on_record(ledger, list_id, f"c-{list_id}", revises)
        designs.keep(PLAN, shown("2020-01-10"), list_id)
    with writing(ledger) as connection:
        for list_id in ("withdrawn", "called"):
            events.append(connection, kind="list.withdrawn", subject=list_id, content={"reason": "x"}, actor="ana")
    for list_id, teach in (("called", ["called", "newest"]), ("withdrawn", ["called", "newest", "withdrawn"])):
        report = Disposition(f"c-{list_id}", "refused", "2020-01-15T10:00:00.000000Z", list_id=list_id)
        feeds.record_dispositions(ledger, [report], actor="dialer", source="api")
        designs.leave_out_given_up(ledger)
        assert designs.names()[1:] == [f"2020-01-10-{name}.json" for name in teach]
        assert len(designs.read()) == 1 + len(teach)
    ledger.dispose()


def test_while_every_outcome_teaches_nothing_is_kept_or_read(designs, tmp_path):
    full = ListDesigns(tmp_path, FULL)
    full.keep(PLAN, shown("2020-01-10"))
    assert (full.names(), full.read(), len(designs.names())) == ([], [], 1)


@pytest.mark.parametrize("damage", [b"", b"{", b'{"list_id":"a"}', b'"propensity":[]'])
def test_a_damaged_design_is_named_with_what_to_do(designs, tmp_path, damage):
    (path,) = tmp_path.glob("list_designs/*.json")
    content = path.read_bytes()
    at = content.index(b'"propensity"')
    path.write_bytes(
        content[:at] + damage + content[content.index(b',"is_called"') :] if damage[:1] == b'"' else damage
    )
    with pytest.raises(DamagedFileError, match=f"{path.name}: expected the design of a list .* restore it"):
        designs.read()


def test_fingerprints_name_the_lists_up_to_the_last_contact_and_are_as_before_without_one(designs, tmp_path):
    store, champions = Warehouse(tmp_path), ChampionHistory((), np.array(["2020-01-01"], "M8[D]"))
    store.write("contacts", "2020-01", contacts(("a", 1, CALL)), "f")
    designs.keep(PLAN, shown("2020-01-11"))
    known = ContactStore(store, UCI, CALLED).lists(["2020-01"])
    assert known == designs.names()[:1], "the list of the next day weighs nothing yet"
    assert ContactStore(store, UCI).lists(["2020-01"]) == []
    months = ["2019-12", "2020-01"]
    before, after = lineage.scores(store, champions, months), lineage.scores(store, champions, months, known)
    changed = [month for month in months if before[month].fingerprint != after[month].fingerprint]
    assert changed == ["2020-01"], "a list weighs no earlier month"
    states = [lineage.state(store, SimpleNamespace(current="1"), CALL, UCI, lists) for lists in ((), known)]
    assert states[0].fingerprint != states[1].fingerprint


def test_a_call_teaches_by_the_propensity_of_the_list_that_it_names(designs, tmp_path):
    """Two versions of one list with the same contacts, from the reports of the calls to the weights."""
    settings = PlanSettings(Economics.constant(5.0, 50.0), holdout_share=0.5, learning=LearningBudget(minimum=2))
    newer = plan_calls(IDS, np.linspace(0.02, 0.4, 21), {}, UCI, settings, "spring")
    named, *others = np.flatnonzero(PLAN.is_called & newer.is_called & (PLAN.reason == WORTH_CALLING))
    designs.keep(PLAN, shown("2020-01-10"), "l-1")
    designs.keep(newer, shown("2020-01-10"), "l-2")
    ledger, store = open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}"), Warehouse(tmp_path)
    on_record(ledger, "l-1", IDS[named])
    reports = [
        Disposition(IDS[row], "refused", f"{CALL}T10:00:00.000000Z", list_id="l-1" if row == named else None)
        for row in np.flatnonzero(newer.is_called)
    ]
    feeds.record_dispositions(ledger, reports, actor="dialer", source="api")
    ((month, rows),) = lineage.outcomes_by_month(ledger, "2020-01").items()
    ledger.dispose()
    store.write("contacts", "2020-01", contacts(*((one, 1, CALL) for one in IDS[:20])), "f")
    store.write("ledger_outcomes", month, pa.Table.from_pylist(rows, schema=OUTCOME_SCHEMA), "f")
    found = ContactStore(store, UCI, CALLED).read(["2020-01"])
    weights = dict(zip(found.contact_ids.tolist(), found.weights.tolist(), strict=True))
    assert weights[IDS[named]] == pytest.approx(1 / PLAN.propensity[named]) == pytest.approx(1.25)
    assert {weights[IDS[row]] for row in others} == {1 / newer.propensity[others[0]]} == {2.0}
