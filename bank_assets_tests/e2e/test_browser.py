"""An analyst and an auditor in a real Chromium at two widths: predict, what-if, plan, download, audit, replay.

Pictures go to `$BANK_SCREENSHOTS` (default: the test's own folder).
"""

import csv
import io
import os
import shutil
import threading
from pathlib import Path

import pytest
import uvicorn

from bank_assets_tests.world.demo_home import fit_demo, make_home
from serving.app import create_app

CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WIDTHS = {"desktop": (1280, 900), "phone": (360, 740)}
PAGES = {"home": "/", "predict": "/predict", "campaign": "/campaign?list=delivered:example.csv&budget_eur=1000",
         "monitoring": "/monitoring", "model": "/model", "audit": "/audit",
         "drift_report": "/reports/drift/2010-11.html", "retraining_report": "/reports/retraining/v2.html"}  # fmt: skip

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """A server on a free port, on a home with a champion."""
    home = make_home(tmp_path_factory.mktemp("bank"), fit_demo())
    server = uvicorn.Server(
        uvicorn.Config(create_app(home.settings, registry=home.registry), host="127.0.0.1", port=0, log_level="error")
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    tick = threading.Event()
    for _ in range(500):
        if server.started:
            break
        tick.wait(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(20)


@pytest.fixture(scope="module")
def chromium():
    playwright = pytest.importorskip("playwright.sync_api")
    if not shutil.which(CHROMIUM):
        pytest.skip(f"no browser at {CHROMIUM}: apt-get install chromium")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(params=list(WIDTHS))
def page(request, chromium, address):
    """A fresh window; anything that the content security policy stops or a script throws fails the test."""
    width, height = WIDTHS[request.param]
    context = chromium.new_context(viewport={"width": width, "height": height}, base_url=address, accept_downloads=True)
    faults = []
    shown = context.new_page()
    shown.width_name = request.param
    shown.on("pageerror", lambda error: faults.append(str(error)))
    shown.on("console", lambda message: faults.append(message.text) if "Content Security" in message.text else None)
    shown.on(
        "request",
        lambda requested: None if requested.url.startswith(address) else faults.append(f"asked {requested.url}"),
    )
    yield shown
    context.close()
    assert faults == []


def picture(page, name, tmp_path):
    folder = Path(os.environ.get("BANK_SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=folder / f"{name}-{page.width_name}.png", full_page=True)


def decide(page, **fields):
    page.goto("/predict")
    for name, value in fields.items():
        page.fill(f"#f-{name}", value)
    page.click("text=Decide and record")
    page.wait_for_selector("[data-testid=decision]")
    return page.get_attribute("[data-testid=decision]", "data-decision-id")


def fits(page):
    return page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.mark.parametrize("name", list(PAGES))
def test_pages_fit_the_screen_and_draw_their_charts(page, tmp_path, name):
    if name == "predict":
        decide(page)
    else:
        page.goto(PAGES[name])
    assert fits(page)
    assert page.evaluate("[...document.querySelectorAll('figure > svg')].every(c => c.clientWidth > 100)")
    picture(page, name, tmp_path)


def test_predict_then_what_if_by_changing_a_field(page, tmp_path):
    decision_id = decide(page, contact_id="c-1")
    assert page.url.endswith(f"/predict/{decision_id}")
    before = page.inner_text("[data-testid=probability]")
    page.fill("#f-balance", "9000")
    page.press("#f-balance", "Tab")
    page.wait_for_selector("[data-testid=what-if-difference]")
    assert "No decision, not on record" in page.inner_text("#what-if").replace("NO DECISION", "No decision")
    assert page.inner_text("[data-testid=probability]") == before
    page.reload()
    assert page.get_attribute("[data-testid=decision]", "data-decision-id") == decision_id


def test_a_fault_gets_the_focus_and_goes_away(page):
    page.goto("/predict")
    page.fill("#f-age", "7")
    page.press("#f-age", "Enter")
    page.wait_for_selector("#e-age")
    assert page.evaluate("document.activeElement.id") == "f-age"
    page.fill("#f-age", "47")
    page.click("text=Decide and record")
    page.wait_for_selector("[data-testid=decision]")
    assert page.query_selector("#e-age") is None


def test_plan_a_campaign_live_and_download_the_list(page):
    page.goto("/campaign")
    page.select_option("#f-list", "delivered:example.csv")
    page.wait_for_selector("[data-testid=plan]")
    if page.locator("text=Plan its revision").count():  # the list of the other width is open
        page.click("text=Plan its revision")
        page.wait_for_selector("[data-testid=plan]")
    page.fill("#f-budget", "500")
    page.press("#f-budget", "Tab")
    page.locator("[data-testid=plan] h2", has_text="Call 100 ").wait_for()
    assert "budget_eur=500" in page.url
    assert page.is_visible("#chart-profit-curve > svg")
    page.click("text=Make the call list")
    page.wait_for_selector("[data-testid=call-list]")
    list_id = page.inner_text("[data-testid=list-id]")
    with page.expect_download() as waiting:
        page.click("text=Download 100 calls")
    rows = list(csv.DictReader(io.StringIO(Path(waiting.value.path()).read_text())))
    assert {row["list_id"] for row in rows} == {list_id}
    assert len(rows) == 100


def test_audit_search_replay_and_chain(page):
    decision_id = decide(page, contact_id=f"c-{page.width_name}")
    page.goto("/audit")
    page.fill("#f-contact", f"c-{page.width_name}")
    page.press("#f-contact", "Enter")
    page.wait_for_url("**/audit?*contact_id=c-*")
    page.locator("[data-testid=decisions] tbody tr", has_text=f"c-{page.width_name}").wait_for()
    assert page.locator("[data-testid=decisions] tbody tr").count() == 1
    page.click("[data-testid=decisions] tbody a")
    page.wait_for_url(f"**/audit/{decision_id}")
    page.click("button:has-text('Replay')")
    page.wait_for_selector("[data-testid=replay]")
    assert page.get_attribute("[data-testid=replay]", "data-status") == "identical"
    page.goto("/audit")
    page.click("text=Verify the record")
    page.wait_for_selector("[data-testid=chain]")
    assert page.get_attribute("[data-testid=chain]", "data-ok") == "yes"
    page.click("text=Compare with an anchor")
    page.fill("#f-anchor", f"1:{'f' * 64}")
    page.click("text=Verify the record")
    page.wait_for_selector("[data-testid=chain][data-ok=no]")
    assert fits(page), "hashes of a broken chain are too wide"


def test_tables_sort_by_keyboard(page):
    page.goto("/model")
    button = page.locator("[data-testid=candidates] th button", has_text="AUC")
    for direction in ("ascending", "descending"):
        button.focus()
        page.keyboard.press("Enter")
        assert page.locator("[data-testid=candidates] th[aria-sort]").get_attribute("aria-sort") == direction
        values = page.locator("[data-testid=candidates] tbody td:nth-child(3)").all_inner_texts()
        assert values == sorted(values, reverse=direction == "descending")


def test_figures_sort_as_numbers_and_what_has_none_stays_below(page):
    page.goto("/monitoring")
    table = page.locator("table", has=page.locator("th", has_text="KS p"))
    for column, is_descending in ((2, False), (2, True), (5, True)):
        table.locator(f"th:nth-child({column}) button").click()
        if is_descending and column == 5:
            table.locator(f"th:nth-child({column}) button").click()
        texts = table.locator(f"tbody td:nth-child({column})").all_inner_texts()
        values = [float(text.strip("< %")) for text in texts if text != "n/a"]
        assert values == sorted(values, reverse=is_descending)
        assert texts[len(values) :] == ["n/a"] * (len(texts) - len(values))


def test_text_has_contrast_in_light_and_dark(chromium, address):
    """WCAG AA: 4.5:1 between each visible text and the nearest background behind it."""
    for scheme in ("light", "dark"):
        context = chromium.new_context(color_scheme=scheme, base_url=address)
        page = context.new_page()
        for path in (*PAGES.values(), "/nowhere"):
            page.goto(path)
            weak = page.evaluate(CONTRAST)
            assert weak == [], (scheme, path, weak[:5])
        context.close()


def test_weak_contrast_would_be_found(chromium):
    page = chromium.new_page()
    page.set_content('<body style="background:#fff"><p style="color:#888">grey</p><p style="color:#222">dark</p>')
    assert page.evaluate(CONTRAST) == ["P. 3.54"]
    page.close()


CONTRAST = """() => {
  const channel = c => { c /= 255; return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
  const parse = text => { const m = text.match(/[\\d.]+/g).map(Number); return m.length < 4 ? [...m, 1] : m; };
  const luminance = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const behind = element => { for (let e = element; e; e = e.parentElement) {
    const c = parse(getComputedStyle(e).backgroundColor); if (c[3] === 1) return c; } return [255, 255, 255, 1]; };
  const weak = [];
  for (const e of document.querySelectorAll("body *")) {
    const has = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
    const unseen = "svg, .skip, .visually-hidden, .htmx-indicator, [disabled], option";
    if (!has || e.closest(unseen) || !e.offsetParent) continue;
    const [a, b] = [luminance(parse(getComputedStyle(e).color)), luminance(behind(e))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) weak.push(`${e.tagName}.${e.className} ${ratio.toFixed(2)}`);
  }
  return weak;
}"""


def test_everything_works_without_scripts(chromium, address):
    context = chromium.new_context(java_script_enabled=False, base_url=address, accept_downloads=True)
    page = context.new_page()
    decision_id = decide(page)
    page.fill("#f-balance", "9000")
    page.click("text=Try without deciding")
    assert page.is_visible("[data-testid=what-if-difference]")
    page.goto("/campaign")
    page.select_option("#f-list", "delivered:example.csv")
    page.fill("#f-capacity", "5")
    page.click("#plan-form button")
    if page.locator("text=Plan its revision").count():  # a list of an earlier test is open
        page.click("text=Plan its revision")
    page.click("text=Make the call list")
    with page.expect_download() as waiting:
        page.click("text=Download 5 calls")
    assert len(Path(waiting.value.path()).read_text().splitlines()) == 6
    page.goto(f"/audit/{decision_id}")
    page.click("button:has-text('Replay')")
    assert page.get_attribute("[data-testid=replay]", "data-status") == "identical"
    page.goto("/monitoring")
    assert page.locator("figure.chart > svg").count() == page.locator("figure.chart").count() > 0
    page.click("#chart-profit summary")
    assert page.is_visible("#chart-profit table")
    context.close()
