"""The validation of months: each expectation can fail for its own month, and a correction makes it pass again."""

from dataclasses import replace

import pytest

from bank_assets.contract.uci import UCI
from bank_assets.core.drift.month_profile import MonthProfile, month_facts
from bank_assets.expectations.runner import validate_contacts
from bank_assets.expectations.suite import ERROR, WARNING, expectations, rule_codes

pytestmark = pytest.mark.slow

LIMIT = 0.05
NOTHING = {ERROR: [], WARNING: []}
MONTHS = [f"2009-0{n}" for n in range(1, 8)]
GOOD = MonthProfile(
    MONTHS[0],
    rows=1_000,
    contacts=1_000,
    most_rows_of_a_contact=1,
    values={"job": {"nurse": 0, "management": 900, "unknown": 100}, "contact": {"cellular": 1_000}},
)

BROKEN = {
    "reject rate": replace(GOOD, contacts=900, uncorrected=100),
    "contacts_are_told_apart": replace(GOOD, contacts=1, superseded=999, most_rows_of_a_contact=1_000),
    "a_delivery_names_each_contact_once": replace(GOOD, collapsed_share=0.2),
    "previous.contradicts_pdays": replace(GOOD, contradictions={"previous.contradicts_pdays": 1}),
    "previous.contradicts_pdays_rarely": replace(GOOD, contradictions={"previous.contradicts_pdays": 350}),
    "rows_are_enough": replace(GOOD, contacts=29),
    "volume_is_usual": replace(GOOD, contacts=100),
    "values_are_known": replace(GOOD, values={"job": {"management": 900, "retired": 100}}),
    "job_is_known": replace(GOOD, values={"job": {"management": 100, "unknown": 900}}),
    "age_is_given": replace(GOOD, empty={"age": 100}),
    "age.not_an_integer_in_range": replace(GOOD, uncorrected=1, violations={"age.not_an_integer_in_range": 100}),
    "row.field_count": replace(GOOD, uncorrected=1, violations={"row.field_count": 100}),
}
"""For each kind of expectation a month that does not meet it."""


def judge(profiles, tmp_path, months=None, limit=LIMIT):
    months = months or [profile.month for profile in profiles]
    return validate_contacts(profiles, months, UCI, reject_rate_limit=limit, data_docs=tmp_path / "docs")


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    """Each broken profile after six good months; one run of Great Expectations judges all broken and one good month."""
    profiles, months = [], {}
    for number, (name, profile) in enumerate(BROKEN.items()):
        months[name] = f"{2009 + number}-07"
        profiles += [replace(GOOD, month=f"{2009 + number}-0{n}") for n in range(1, 7)]
        profiles.append(replace(profile, month=months[name]))
    found = judge(profiles, tmp_path_factory.mktemp("docs"), [MONTHS[5], *months.values()])
    assert found[MONTHS[5]] == NOTHING
    return {name: found[month] for name, month in months.items()}


@pytest.mark.parametrize("name", list(BROKEN))
def test_each_expectation_turns_its_month_red(judged, name):
    severity = {one.name: one.severity for one in expectations(UCI, LIMIT)}[name]
    assert any(text.startswith(f"{name}: expected") for text in judged[name][severity]), judged[name]


def test_every_expectation_of_the_contract_is_of_a_kind_that_was_seen_red():
    kinds = {"_is_given", "_is_known"}
    names = {one.name for one in expectations(UCI, LIMIT)}
    plain = {name for name in names - set(rule_codes(UCI)) if not any(name.endswith(kind) for kind in kinds)}
    elsewhere = {"contacts_are_near_others"}  # assets/test_gate_of_a_month.py
    assert plain - elsewhere | {"job_is_known", "age_is_given"} <= set(BROKEN)


def test_a_hint_and_a_gate_with_the_same_limit_are_both_judged(tmp_path):
    """Great Expectations takes them for one, and keeps the hint, if they are added one after the other."""
    found = judge([BROKEN["previous.contradicts_pdays"]], tmp_path, limit=0.0)
    assert [len(found[MONTHS[0]][severity]) for severity in (ERROR, WARNING)] == [1, 1]


def test_a_corrected_month_passes(tmp_path):
    spoiled = replace(GOOD, contacts=500, uncorrected=500, violations={"age.not_an_integer_in_range": 500})
    corrected = replace(spoiled, month="2009-02", rows=1_500, contacts=1_000, uncorrected=0)
    months = judge([spoiled, corrected], tmp_path)
    assert "found 50.0 % (500 of 1000)" in months[GOOD.month][ERROR][0]
    assert months["2009-02"] == NOTHING


def test_a_month_of_rejected_rows_alone_is_held_and_a_month_without_rows_passes(tmp_path):
    months = judge([MonthProfile("2009-01", rows=5, uncorrected=5), MonthProfile("2009-02")], tmp_path)
    assert months["2009-01"][ERROR]
    assert months["2009-02"] == NOTHING


def test_great_expectations_judges_the_whole_suite_and_writes_its_own_pages(tmp_path):
    judge([GOOD], tmp_path)
    assert (tmp_path / "docs" / "index.html").is_file()
    pages = "".join(page.read_text() for page in (tmp_path / "docs").rglob("*.html"))
    assert {one.fact for one in expectations(UCI, LIMIT) if one.fact not in pages} == set()


def test_nothing_is_compared_before_there_are_three_months():
    facts = month_facts(GOOD, [GOOD, GOOD], UCI)
    assert facts["volume_ratio"] is None
    assert facts["new_values"] is None
    assert facts["unknown_rise.job"] is None
    assert month_facts(GOOD, [GOOD] * 3, UCI)["volume_ratio"] == 1.0


def test_values_of_the_calendar_are_new_every_month():
    earlier = [replace(GOOD, values={"month": {"jan": 10}})] * 3
    assert month_facts(replace(GOOD, values={"month": {"feb": 10}}), earlier, UCI)["new_values"] == 0


def test_great_expectations_loads_in_a_process_without_a_main_file():
    """As in a run that Dagster's code server starts; without the name the import ends the process."""
    import subprocess
    import sys

    code = (
        "import sys; main = sys.modules['__main__']; assert main.__spec__ is None and not hasattr(main, '__file__')\n"
        "{}import great_expectations; print('loaded')"
    )
    named = "from bank_assets.expectations.runner import name_the_main_module; name_the_main_module(); "
    results = [
        subprocess.run([sys.executable, "-c", code.format(first)], capture_output=True, text=True, timeout=120)
        for first in ("", named)
    ]
    assert "loaded" not in results[0].stdout  # the fault in the library still exists
    assert results[1].stdout.strip() == "loaded", results[1].stderr[-2000:]
