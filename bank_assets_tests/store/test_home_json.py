"""What the platform reads back from its home may be damaged: records are named and kept, the rest is made again."""

import json
import re
from dataclasses import asdict
from datetime import UTC, datetime

import pytest

from bank_assets.assets.report_pages import earlier_reports
from bank_assets.contract.uci import UCI
from bank_assets.demo.processes import stop_leftovers
from bank_assets.landing.contract_in_use import check_contract
from bank_assets.landing.refusals import left_files, refusals
from bank_assets.landing.register import Withdrawal, append_withdrawals, read_manifest, withdrawals
from bank_assets.replay.trace import Checkpoint
from bank_assets.resources.notifier import Channel, ChannelProgress, Notifier
from bank_assets.settings import Settings
from bank_assets.sources.database import Watermark, _last
from bank_assets.sources.landing import _landed_digests
from bank_assets.sources.source import Source, claim_landing, landed_source
from bank_assets.store.alert_log import AlertLog
from bank_assets.store.home_json import DamagedFileError
from bank_assets.store.warehouse import Entry, Warehouse
from bank_assets_tests.landing.landing_home import Home
from serving.monitoring.reports import Reports

WITHDRAWAL = Withdrawal(reason="sent by mistake", at="2026-01-02T03:04:05+00:00", delivery="contacts/a.csv")
ENTRY = Entry("0", ("a.parquet",), 1, 1, "d", "f")
CHANNEL = Channel("file:/alerts")
DEMO = [{"name": "web", "pid": 0, "started": None}]
SOURCE = Source("file", "file bank.csv (1 bytes)")


def line(value):
    return json.dumps(value).encode() + b"\n"


def registered(root):
    home = Home(root)
    home.put("a.csv")
    home.register()
    return (home.warehouse / "raw" / "manifest.jsonl").read_bytes()


def progress(root):
    return Notifier(Settings(home=root))._progress(CHANNEL, datetime(2026, 1, 2, tzinfo=UTC))


# Path in the home, what the platform wrote there, and who reads it.
RECORDS = {
    "register": ("warehouse/raw/manifest.jsonl", registered, lambda root: read_manifest(root / "warehouse")),
    "withdrawals": (
        "warehouse/raw/withdrawals.jsonl",
        line(asdict(WITHDRAWAL)),
        lambda root: append_withdrawals(root / "warehouse", [WITHDRAWAL]),
    ),
    "contract": (
        "warehouse/raw/contract.json",
        UCI.canonical.encode(),
        lambda root: check_contract(root / "warehouse", UCI),
    ),
    "table": (
        "warehouse/t/manifest.json",
        line({"schema_version": 1, "entries": {"all": asdict(ENTRY)}}),
        lambda root: Warehouse(root / "warehouse").manifest("t"),
    ),
    "watermark": ("pulls/x.json", line(asdict(Watermark("2026", ("r",)))), lambda root: _last(root / "pulls/x.json")),
    "source": (
        "landing/source.json",
        line(asdict(SOURCE)),
        lambda root: claim_landing(SOURCE, root / "landing"),
    ),
    "demo": ("demo_processes.json", line(DEMO), lambda root: stop_leftovers(root / "demo_processes.json")),
}
DERIVED = {
    "left": ("warehouse/raw/left.json", line({}), lambda root: left_files(root / "warehouse")),
    "landed": (
        "warehouse/raw/landed.json",
        line({"contacts/a.csv": "s"}),
        lambda root: _landed_digests(Settings(root)),
    ),
    "reasons": (
        "landing/refused/a.csv.reason.json",
        line({"name": "a.csv"}),
        lambda root: refusals(root / "landing", root / "warehouse"),
    ),
    "alerts": (
        "reports/alerts.jsonl",
        line({"schema_version": 1, "key": ["k"]}),
        lambda root: AlertLog(root / "reports/alerts.jsonl", "", "").read(),
    ),
    "drift": ("reports/drift/2010-01.json", line({}), lambda root: earlier_reports(root / "reports/drift", "2010-02")),
    "channel": (f"alerts/{CHANNEL.name}.json", line(asdict(ChannelProgress())), progress),
    "summary": ("reports/run_summary.json", line({}), lambda root: Reports(root / "reports").run_summary()),
    "performance": ("reports/performance.json", line({}), lambda root: Reports(root / "reports").performance()),
    "checkpoint": ("replay/p.npz", b"PK\3\4 half", lambda root: Checkpoint.read(root / "replay/p.npz", 1)),
    "log of a landing": ("landing/source.json", line(asdict(SOURCE)), lambda root: landed_source(root / "landing")),
}
DAMAGES = {
    "cut": lambda written: written[: len(written) * 2 // 3],
    "garbage byte": lambda written: written[:9] + b"\xff" + written[10:],
    "other JSON": lambda _: b"[[]]\n",
    "number": lambda _: b"5\n",
    "null": lambda _: b"null\n",
    "empty object": lambda _: b"{}\n",
    "deep": lambda _: b"[" * 100_000,
    "zeros": lambda written: bytes(len(written)),
}


def put(root, name, written, damage):
    path = root / name
    content = DAMAGES[damage](written(root) if callable(written) else written)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path, content


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", RECORDS)
def test_a_damaged_record_is_named_with_what_to_do_and_is_not_written_over(name, damage, tmp_path):
    where, written, read = RECORDS[name]
    path, content = put(tmp_path, where, written, damage)
    with pytest.raises(DamagedFileError, match=rf"^{re.escape(str(path))}(:1)?: expected .*, found .*; .*\.$"):
        read(tmp_path)
    assert path.read_bytes() == content


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", DERIVED)
def test_whatever_can_be_made_again_stops_nobody(name, damage, tmp_path):
    where, written, read = DERIVED[name]
    put(tmp_path, where, written, damage)
    read(tmp_path)


def test_a_log_that_was_cut_at_the_end_of_a_line_is_seen_as_damaged(tmp_path):
    append_withdrawals(tmp_path, [WITHDRAWAL] * 2)
    append_withdrawals(tmp_path, [WITHDRAWAL])
    path = tmp_path / "raw" / "withdrawals.jsonl"
    content, length = path.read_bytes(), path.with_name("withdrawals.jsonl.length")
    path.write_bytes(content[: len(content) // 3])
    with pytest.raises(
        DamagedFileError, match=r"bytes that were written, found .* lines are missing; restore the file"
    ):
        append_withdrawals(tmp_path, [WITHDRAWAL])
    assert path.read_bytes() == content[: len(content) // 3]
    length.write_bytes(b"half of a numb")
    assert len(withdrawals(tmp_path)) == 1, "the length is only a help"
    path.write_bytes(content)
    length.unlink()
    assert len(withdrawals(tmp_path)) == 3, "an earlier release kept no length"


def test_the_line_is_named_and_blank_ones_are_none(tmp_path):
    append_withdrawals(tmp_path, [WITHDRAWAL, WITHDRAWAL])
    path = tmp_path / "raw" / "withdrawals.jsonl"
    path.write_bytes(path.read_bytes() + b"\n\n")
    assert withdrawals(tmp_path) == [WITHDRAWAL, WITHDRAWAL]
    path.write_bytes(path.read_bytes().rstrip()[:-2])
    with pytest.raises(DamagedFileError, match=r"withdrawals\.jsonl:2: expected one withdrawal, found something else"):
        withdrawals(tmp_path)
