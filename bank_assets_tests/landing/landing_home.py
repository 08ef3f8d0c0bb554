"""A landing folder, and what is registered from it."""

import os
from datetime import UTC, datetime
from pathlib import Path

from bank_assets.contract.uci import UCI
from bank_assets.landing.deliveries import register_deliveries
from bank_assets.landing.refusals import refusals
from bank_assets.landing.register import manifest_of, read_manifest
from bank_assets.sensors.recorded_facts import alerts_of_refusals
from bank_assets_tests.world.customers import DELIVERED, delimited

NOW = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)


def contact(number=1, day="2008-05-05", **changes):
    row = {**DELIVERED, "contact_id": f"c-{number}", "contact_date": day, **changes}
    return {name: str(value) for name, value in row.items()}


CONTENT = delimited([contact()]).encode()


class Home:
    def __init__(self, root: Path) -> None:
        self.landing, self.warehouse = root / "landing", root / "warehouse"
        self._writes = 0

    @property
    def contacts(self):
        folder = self.landing / "contacts"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def put(self, name, content=CONTENT):
        return self.deliver(content, name)

    def names(self):
        return [one.name for one in read_manifest(self.warehouse)]

    def alerts(self):
        return {one.key: one for one in alerts_of_refusals(refusals(self.landing, self.warehouse))}

    def deliver(self, content, name="a.csv", kind="contacts"):
        path = self.landing / kind / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        self._writes += 1  # two writes within one clock tick must not look like the same file
        os.utime(path, ns=(self._writes * 10**9, self._writes * 10**9))
        return path

    def register(self, now=NOW, settle_seconds=0):
        return register_deliveries(self.landing, self.warehouse, UCI, now=now, settle_seconds=settle_seconds)

    def month(self, month="2008-05", kind="contacts"):
        return manifest_of(self.warehouse, [month], kind)
