import re
from dataclasses import replace

import numpy as np
import pytest
from bs4 import BeautifulSoup

from bank_assets.core.economics.economics import Economics
from bank_assets.core.quality.comparison import compare_models
from bank_assets.core.quality.objective import Cohort
from bank_assets.core.quality.off_policy import LoggedCalls, policy_value
from bank_assets.core.words import pct
from bank_assets.reports.formats import count, eur
from bank_assets.reports.retraining_page import Retraining, retraining_page, why_sentences


def comparison(n=900):
    rng = np.random.default_rng(5)
    truth = rng.uniform(0.01, 0.4, n)
    observed, days = rng.random(n) < truth, np.datetime64("2009-05-01") + rng.integers(0, 28, n)
    return compare_models(Cohort(observed, days, Economics(), {}, 1), np.full(n, 0.2), truth)


def reported(**changes):
    given = {
        "kind": "refit", "is_promoted": True, "as_of": "2009-06-01", "old_name": "version 3",
        "old_recipe": "lightgbm/none", "new_name": "version 4", "new_recipe": "lightgbm/none",
        "requested_because": ("53 subscriptions against 31.1 expected",), "basis": "Neither had seen these contacts.",
        "gate_reasons": ("AUC 0.710 on the latest contacts (floor 0.52)",), "source": "simulated",
        "drift_page": "2009-05.html",
    }  # fmt: skip
    return Retraining(**given | changes)


def parsed(story, found=None):
    return BeautifulSoup(retraining_page(story, found or comparison(), Economics()), "html.parser")


def words_in(tag):
    return " ".join(tag.text.split())


def test_page_says_what_was_decided_what_it_earns_and_what_to_do():
    found = comparison()
    page = parsed(reported(), found)
    assert page.h1.text == "Version 4 is the champion"
    verdict = words_in(page.select_one(".notice.good"))
    assert found.effect() in verdict
    assert "What to do: nothing" in verdict
    assert "53 subscriptions" in words_in(page.find("h2", string="Why the model was trained").find_next("ul"))
    assert "AUC 0.710" in words_in(page.find("h2", string="What the gate decided").find_next("ul"))
    assert "Data: simulated" in page.text
    assert page.find("a")["href"] == "../drift/2009-05.html"


def test_every_measure_has_its_interval_and_verdict():
    found = comparison()
    rows = {row.th.contents[0]: row.select("td") for row in parsed(reported(), found).select("#measures tbody tr")}
    assert list(rows) == [
        "Profit of the decisions", "F1 of the calls", "Average precision", "Log loss", "Calibration error",
    ]  # fmt: skip
    before, now, gain, verdict = rows["Profit of the decisions"]
    profit = found.measure("profit_eur")
    assert (before.text, now.text) == (f"{profit.before:,.0f}", f"{profit.now:,.0f}")
    assert f"+{profit.gain:,.0f}" in gain.text
    assert "to" in gain.text
    assert (profit.low > 0) == (verdict.span["class"] == ["badge", "good"])
    assert rows["Log loss"][3].text.strip() == "better"


def test_charts_hold_the_comparisons_values():
    found = comparison()
    page = parsed(reported(), found)
    rows = [[cell.text for cell in row.select("th, td")] for row in page.select("#chart-profit tbody tr")]
    sides = [dict(found.profit[role]) for role in ("before", "now")]
    shares = sorted({share for side in sides for share in side})
    assert rows == [[pct(share), *(eur(side.get(share)) for side in sides)] for share in shares]
    assert [chart["aria-label"] for chart in page.select("figure svg[role=img]")] == [
        "Profit by share of contacts called, the best first",
        "Calibration: subscription rate by predicted probability; on the dotted line they agree",
    ]
    assert "version 3" in page.select_one(".legend").text
    assert page.select_one(".scroll")["tabindex"] == "0"


def test_equal_decisions_are_described_as_the_same():
    n = 900
    proba, observed = np.full(n, 0.2), np.arange(n) % 5 == 0
    days = np.datetime64("2009-05-01") + np.arange(n) // 30
    page = parsed(reported(), compare_models(Cohort(observed, days, Economics(), {}, 1), proba, proba))
    assert "both call the same customers" in page.select_one("dl.tiles").text
    assert [row.select("td")[3].text.strip() for row in page.select("#measures tbody tr")] == ["the same"] * 5


def test_a_refusal_keeps_the_old_model_and_says_why():
    page = parsed(reported(is_promoted=False, kind="recipe"))
    assert page.h1.text == "Version 4 was refused; version 3 stays the champion"
    assert "This did not hold:" in words_in(page)
    assert page.select_one(".notice.watch")
    assert "Refused" in [tag.text for tag in page.select("dt")]


def test_a_first_model_has_nothing_before_it():
    first = {"kind": "first", "old_name": "no model", "old_recipe": "", "requested_because": ()}
    page = parsed(reported(**first))
    assert "There was no model yet." in page.text
    assert "calling by the recent rate" in words_in(page.select_one(".notice"))
    assert "there is still no champion" in parsed(reported(**first, is_promoted=False)).h1.text


def test_too_few_contacts_are_reported_and_nothing_is_drawn():
    page = parsed(reported(basis="Only 40 contacts: too few to compare."), comparison(40))
    assert "Only 40 contacts: too few to compare." in words_in(page.select_one(".notice"))
    assert not page.select("#measures, figure")
    assert "Profit effect" not in page.text


def test_a_fit_without_a_request_says_so():
    assert "a person or the schedule started the training" in parsed(reported(requested_because=())).text


@pytest.mark.parametrize("field", ["source", "basis", "new_recipe"])
def test_text_is_escaped_and_nothing_comes_from_outside(field):
    text = retraining_page(reported(**{field: "<script>x</script>"}, drift_page=""), comparison(), Economics())
    assert "<script>" not in text
    assert not re.findall(r"\b(?:src|href)=", text)
    assert " style=" not in text
    assert "http" not in text


def test_reasons_become_sentences():
    assert why_sentences(["retrain as of May", "", "the column housing moved by 0.18"]) == (
        "Retrain as of May",
        "The column housing moved by 0.18",
    )


def test_calling_everyone_has_an_interval_where_outcomes_are_missing_or_says_why_it_has_none():
    def sentence(everyone):
        return words_in(parsed(reported(), replace(comparison(), everyone=everyone)).select_one("#everyone"))

    known = comparison()
    profit = f"{known.profit_everyone_eur:,.0f} EUR"
    assert sentence(None) == f"Calling everyone would have earned {profit} on these contacts."
    n = 1_000
    called = np.arange(n) < 550  # 500 for certain, 50 of the others
    logged = LoggedCalls(np.where(np.arange(n) < 500, 1.0, 0.1), called, called & (np.arange(n) % 5 == 0), *money(n))
    found = policy_value(logged, np.ones(n, bool))
    start, _, basis = sentence(found).partition(" (")
    estimated = f"{count(found.profit_eur.value)} EUR"
    assert start == f"Calling all 1,000 contacts of the lists of these days would have earned {estimated}"
    assert "EUR at 90 %, estimated from 50 calls drawn at random). Days on which a call still waits" in basis
    few = policy_value(logged.rows(np.r_[0:510, 550:n]), np.ones(n - 40, bool))
    assert "is not known. Too little evidence: expected an effective size" in sentence(few)
    document = replace(known, everyone=found).to_dict()
    assert document["everyone"]["profit_eur"]["low"] < found.profit_eur.value
    assert "everyone" not in known.to_dict()


def money(n):
    return np.full(n, 5.0), np.full(n, 50.0)
