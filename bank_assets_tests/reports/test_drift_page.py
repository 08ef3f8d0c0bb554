import re

import pytest
from bs4 import BeautifulSoup

from bank_assets.core.daily_profiles import profile_of_rows
from bank_assets.core.drift import compare_profiles
from bank_assets.core.profile import Profile
from bank_assets.reports.drift_page import Facts, drift_page, words_of


def parsed(*args, **kwargs):
    return BeautifulSoup(drift_page(*args, **kwargs), "html.parser")


def test_page_says_the_verdict_first_and_names_what_moved(report, reference, current):
    page = parsed(report, reference, current)
    assert page.h1.text == "Customers have changed a lot"
    moved = page.find("h2", string="What changed").find_next("table")
    assert [row.strong.text for row in moved.select("tbody tr")] == list(report.drifted_columns) == ["job", "age"]
    assert "“" in moved.text
    assert "Subscription rate: heavy change" in page.text
    assert len(page.select("figure img")) == 1


def test_every_column_is_listed_with_its_numbers(report, reference, current):
    table = parsed(report, reference, current).find("h2", string="All columns").find_next("table")
    rows = {row.td.text: [cell.text for cell in row.select("td")] for row in table.select("tbody tr")}
    assert list(rows) == [column.column for column in report.columns]
    age = next(column for column in report.columns if column.column == "age")
    assert rows["day"][1].strip() == "not judged"
    assert [cell.strip() for cell in rows["age"][1:4]] == ["heavy", f"{age.psi:.3f}", f"{age.ks_distance_rest:.3f}"]
    assert rows["job"][4] == "–"


def test_page_needs_nothing_from_outside(report, reference, current):
    text = drift_page(report, reference, current, history=[report] * 3, history_names=["a", "b", "c"])
    assert len(BeautifulSoup(text, "html.parser").select("figure img")) == 3
    assert not re.findall(r"(?:src|href)=\"(?!data:image/png;base64,)", text)
    assert "http" not in re.sub(r"data:image/png;base64,[^\"]*", "", text)


def test_text_is_escaped(report, reference, current):
    facts = Facts("<script>alert(1)</script>", ("a",), (("<b>",),))
    text = drift_page(report, reference, current, facts=[facts], source="simulated <i>")
    assert "<script>" not in text
    assert "first &lt;three&gt; months" in text
    page = BeautifulSoup(text, "html.parser")
    assert page.find("h2").text == "<script>alert(1)</script>"
    assert page.find("td").text == "<b>"
    assert "Data: simulated <i>" in page.text


def test_weight_of_a_column_in_the_model_is_shown(report, reference, current):
    page = parsed(report, reference, current, importance={"age": 0.25})
    cells = [
        row.select("td")[-1].text for row in page.find("h2", string="What changed").find_next("table").select("tr")[1:]
    ]
    assert cells == ["–", "25%"]
    assert "Weight in the model" not in parsed(report, reference, current).text


def test_a_calm_page_says_so(reference):
    page = parsed(compare_profiles(reference, reference), reference, reference)
    assert page.h1.text == "Customers look as they did"
    assert page.find("h2", string="What changed") is None
    assert not page.select("figure")
    assert "share days" in page.text


@pytest.mark.parametrize("with_reference", [False, True])
def test_no_verdict_is_said_with_what_to_do(reference, current, with_reference):
    base, window = (reference, Profile.empty()) if with_reference else (None, current)
    report = compare_profiles(base, window)
    page = parsed(report, base, window)
    assert page.h1.text == "No verdict on drift yet"
    assert report.message in page.text


def test_words_of_each_kind_of_change():
    before = profile_of_rows(
        {"job": ["student"] * 3 + ["retired"], "pdays": [-1, -1, 100, 200], "age": [20, 30, 40, 50]}
    )
    after = profile_of_rows({"job": ["retired"] * 4, "pdays": [-1, 10, 20, 30], "age": [None] * 4})
    words = {name: words_of(name, before.columns[name], after.columns[name]) for name in before.columns}
    assert words["job"] == "“retired”: 25% before, 100% now"
    assert words["pdays"] == ("-1 in 50% of the contacts before, in 25% now; middle value 100 days before, 20 days now")
    assert words["age"] == "values in 100% of the contacts before, in 0% now"
    assert words_of("age", before.columns["age"], before.columns["age"]).startswith("middle value 30 years before")
