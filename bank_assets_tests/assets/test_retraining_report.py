"""The retraining page: the contacts compared, the reasons, the page and its address."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from bs4 import BeautifulSoup

from bank_assets.assets.report_pages import (
    comparison_of,
    drift_page_name,
    earlier_reports,
    everyone_of,
    reasons_for,
    write_drift_files,
    write_retraining_page,
)
from bank_assets.core.drift.verdict import compare_profiles
from bank_assets.core.features.contacts import ScoredContacts
from bank_assets.core.features.feedback import Feedback
from bank_assets.core.promotion.gates import GateVerdict
from bank_assets.ledger import responses
from bank_assets.ledger.engine import open_ledger, upgrade
from bank_assets.settings import Settings
from bank_assets.store.contact_store import ContactStore, StoredEvidence, stored_scores
from bank_assets.store.warehouse import Warehouse
from bank_assets_tests.world.profiles import profile_of_rows

N = 600


@pytest.fixture
def settings(tmp_path):
    return Settings(home=tmp_path, ledger_url=f"sqlite:///{tmp_path / 'ledger.db'}")


@pytest.fixture
def engine(settings):
    made = open_ledger(settings.ledger_url, migrate=False)
    upgrade(made)
    yield made
    made.dispose()


@pytest.fixture
def store(settings):
    """A challenger tested on 600 contacts; version 3 decided about the last 400 of them, version 2 about the others."""
    store = Warehouse(settings.warehouse)
    rng = np.random.default_rng(2)
    truth = rng.uniform(0.01, 0.4, N)
    ids = np.array([f"c{number}" for number in range(N)], dtype=object)
    days = np.datetime64("2009-05-01") + np.arange(N) // 30
    challenger = {"contact_id": ids, "proba": truth, "incumbent_proba": np.full(N, 0.3), "base_rate": np.full(N, 0.2),
                  "is_subscribed": rng.random(N) < truth, "contact_date": days}  # fmt: skip
    store.write("challenger", "all", pa.table(challenger), "mark")
    versions = np.where(np.arange(N) < 200, "2", "3")
    scores = {"contact_id": ids[::-1], "contact_date": days[::-1], "model_version": versions[::-1],
              "proba": np.linspace(0.1, 0.4, N)[::-1]}  # fmt: skip
    store.write("contact_scores", "2009-05", pa.table(scores), "mark")
    return store


def test_a_refit_is_compared_with_what_the_old_model_answered_on_contacts_that_it_decided_on(store):
    found, basis = comparison_of(store, "refit", "3", Settings())
    assert found.rows == 400
    assert "answered on the day of each contact" in basis
    ids = ["c599", "c0", "elsewhere"]
    proba = stored_scores(store, ids, version="3")
    assert proba[0] == pytest.approx(0.4)
    assert np.isnan(proba[1:]).all()
    assert np.isnan(stored_scores(store, ids, version="9")).all()


def test_other_recipes_are_compared_on_all_contacts_that_both_were_fitted_before(store):
    found, basis = comparison_of(store, "recipe", "3", Settings())
    assert (found.rows, "Both recipes" in basis) == (N, True)
    first, _ = comparison_of(store, "first", None, Settings())
    assert first.rows == N
    assert found.measure("log_loss").before != first.measure("log_loss").before


def test_too_few_contacts_of_the_old_model_are_reported(store):
    found, basis = comparison_of(store, "refit", "9", Settings())
    assert not found.is_enough
    assert basis.startswith("Only 0 contacts with a known outcome have been decided by version 9")


def test_reasons_are_those_of_the_loop_on_that_day_else_of_the_run(engine):
    assert reasons_for(engine, "2009-06-01", {}) == ()
    for seq, (as_of, action) in enumerate(
        (("2009-05-20", "retrain"), ("2009-06-01", "retrain"), ("2009-06-01", "none")), start=1
    ):
        responses.append(
            engine, seq=seq, as_of=as_of, action=action, kinds=["calibration"], episode_id="e", run_key="", evidence={},
            is_recalibrated=False, is_alert=False, reasons=[f"reason {seq}"], shift=0.0, promotion_id=0, state="{}",
        )  # fmt: skip
    assert reasons_for(engine, "2009-06-01", {"bank/reason": "tag"}) == ("Reason 2",)
    assert reasons_for(engine, "2009-07-01", {"bank/reason": "asked by hand"}) == ("Asked by hand",)


def test_the_page_is_written_and_its_address_recorded(store, engine, settings):
    evidence = {"headline": {"version": "4", "recipe": "lightgbm/none"}, "as_of": "2009-06-01"}
    verdict = GateVerdict("first", True, ("log loss gain +0.02",))
    row = write_retraining_page(store, None, engine, settings, evidence, None, verdict, {})
    assert row["report"] == "/reports/retraining/v4.html"
    page = BeautifulSoup((settings.reports / "retraining" / "v4.html").read_text(), "html.parser")
    assert page.h1.text == "Version 4 is the champion"
    assert row["effect"] in " ".join(page.text.split())
    assert row["comparison"]["rows"] == N


def test_where_outcomes_are_missing_everyone_is_estimated_from_the_lists_of_the_compared_days(
    store, settings, monkeypatch
):
    n = 1_200
    days = np.datetime64("2009-04-25") + np.arange(n) // 40
    called = np.arange(n) % 40 < 22  # 20 of each day for certain, 2 of the other 20 at random
    chance = np.where(np.arange(n) % 40 < 20, 1.0, 0.1)
    known_on = np.where(called, days + 1, np.datetime64("NaT", "D"))
    weights = np.where(called, 1.0 / chance, 0.0)
    found = ScoredContacts(days, np.full(n, np.nan), called & (np.arange(n) % 3 == 0), known_on, {}, weights, chance)
    evidence = StoredEvidence(found, Feedback({}), np.datetime64("NaT", "D"))
    monkeypatch.setattr(ContactStore, "evidence", lambda *_, **__: evidence)
    compared = replace(comparison_of(store, "recipe", "3", settings)[0], effective_rows=300)
    answer = everyone_of(store, compared, "2009-05-21", settings)
    assert (compared.first_day, compared.last_day) == ("2009-05-01", "2009-05-20")
    assert (answer.calls, answer.explored, answer.not_called) == (20 * 40, 20 * 2, 20 * 18)
    assert answer.profit_eur.low < answer.profit_eur.value < answer.profit_eur.high
    assert everyone_of(store, compared, "2009-05-11", settings).calls == 10 * 40, "later days were not known"
    assert everyone_of(store, replace(compared, effective_rows=None), "2009-05-21", settings) is None
    known_on[np.flatnonzero(days == np.datetime64("2009-05-07"))[0]] = np.datetime64("NaT")
    assert everyone_of(store, compared, "2009-05-21", settings).calls == 19 * 40, "a call of one day still waits"


def test_a_verdict_judged_again_after_a_kill_does_not_compare_a_model_with_itself(store, engine, settings):
    evidence = {"headline": {"version": "4", "recipe": "lightgbm/none"}, "as_of": "2009-06-01", "from_version": None}
    write_retraining_page(store, None, engine, settings, evidence, "4", GateVerdict("first", True, ("better",)), {})
    page = BeautifulSoup((settings.reports / "retraining" / "v4.html").read_text(), "html.parser")
    assert [tile.text for tile in page.select("dl.tiles .figure")][:2] == ["no model", "version 4"]


def test_drift_pages_lie_beside_their_json_and_know_the_months_before(settings):
    before, after = (profile_of_rows({"age": np.full(400, age)}, np.full(400, day)) for age, day in
                     ((30, np.datetime64("2009-04-01")), (60, np.datetime64("2009-05-01"))))  # fmt: skip
    for month in ("2009-03", "2009-04", "2009-05"):
        report = compare_profiles(before, after, reference_name="champion v3")
        write_drift_files(settings, month, report, before, after, {"age": 1.0})
    folder = settings.reports / "drift"
    (folder / "2009-02.json").write_text('{"schema_version": 1, "status": "ok"}')  # unreadable, and in nobody's way
    assert list(earlier_reports(folder, "2009-05")) == ["2009-03", "2009-04"]
    page = BeautifulSoup((folder / "2009-05.html").read_text(), "html.parser")
    assert [cell.text for cell in page.select("table.heat thead th")] == ["Column", "2009-05", "2009-04", "2009-03"]
    assert drift_page_name(settings, "2009-04-20") == "2009-04.html"
    assert drift_page_name(settings, "2009-02-20") == ""
    assert not list(folder.glob("*.tmp"))
