"""Faults while deliveries are registered: a full disk, a kill."""

import os
import subprocess
import sys

import pytest

from bank_assets.landing.register import read_manifest
from bank_assets_tests.landing.landing_home import NOW, contact
from bank_assets_tests.world.customers import delimited


def test_a_full_disk_leaves_the_delivery_in_landing_and_the_next_scan_takes_it(home):
    path = home.deliver(delimited([contact(n) for n in range(2_000)]))
    program = (
        "import resource, sys; from datetime import datetime, UTC; from pathlib import Path\n"
        "from bank_assets.contract.uci import UCI\n"
        "from bank_assets.landing.deliveries import register_deliveries\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))\n"
        "register_deliveries(Path(sys.argv[1]), Path(sys.argv[2]), UCI, now=datetime.now(UTC), settle_seconds=0)\n"
    )
    command = [sys.executable, "-c", program, str(home.landing), str(home.warehouse)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode != 0
    assert "File too large" in ended.stderr
    assert path.exists()
    assert list((home.warehouse / "raw" / "objects").rglob("*.*")) == []
    assert len(home.register().new) == 1


def test_leftovers_of_a_killed_scan_are_cleared(home):
    objects = home.warehouse / "raw" / "objects"
    objects.mkdir(parents=True)
    (objects / ".a.csv.4711.tmp").write_text("half")
    home.register()
    assert list(objects.iterdir()) == []


def test_what_a_killed_copy_left_in_the_landing_folder_is_removed_a_day_later_and_nothing_else(home):
    written = NOW.timestamp()
    abandoned, running, of_a_sender = (
        home.contacts / name for name in (".may.csv.0123abcd.tmp", ".june.csv.4567cdef.tmp", ".july.csv.Xa1b2C.tmp")
    )
    for path, age in ((abandoned, 90_000), (running, 80_000), (of_a_sender, 90_000)):
        path.write_text("half")
        os.utime(path, (written, written - age))
    home.register()
    assert sorted(home.contacts.iterdir()) == sorted([running, of_a_sender])


def test_a_kill_between_object_and_manifest_costs_a_repeated_scan_only(home, monkeypatch):
    home.deliver(delimited([contact()]))
    with monkeypatch.context() as patch:
        patch.setattr(
            "bank_assets.landing.deliveries.append_manifest", lambda *_: (_ for _ in ()).throw(OSError("killed"))
        )
        with pytest.raises(OSError, match="killed"):
            home.register()
    assert read_manifest(home.warehouse) == ()
    assert [d.arrival for d in home.register().new] == [1]
