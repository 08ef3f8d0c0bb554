"""Audit: search, record, replay, chain."""

from sqlalchemy import text

from bank_assets.ledger import chain, decisions, outcomes
from bank_assets.ledger.engine import writing
from bank_assets_tests.world.demo_home import HTMX, soup_of, token_of
from bank_assets_tests.world.pages import decide, services


def test_audit_finds_a_decision_shows_its_lineage_and_replays_it_identically(pages):
    decide(pages, contact_id="c-1")
    decide(pages, contact_id="c-2", balance="77")
    page = soup_of(pages.get("/audit", params={"contact_id": "c-1"}))
    (row,) = page.select("[data-testid=decisions] tbody tr")
    address = row.select_one("a")["href"]
    record = soup_of(pages.get(address))
    text = record.get_text(" ", strip=True)
    assert "LightGBM" in text
    assert "5f" * 32 in text
    assert "simulated" in text
    assert record.select_one(f'form[action="{address}/replay"]')
    replayed = pages.post(f"{address}/replay", data=token_of(pages), headers=HTMX)
    part = soup_of(replayed).select_one("[data-testid=replay]")
    assert part["data-status"] == "identical"
    assert [cells.select("td")[-1].text for cells in part.select("table")[0].select("tbody tr")] == ["yes"] * 3
    whole = soup_of(pages.post(f"{address}/replay", data=token_of(pages)))
    assert whole.select_one("#replay [data-testid=replay]")["data-status"] == "identical"


def test_a_replay_says_that_the_record_was_changed_behind_the_ledger_s_back(pages):
    ledger = services(pages).ledger
    found = soup_of(decide(pages)).select_one("[data-testid=decision]")["data-decision-id"]
    assert pages.post(f"/api/v1/predictions/{found}/replay").json()["record_fault"] is None
    with writing(ledger) as connection:
        for name in connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).scalars().all():
            connection.execute(text(f"DROP TRIGGER {name}"))
        connection.exec_driver_sql("UPDATE payloads SET payload = replace(payload, 'married', 'single')")
    part = soup_of(pages.post(f"/audit/{found}/replay", data=token_of(pages), headers=HTMX))
    assert "the payload was changed" in part.select_one("[data-testid=record-fault]").text
    assert part.select_one("[data-testid=replay]")["data-status"] == "different"
    replay = pages.post(f"/api/v1/predictions/{found}/replay").json()
    assert "the payload was changed" in replay["record_fault"]


def test_audit_by_id_goes_to_the_record(pages):
    found = soup_of(decide(pages)).select_one("[data-testid=decision]")["data-decision-id"]
    assert pages.get("/audit", params={"id": found}, follow_redirects=False).headers["location"] == f"/audit/{found}"
    assert pages.get("/audit", params={"id": found}, headers=HTMX).headers["hx-redirect"] == f"/audit/{found}"
    assert pages.get("/audit", params={"id": "nobody"}).status_code == 404


def test_searches_page_by_cursor_and_say_when_nothing_fits(pages, monkeypatch):
    monkeypatch.setattr("serving.decisions.audit_page.PAGE_ROWS", 2)
    for _ in range(3):
        decide(pages)
    page = soup_of(pages.get("/audit", params={"actor": "local"}))
    older = soup_of(pages.get(page.select_one("a[rel=next]")["href"]))
    numbers = [row.select_one("th").text for found in (page, older) for row in found.select("tbody tr")]
    assert numbers == ["3", "2", "1"]
    assert older.select_one("a[rel=next]") is None
    assert "Nothing found" in soup_of(pages.get("/audit", params={"actor": "nobody"})).text


def test_outcomes_and_erasure_show_on_the_record(pages):
    ledger = services(pages).ledger
    decision_id = soup_of(decide(pages, contact_id="customer-9")).select_one("[data-testid=decision]")[
        "data-decision-id"
    ]
    outcomes.record(ledger, y="yes", actor="crm", decision_id=decision_id, duration=261)
    assert "261" in soup_of(pages.get(f"/audit/{decision_id}")).select_one("[aria-labelledby=outcomes]").text
    decisions.erase(ledger, actor="dpo", reason="request 12", contact_id="customer-9")
    record = pages.get(f"/audit/{decision_id}")
    assert "request 12" in soup_of(record).select_one("[data-testid=erased]").text
    assert "customer-9" not in record.text
    replay = pages.post(f"/audit/{decision_id}/replay", data=token_of(pages), headers=HTMX)
    assert soup_of(replay).select_one("[data-testid=replay]")["data-status"] == "erased"
    assert pages.get(f"/predict/{decision_id}").status_code == 404


def test_the_chain_is_verified_with_and_without_an_anchor(pages):
    decide(pages)
    head = chain.anchor(services(pages).ledger)
    assert soup_of(pages.get("/audit/chain")).select_one("[data-testid=chain]")["data-ok"] == "yes"
    good = pages.get("/audit/chain", params={"anchor": str(head)}, headers=HTMX)
    assert "anchor" in soup_of(good).text
    cut = pages.get("/audit/chain", params={"anchor": f"{head.seq + 5}:{head.hash}"})
    assert soup_of(cut).select_one("[data-testid=chain]")["data-ok"] == "no"
    for faulty in ("1", f"x:{'0' * 64}", f"1:{'0' * 64}:2"):
        assert pages.get("/audit/chain", params={"anchor": faulty}).status_code == 422
