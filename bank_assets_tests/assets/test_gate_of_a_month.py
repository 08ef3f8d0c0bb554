"""A month with errors is held until its correction arrives; verdicts of earlier releases stay; a page shows all."""

from dataclasses import asdict, replace

import pyarrow as pa
import pytest

from bank_assets.assets.validation import judge_months, page_of_all_months, profile_of, verdict_on
from bank_assets.contract.uci import UCI
from bank_assets.core.drift.month_profile import MonthProfile
from bank_assets.reports.validation_page import validation_page
from bank_assets.settings import Settings
from bank_assets.store.derivations import fingerprint
from bank_assets.store.lineage import far_from_others
from bank_assets.store.warehouse import Warehouse

pytestmark = pytest.mark.slow

MONTH, LIMIT = "2020-04", 0.05


@pytest.fixture
def settings(tmp_path):
    return Settings(home=tmp_path, reject_rate_limit=LIMIT)


@pytest.fixture
def store(settings):
    return Warehouse(settings.warehouse)


def names(first, last):
    return [f"c{number}" for number in range(first, last)]


def deliver(store, usable, rejected, profile=None, superseded=0, month=MONTH):
    """A month of contacts with these ids, and rejected rows with those."""
    counts = {"rows_in": len(usable) + len(rejected) + superseded, "rejected": len(rejected), "superseded": superseded}
    ids = pa.table({"contact_id": pa.array(usable, pa.string())})
    stored = {"contacts": counts} | ({"profile": asdict(profile)} if profile else {})
    store.write("contacts", month, ids, "f", stored)
    rows = {"kind": pa.array(["contacts"] * len(rejected), pa.string()), "contact_id": pa.array(rejected, pa.string())}
    store.write("rejected_contacts", month, pa.table(rows), "f", {"contacts": counts})


def judged(store, settings):
    judge_months(store, {MONTH: verdict_on(store, MONTH, LIMIT)}, settings)
    return store.entry("contacts_validation", MONTH)


def test_too_many_unusable_rows_hold_the_month_until_they_are_corrected(store, settings):
    spoiled = MonthProfile(MONTH, rows=100, contacts=50, uncorrected=50, violations={"age.not_an_integer_in_range": 50})
    deliver(store, names(0, 50), names(50, 100), spoiled)
    found = judged(store, settings).metadata
    assert not found["passed"]
    assert "found 50.0 % (50 of 100)" in found["errors"][0]
    page = page_of_all_months(store, settings)
    assert "0 of 1 months passed" in page
    assert "age.not_an_integer_in_range 50" in page
    assert "found 50.0 % (50 of 100)" in page

    deliver(store, names(0, 100), names(50, 100), replace(spoiled, rows=150, contacts=100, uncorrected=0))
    found = judged(store, settings).metadata
    assert found["passed"]
    assert found["reject_rate"] == 0.0
    assert "1 of 1 months passed" in page_of_all_months(store, settings)


def test_a_month_without_contacts_did_not_pass():
    empty, found = MonthProfile("2020-03"), {"errors": [], "warnings": []}
    page = validation_page([(empty, found), (MonthProfile(MONTH, rows=9, contacts=9), found)], has_data_docs=False)
    assert "1 of 1 months passed" in page
    assert page.count(">no contacts</span>") == page.count(">passed</span>") == 1


def test_a_table_without_a_profile_keeps_its_verdict(store):
    deliver(store, names(0, 10), [])
    made_by_an_earlier_release = fingerprint(
        inputs=[store.entry("contacts", MONTH).digest], code_version="2", settings={"reject_rate_limit": LIMIT}
    )
    assert verdict_on(store, MONTH, LIMIT).fingerprint == made_by_an_earlier_release
    deliver(store, names(0, 10), [], MonthProfile(MONTH, rows=10, contacts=10))
    assert verdict_on(store, MONTH, LIMIT).fingerprint != made_by_an_earlier_release


@pytest.mark.parametrize(
    ("usable", "rejected", "uncorrected"),
    [(names(0, 60), names(50, 100), 40), (names(0, 10), [None] * 10, 10), ([], names(0, 5), 5), ([], [], 0)],
)
def test_a_table_without_a_profile_is_judged_by_its_counts(store, usable, rejected, uncorrected):
    deliver(store, usable, rejected)
    profile = profile_of(store, MONTH, store.entry("contacts", MONTH))
    assert (profile.contacts, profile.uncorrected) == (len(usable), uncorrected)


def test_a_few_contacts_far_from_all_others_are_held_until_more_confirm_them(store, settings):
    far = "2030-04"
    deliver(store, names(0, 200), [], MonthProfile(MONTH, rows=200, contacts=200))
    for count in (1, 30):
        deliver(store, names(0, count), [], MonthProfile(far, rows=count, contacts=count), month=far)
        is_far = far in far_from_others(store, UCI)
        judge_months(store, {one: verdict_on(store, one, LIMIT, is_far=is_far) for one in (MONTH, far)}, settings)
        found = {month: entry.metadata for month, entry in store.manifest("contacts_validation").items()}
        assert found[MONTH]["passed"]
        assert (found[far]["passed"], found[far]["is_far"]) == (count == 30, count == 1)
        if is_far:
            assert "at least 30 contacts if no other lies within 200 days" in found[far]["errors"][0]
            assert verdict_on(store, far, LIMIT).fingerprint != verdict_on(store, far, LIMIT, is_far=True).fingerprint
            assert not verdict_on(store, far, LIMIT).is_current, "it is judged again when other months come near"
