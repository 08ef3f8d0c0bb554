import re

import pytest
from bs4 import BeautifulSoup

from bank_assets.contract.uci import UCI
from bank_assets.core.drift.profile import Profile
from bank_assets.core.drift.verdict import compare_profiles
from bank_assets.core.words import pct
from bank_assets.reports.drift_page import drift_page
from bank_assets.reports.drift_words import MOST_BARS, bars_of, effects_table, words_of
from bank_assets_tests.world.profiles import profile_of_rows


def parsed(*args, **kwargs):
    return BeautifulSoup(drift_page(*args, **kwargs), "html.parser")


def words_in(tag):
    return " ".join(tag.text.split())


def test_page_says_first_what_moved_and_that_the_loop_acts_on_other_numbers(report, reference, current):
    page = parsed(report, reference, current)
    assert page.h1.text == "Customers differ in 2 columns"
    said = words_in(page.select_one(".notice"))
    assert "What to do: nothing. The loop does not act on months." in said
    assert "more than 12 % of the contacts beyond noise" in said
    cards = page.select("article.card")
    assert [card.h3.text for card in cards] == list(report.drifted_columns) == ["job", "age"]
    assert "“" in cards[0].text
    assert "Before: " in words_in(page)


def test_a_month_has_no_level(report, reference, current):
    page = parsed(report, reference, current, history={"a": report, "b": report})
    assert page.select(".badge, .notice.bad, .notice.watch, .notice.good") == []
    assert not re.search(r"\b(heavy|moderate)\b", page.main.text)


def test_what_changed_is_shown_before_and_now(report, reference, current):
    card = parsed(report, reference, current).select("article.card")[0]
    rows = {row.th.text: [cell.text for cell in row.select("td.num")] for row in card.select("tbody tr")}
    shares = {
        value: [pct(side.columns["job"].count_of(value) / side.rows, 0) for side in (reference, current)]
        for value in ("management", "retired", "student")
    }
    assert rows == shares
    assert len(card.select("tbody svg rect")) == 6


def test_every_column_is_listed_with_its_numbers(report, reference, current):
    table = parsed(report, reference, current).find("h2", string="All columns").find_next("table")
    rows = {row.th.text: [cell.text.strip() for cell in row.select("td")] for row in table.select("tbody tr")}
    assert list(rows) == [column.column for column in report.columns]
    age = next(column for column in report.columns if column.column == "age")
    assert rows["age"][:3] == [pct(age.effect, 0), f"{age.psi:.3f}", f"{age.ks_distance_rest:.3f}"]
    assert rows["job"][3] == "n/a"


def test_change_over_time_is_shown_newest_first(report, reference, current):
    calm = compare_profiles(reference, reference)
    page = parsed(report, reference, current, history={"2009-04": calm, "2009-05": report})
    table = page.select_one("table.heat")
    assert [cell.text for cell in table.select("thead th")] == ["Column", "2009-05", "2009-04"]
    age = next(row for row in table.select("tbody tr") if row.th.text == "age")
    now, before = age.select("td")
    assert (now["class"], before["class"]) == (["much"], [])
    assert int(now.text) > 25  # not by colour alone
    rates = [[cell.text for cell in row.select("th, td")] for row in page.select("#chart-subscription-rate tbody tr")]
    assert [row[:2] for row in rates] == [
        [name, pct(one.label_current.rate)] for name, one in (("2009-04", calm), ("2009-05", report))
    ]
    assert len(page.select("#chart-subscription-rate svg title")) == 2


def test_page_needs_nothing_from_outside(report, reference, current):
    text = drift_page(report, reference, current, history={"a": report, "b": report, "c": report})
    assert not re.findall(r"\b(?:src|href)=|url\(|@import", text)
    assert "http" not in text
    assert " style=" not in text  # the web app's policy forbids it


def test_wide_tables_scroll_by_keyboard_and_have_names(report, reference, current):
    page = parsed(report, reference, current, history={"a": report, "b": report})
    scrolling = page.select(".scroll")
    assert len(scrolling) == 3
    assert all(one["tabindex"] == "0" and one["role"] == "region" and one["aria-label"] for one in scrolling)
    assert page.html["lang"] == "en"
    assert [tag.name for tag in page.select("h1, h2, h3")][:2] == ["h1", "h2"]


def test_text_is_escaped(report, reference, current):
    text = drift_page(
        report,
        reference,
        current,
        source="simulated <i>",
        history={"<u>": report, "<u>b": report},
    )
    assert "<script>" not in text
    assert "<u>" not in text
    assert "first &lt;three&gt; months" in text
    page = BeautifulSoup(text, "html.parser")
    assert "Data: simulated <i>" in page.text


def test_weight_of_a_column_in_the_model_says_whether_a_change_matters(report, reference, current):
    page = parsed(report, reference, current, importance={"age": 0.02, "balance": 0.06, "job": 0.0001})
    reported = {card.h3.text: card.select_one(".weight").text for card in page.select("article.card")}
    assert reported == {
        "job": "It hardly matters: below 1 %.",
        "age": "It matters much: 25 % of the model's weight.",
    }
    assert "carry 25 % of the model's weight; those that matter much: age" in page.select_one(".notice").text
    assert "weight" not in parsed(report, reference, current).main.text


def test_a_calm_page_says_so(reference):
    page = parsed(compare_profiles(reference, reference), reference, reference)
    assert page.h1.text == "Customers look as they did"
    assert "What to do: nothing." in words_in(page.select_one(".notice"))
    assert page.find("h2", string="What changed") is None
    assert not page.select("figure")
    assert "share days" in page.text


@pytest.mark.parametrize("with_reference", [False, True])
def test_a_failed_comparison_says_what_to_do(reference, current, with_reference):
    base, window = (reference, Profile.empty(UCI)) if with_reference else (None, current)
    report = compare_profiles(base, window)
    page = parsed(report, base, window)
    assert page.h1.text == "Nothing to compare yet"
    assert report.message in words_in(page)


def test_words_of_each_kind_of_change():
    before = profile_of_rows(
        {"job": ["student"] * 3 + ["retired"], "pdays": [-1, -1, 100, 200], "age": [20, 30, 40, 50]}
    )
    after = profile_of_rows({"job": ["retired"] * 4, "pdays": [-1, 10, 20, 30], "age": [None] * 4})
    words = {name: words_of(UCI.by_source[name], before.columns[name], after.columns[name]) for name in before.columns}
    assert words["job"] == "“retired”: 25 % before, 100 % now"
    assert words["pdays"] == "-1 in 50 % of the contacts before, in 25 % now; middle value 100 days before, 20 days now"
    assert words["age"] == "values in 100 % of the contacts before, in 0 % now"
    assert words_of(UCI.by_source["age"], before.columns["age"], before.columns["age"]).startswith(
        "middle value 30 years before"
    )


def test_missing_values_are_shown_as_missing():
    before, after = (profile_of_rows({"pdays": values}) for values in ([None, None, None, 90], [None, 90, 90, 90]))
    text = words_of(UCI.by_source["pdays"], before.columns["pdays"], after.columns["pdays"])
    assert text.startswith("no value in 75 % of the contacts before, in 25 % now; middle value 90 days")


def test_bars_add_up_and_rare_categories_are_put_together():
    jobs = [f"job {number}" for number in range(12)]
    before, after = (profile_of_rows({"job": jobs * 2 + [None] * 6}), profile_of_rows({"job": jobs[:1] * 30}))
    bars = bars_of(before.columns["job"], after.columns["job"])
    assert bars[0].label == "job 0"
    assert [bar.label for bar in bars][-2:] == ["4 others", "missing"]
    assert len(bars) == MOST_BARS + 2
    assert sum(bar.before for bar in bars) == pytest.approx(1)
    assert sum(bar.now for bar in bars) == pytest.approx(1)
    empty = profile_of_rows({"age": [None] * 3}).columns["age"]
    ages = profile_of_rows({"age": [30, 40, None]}).columns["age"]
    assert [bar.label for bar in bars_of(empty, ages)] == ["any value", "missing"]
    assert bars_of(ages, empty)[-1].now == 1


def test_effects_of_all_months_are_a_table_with_the_newest_first():
    effects = {"2009-04": {"age": 0.1, "job": None}, "2009-05": {"age": 0.254}}
    assert effects_table(effects).splitlines() == [
        "| column | 2009-05 | 2009-04 |",
        "| --- | --: | --: |",
        "| age | 25 % | 10 % |",
        "| job | – | – |",
    ]
