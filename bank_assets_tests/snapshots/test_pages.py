"""The main part of each page on a fixed home, and once the frame around it."""

import platform
import re

import onnxruntime
import pytest

from bank_assets_tests.world.app import PAYLOAD
from bank_assets_tests.world.demo_home import fit_demo, make_home, open_pages, soup_of, token_of

PAGES = {
    "home": "/",
    "predict": "/predict",
    "campaign": "/campaign",
    "campaign_planned": "/campaign?list=delivered:example.csv",
    "customers": "/customers?id=nobody",
    "objections": "/customers/objections",
    "campaign_report": "/campaign/report",
    "monitoring": "/monitoring",
    "model": "/model",
    "audit": "/audit",
    "login": "/login",
    "not_found": "/nowhere",
}
ROWS = 4
"""Rows shown of a table; the number of the others replaces them."""
TIME = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(\.\d+)?(Z|\+00:00)?"
VOLATILE = {
    "(id)": r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\b[0-9a-f]{10}-[0-9a-f]+\b",
    "(version)": re.escape(onnxruntime.__version__),
    "(processor)": re.escape(platform.machine()),
    "(digest)": r"\b[0-9a-f]{12,}\b",
}
"""What differs by hour, draw or library; the pages' words and numbers do not."""


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    with open_pages(make_home(tmp_path_factory.mktemp("bank"), fit_demo())) as client:
        yield client


def normalized(part):
    for chart in part.select("svg"):  # coordinates are not for reading; the words of a chart are
        words = [one.get_text(" ", strip=True) for one in (*chart.select("desc, text"), *chart.select("title")[:ROWS])]
        chart.clear()
        chart.append("\n".join(words))
    for body in part.select("tbody"):
        rows = body.find_all("tr", recursive=False)
        for row in rows[ROWS:]:
            row.decompose()
        if rows[ROWS:]:
            body.append(f"and {len(rows) - ROWS} more")
    text = re.sub(
        TIME, "(time)", part.prettify().replace("\xa0", " ")
    )  # before numbers are rounded: 02.4861 is the end of a time
    text = re.sub(r"\d+\.\d{4,}", lambda number: f"{float(number[0]):.2f}", text)
    for name, pattern in VOLATILE.items():
        text = re.sub(pattern, name, text)
    return text


@pytest.mark.parametrize("name", PAGES)
def test_the_main_part_of_a_page(pages, name, html_snapshot):
    assert normalized(soup_of(pages.get(PAGES[name])).main) == html_snapshot


def test_what_surrounds_every_page(pages, html_snapshot):
    page = soup_of(pages.get("/"))
    page.main.clear()
    assert normalized(page) == html_snapshot


def test_a_decision_as_the_record_shows_it(pages, html_snapshot):
    form = token_of(pages, "/predict") | {"cost_eur": "5", "value_eur": "50", "contact_date": "2010-10-18"}
    made = soup_of(pages.post("/predict", data=form | PAYLOAD)).select_one("#prediction")
    record = made.select_one("a[href^='/audit/']")["href"]
    assert normalized(soup_of(pages.get(record)).main) == html_snapshot
