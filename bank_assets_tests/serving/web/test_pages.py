"""Rules for every page, and Home: parsed HTML of the real app on a home with a champion."""

from itertools import pairwise

import pytest

from bank_assets_tests.world.demo_home import HTMX, soup_of
from bank_assets_tests.world.pages import decide, services

ALL_PAGES = ("/", "/predict", "/campaign", "/monitoring", "/model", "/audit")


@pytest.mark.parametrize("path", ALL_PAGES)
def test_every_page_says_source_model_and_economics(shown, path):
    response = shown.get(path)
    page = soup_of(response)
    assert response.status_code == 200
    assert response.headers["vary"] == "HX-Request"
    assert page.html["lang"] == "en"
    assert page.select_one("nav a[aria-current=page]")["href"] == path
    assert page.select_one("[data-testid=source]").text == "simulated"
    facts = page.select_one("footer").get_text(" ", strip=True)
    assert "version 2" in facts
    assert "5.00 EUR a call, 50.00 EUR a subscription, break-even 10.0 %" in facts
    assert "Local mode" in facts


@pytest.mark.parametrize("path", [*ALL_PAGES, "/login", "/nowhere"])
def test_every_page_can_be_used_with_keyboard_and_screen_reader(shown, path):
    page = soup_of(shown.get(path))
    assert len(page.select("h1")) == 1
    assert page.select_one("a.skip")["href"] == "#main"
    for field in page.select("input:not([type=hidden]), select, textarea"):
        label = page.select_one(f'label[for="{field.get("id")}"]') or field.find_parent("label")
        assert label is not None, field
        for described in field.get("aria-describedby", "").split():
            assert page.select_one(f"#{described}") is not None, described
    for scrolled in page.select(".scroll"):
        assert scrolled["tabindex"] == "0"
        assert scrolled.get("aria-label") or page.select_one(f"#{scrolled['aria-labelledby']}")
    for target in {one["hx-target"] for one in page.select("[hx-target]")}:
        assert page.select_one(target) is not None, target
    ids = [one["id"] for one in page.select("[id]")]
    assert len(ids) == len(set(ids))
    levels = [int(one.name[1]) for one in page.select("h1, h2, h3")]
    assert all(after - before <= 1 for before, after in pairwise(levels)), levels


@pytest.mark.parametrize("path", ALL_PAGES)
def test_every_form_works_without_scripts(shown, path):
    for form in soup_of(shown.get(path)).select("form"):
        assert form["action"].startswith("/")
        assert form["method"] in ("get", "post")
        if form["method"] == "post":
            assert form.select_one("input[name=_csrf_token]")["value"]


@pytest.mark.parametrize(
    ("path", "marker"),
    [("/", "#attention"), ("/campaign?list=delivered:example.csv", "[data-testid=plan]"), ("/audit", ".empty")],
)
def test_the_same_address_gives_page_and_partial(shown, path, marker):
    whole, part = soup_of(shown.get(path)), soup_of(shown.get(path, headers=HTMX))
    restored = soup_of(shown.get(path, headers={**HTMX, "HX-History-Restore-Request": "true"}))
    assert [bool(page.html) for page in (whole, part, restored)] == [True, False, True]
    assert [len(page.select(marker)) for page in (whole, part, restored)] == [1, 1, 1]


def test_home_is_drawn_again_only_when_it_changed(pages):
    seen = soup_of(pages.get("/")).select_one("#home-seen")["value"]
    unchanged = pages.get("/", params={"seen": seen}, headers=HTMX)
    assert (unchanged.status_code, unchanged.content) == (204, b"")
    decide(pages)
    changed = pages.get("/", params={"seen": seen}, headers=HTMX)
    assert changed.status_code == 200
    assert soup_of(changed).select_one("#home-seen")["value"] != seen


def test_home_lists_what_needs_attention(pages, home):
    text = soup_of(pages.get("/")).select_one("#home").get_text(" ", strip=True)
    assert "Simulated data" in text
    assert "drift" not in soup_of(pages.get("/")).select_one("section[aria-labelledby=attention]").text.lower()
    assert "2010-11-17: every number within its limit" in text
    home.registry.is_down = True
    services(pages).watcher.look()
    page = soup_of(pages.get("/"))
    assert "The model registry does not answer" in page.text
    assert "continues to decide" in page.select_one(".strip[role=status]").text
    assert pages.get("/predict").status_code == 200
