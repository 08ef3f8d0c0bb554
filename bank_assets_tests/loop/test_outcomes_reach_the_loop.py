"""An outcome reaches training, performance and the published state on the next run, however it was reported."""

import dagster as dg
import numpy as np
import pytest

from bank_assets.assets.features import read_snapshot
from bank_assets.contract.uci import UCI
from bank_assets.ledger import outcomes
from bank_assets.ledger.engine import open_ledger
from bank_assets.loop.requests import RANGE_END, RANGE_START
from bank_assets.settings import Settings
from bank_assets.store.lineage import passed_months
from bank_assets.store.warehouse import Warehouse
from bank_assets_tests.world.contacts import FIRST, made_contacts
from bank_assets_tests.world.daemon import InProcessDaemon
from bank_assets_tests.world.home import land, make_tables, promote

pytestmark = pytest.mark.slow

AS_OF = "2020-02-01"


@pytest.fixture
def loop(settings, tmp_path):
    """January delivered, a champion, everything made once."""
    quick = Settings(home=settings.home, ledger_url=settings.ledger_url, settle_seconds=0)
    with dg.DagsterInstance.ephemeral(str(tmp_path)) as instance:
        daemon = InProcessDaemon(quick, instance)
        land(quick, made_contacts(31, 20))
        daemon.look("new_contacts_sensor")
        make_tables(quick, ["2020-01"])
        promote(quick, "1", "2020-01-20")
        yield daemon


def make(daemon, *assets, months=("2020-01-01", "2020-02-01")):
    job = daemon.defs.resolve_job_def("main_job")
    result = job.execute_in_process(
        instance=daemon.instance,
        asset_selection=[dg.AssetKey(name) for name in assets],
        tags={RANGE_START: months[0], RANGE_END: months[1]},
        run_config={"ops": {"training_set": {"config": {"as_of": AS_OF}}}},
    )
    assert result.success


def learned(daemon, contact_id):
    """What training knows of a contact."""
    snapshot = read_snapshot(Warehouse(daemon.settings.warehouse), UCI)
    return bool(snapshot.data.is_subscribed[snapshot.contact_ids.tolist().index(contact_id)])


ALL = ("ledger_outcomes", "contact_scores", "performance_report", "training_set", "as_of_state")


def rate_of(daemon):
    entry = Warehouse(daemon.settings.warehouse).entry("as_of_state", "all")
    return entry.metadata["headline"]["subscription_rate_30d"]


def performance_of(daemon):
    return Warehouse(daemon.settings.warehouse).entry("performance_report", "all").metadata["headline"]


def test_an_outcome_reported_to_the_app(loop):
    make(loop, *ALL)
    before, rate, performance = learned(loop, "c0"), rate_of(loop), performance_of(loop)
    engine = open_ledger(loop.settings.ledger_url)
    for row in (0, *range(400, 620)):  # most of them called since the champion decides
        reported = "no" if before else "yes"
        outcomes.record(engine, y=reported, actor="api", contact_id=f"c{row}", arrived_at="2020-01-30T08:00:00.000000Z")
    engine.dispose()
    make(loop, *ALL)
    assert learned(loop, "c0") is not before
    assert rate_of(loop) != rate
    assert performance_of(loop) != performance


def test_an_outcome_delivered_in_a_month_without_contacts(loop):
    make(loop, *ALL)
    before = learned(loop, "c0")
    folder = loop.settings.landing / "outcomes"
    folder.mkdir()
    reported = "no" if before else "yes"
    (folder / "late.csv").write_text(f"contact_id,y,duration,arrived_at\nc0,{reported},90,2020-01-30T08:00:00\n")
    (requested,) = loop.look("new_contacts_sensor")
    assert requested.tags[RANGE_START] == "2020-01-01"
    store = Warehouse(loop.settings.warehouse)
    rows = store.read("outcomes", ["2020-01"]).to_pandas()
    late = rows[rows["contact_id"] == "c0"].assign(is_subscribed=not before, arrived_on=(FIRST + 29).item())
    import pyarrow as pa

    schema = store.read("outcomes", ["2020-01"]).schema
    store.write("outcomes", "2019-12", pa.Table.from_pandas(late, schema=schema, preserve_index=False), "late")
    make(loop, *ALL)
    assert passed_months(store) == ["2020-01"]
    assert learned(loop, "c0") is not before


def test_an_outcome_that_comes_after_the_day_changes_nothing_that_was_known_on_it(loop):
    make(loop, *ALL)
    before = read_snapshot(Warehouse(loop.settings.warehouse), UCI).digest
    engine = open_ledger(loop.settings.ledger_url)
    reported = "no" if learned(loop, "c0") else "yes"
    outcomes.record(engine, y=reported, actor="api", contact_id="c0", arrived_at="2020-02-20T08:00:00.000000Z")
    engine.dispose()
    make(loop, "ledger_outcomes", "training_set")
    snapshot = read_snapshot(Warehouse(loop.settings.warehouse), UCI)
    assert "c0" not in snapshot.contact_ids or snapshot.digest == before
    assert np.all(snapshot.data.known_on <= np.datetime64(AS_OF))
