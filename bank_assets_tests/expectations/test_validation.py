"""The gate: each rule can turn red, months are judged apart, and no customer's value reaches a report."""

from datetime import date

import pyarrow as pa
import pytest
from pyspark.sql import functions as f

from bank_assets.contract.uci import UCI
from bank_assets.expectations.runner import validate_contacts
from bank_assets.expectations.suite import contact_rules
from bank_assets.spark.tables import contact_schema
from bank_assets_tests.world.customers import STORED

pytestmark = [pytest.mark.spark, pytest.mark.slow]

GOOD = STORED | {"balance_eur": 77_341}  # to be looked for in reports


def frame(spark, rows):
    return spark.createDataFrame(pa.Table.from_pylist(rows, contact_schema(UCI)))


def month(day: date, n: int, **changes):
    """n good contacts of a day; the first one is changed."""
    rows = [GOOD | {"contact_id": f"{day}-{k}", "contact_date": day, "age_years": 30 + k % 25} for k in range(n)]
    rows[0] |= changes
    return rows


@pytest.fixture(scope="module")
def judged(spark, tmp_path_factory):
    """A good month, and a month in which every rule is broken once."""
    may, june = date(2008, 5, 5), date(2008, 6, 5)
    broken = []
    for number, rule in enumerate(contact_rules()):
        column = next(name for name in sorted(UCI.by_table, key=len, reverse=True) if rule.name.startswith(name))
        bad = (
            None if rule.name.endswith("is_present") else "astronaut" if rule.name.endswith("allowed") else 987_654_321
        )
        if column == "contact_date":
            continue
        broken.append(GOOD | {"contact_id": f"bad-{number}", "contact_date": june, column: bad})
    rows = [*month(may, 40), *broken, *month(june, 40)]
    docs = tmp_path_factory.mktemp("docs")
    return validate_contacts(frame(spark, rows), ["2008-05", "2008-06", "2008-07"], docs), docs


def test_a_good_month_passes(judged):
    summary, _ = judged
    assert summary.months["2008-05"].errors == ()
    assert summary.months["2008-05"].warnings == ()
    assert summary.months["2008-05"].rows == 40


def test_every_rule_turns_its_month_red_and_no_other(judged):
    summary, _ = judged
    found = {text.split(":")[0] for text in summary.months["2008-06"].errors}
    expected = {rule.name for rule in contact_rules()} - {"contact_date_is_present"}
    assert expected <= found
    assert not summary.is_passed


def test_great_expectations_agrees_with_the_grouped_counts(judged):
    summary, _ = judged
    rows = {outcome.name: outcome for outcome in summary.expectations}
    by_month = {text.split(":")[0] for text in summary.months["2008-06"].errors}
    for rule in contact_rules():
        assert rows[rule.name].is_met is (rule.name not in by_month), rule.name


def test_a_month_without_contacts_has_no_finding(judged):
    summary, _ = judged
    assert summary.months["2008-07"].rows == 0
    assert summary.months["2008-07"].errors == ()


def test_no_value_of_a_customer_is_in_the_report(judged):
    summary, docs = judged
    pages = "".join(path.read_text(errors="ignore") for path in docs.rglob("*.html"))
    assert "contact_id" in pages
    assert summary.data_docs.is_file()
    for value in ("astronaut", "77341", "77,341", "bad-3", "987654321"):
        assert value not in pages
        assert value not in repr(summary)


def test_a_repeated_contact_is_an_error(spark, tmp_path):
    rows = [*month(date(2008, 5, 5), 40), month(date(2008, 5, 5), 1)[0]]
    summary = validate_contacts(frame(spark, rows), ["2008-05"], tmp_path)
    assert any("contact_id_is_unique" in text for text in summary.months["2008-05"].errors)


def test_a_month_of_one_row_is_hinted_and_not_refused(spark, tmp_path):
    summary = validate_contacts(frame(spark, month(date(2008, 12, 1), 1)), ["2008-12"], tmp_path)
    assert summary.months["2008-12"].errors == ()
    assert any("rows_are_enough" in text for text in summary.months["2008-12"].warnings)


@pytest.mark.parametrize(
    ("column", "value", "hint"),
    [
        ("contact_channel", "unknown", "channel_is_known"),
        ("balance_eur", -5, "balances_are_usual"),
        ("age_years", 70, "mean_age_is_usual"),
    ],
)
def test_unusual_months_are_hinted(spark, tmp_path, column, value, hint):
    rows = frame(spark, month(date(2008, 5, 5), 40)).withColumn(column, f.lit(value))
    summary = validate_contacts(rows, ["2008-05"], tmp_path)
    assert any(hint in text for text in summary.months["2008-05"].warnings)
    assert summary.months["2008-05"].errors == ()


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
    assert "loaded" not in results[0].stdout  # the fault that is guarded against is still there
    assert results[1].stdout.strip() == "loaded", results[1].stderr[-2000:]
