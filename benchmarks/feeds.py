"""Dispositions per second by file, API and webhook: `python -m benchmarks.feeds` prints one JSON line.

100,000 dispositions of two lists of 100,000 rows, on a new SQLite ledger for each door, through the whole app: read,
judged, recorded with their outcomes and events. Each door takes the same rows once more, which adds nothing.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from litestar.testing import TestClient
from sqlalchemy import insert

from bank_assets.contract.feeds import DISPOSITIONS
from bank_assets.contract.uci import UCI
from bank_assets.landing.deliveries import register_deliveries
from bank_assets.landing.feeds import record_feeds
from bank_assets.ledger import campaigns
from bank_assets.ledger.campaign_models import list_rows
from bank_assets.ledger.campaigns import CampaignList
from bank_assets.ledger.engine import opened_ledger, writing
from bank_assets.settings import Settings
from bank_assets.store.standard_webhooks import signed
from serving.app import create_app
from serving.settings import ServingSettings

ROWS = 100_000
WEBHOOK_ROWS = 10_000  # of one message
SECRET = "whsec_" + "QUJD" * 8


def rows() -> list[dict[str, str]]:
    return [
        {"contact_id": f"c{n}", "disposition": DISPOSITIONS[n % 4], "called_at": f"2010-11-22T10:{n % 60:02}:00Z"}
        for n in range(ROWS)
    ]


def make_lists(settings: Settings) -> None:
    facts = {"actor": "bench", "name": "bench", "model_version": "1", "model_digest": "d", "content_digest": "d"}
    with opened_ledger(settings.ledger_url) as engine:
        for as_of in ("2010-11-01", "2010-11-20"):
            made = CampaignList(**facts, economics={}, request={"as_of": as_of}, summary={})
            campaigns.keep_list(engine, made)
            more = {"customer_id": None, "contact_date": as_of, "reason": "worth_calling", "is_called": True}
            with writing(engine) as connection:
                connection.execute(
                    insert(list_rows),
                    [{"list_id": made.id, "row": n + 1, "contact_id": f"c{n}", **more} for n in range(ROWS)],
                )


def by_file(settings: Settings, sent: list[dict[str, str]]) -> int:
    path = settings.landing / "outcomes" / f"{time.monotonic_ns()}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = (";".join(row.values()) for row in (dict(zip(sent[0], sent[0], strict=True)), *sent))
    path.write_text("\n".join(lines) + f"\n#{path.name};;\n")  # another content each time
    now = datetime.now(UTC)
    register_deliveries(settings.landing, settings.warehouse, UCI, now=now, settle_seconds=0)
    with opened_ledger(settings.ledger_url) as engine:
        (said,) = record_feeds(settings.landing, settings.warehouse, UCI, engine, now)
    return int(said.split(": ")[1].split(" new")[0].replace(",", ""))


def by_app(settings: Settings, send: Callable[[TestClient[Any]], int]) -> int:
    serving = ServingSettings(platform=settings, secret="s" * 64, webhook_secrets=(SECRET,))
    with TestClient(create_app(serving), base_url="http://127.0.0.1") as client:
        return send(client)


def by_api(settings: Settings, sent: list[dict[str, str]]) -> int:
    return by_app(settings, lambda client: int(client.post("/api/v1/outcomes/batch", json=sent).json()["new"]))


def by_webhook(settings: Settings, sent: list[dict[str, str]]) -> int:
    def send(client: TestClient[Any]) -> int:
        new = 0
        for first in range(0, ROWS, WEBHOOK_ROWS):
            body = json.dumps({"type": "dispositions", "data": sent[first : first + WEBHOOK_ROWS]}).encode()
            headers = signed([SECRET], f"m{first}", int(time.time()), body) | {"content-type": "application/json"}
            new += int(client.post("/api/v1/webhooks/feedback", content=body, headers=headers).json()["new"])
        return new

    return by_app(settings, send)


def main() -> None:
    figures: dict[str, Any] = {"rows": ROWS}
    sent = rows()
    for name, door in (("file", by_file), ("api", by_api), ("webhook", by_webhook)):
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder)
            settings = Settings(home=home, ledger_url=f"sqlite:///{home / 'ledger.db'}")
            make_lists(settings)
            found = []
            for _ in range(2):
                began, began_cpu = time.monotonic(), time.process_time()
                new = door(settings, sent)
                found.append((new, time.monotonic() - began, time.process_time() - began_cpu))
            assert [new for new, _, _ in found] == [ROWS, 0], found
            (_, seconds, cpu), (_, again, _) = found
            figures[name] = {
                "seconds": round(seconds, 2),
                "cpu_seconds": round(cpu, 2),
                "per_second": round(ROWS / seconds),
                "again_seconds": round(again, 2),
            }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
