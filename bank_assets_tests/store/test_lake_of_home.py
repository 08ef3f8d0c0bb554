"""A home knows its lake: a folder that is not mounted, or the lake of another home, is not taken for it."""

import json
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from bank_assets.landing.raw_objects import in_lake
from bank_assets.store import lake_of_home
from bank_assets.store.lake_of_home import LakeError, check_lake
from bank_assets.store.places import WarehouseError
from bank_assets_tests.landing.landing_home import CONTENT, NOW, UCI, Home, contact, register_deliveries
from bank_assets_tests.world.customers import delimited


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home" / "warehouse"


@pytest.fixture
def lake(tmp_path, home):
    (place := tmp_path / "mounted" / "lake").mkdir(parents=True)
    check_lake(home, place)
    return place


def test_a_home_without_a_lake_elsewhere_keeps_nothing(home):
    check_lake(home, home)
    assert not home.exists()


def test_the_first_lake_becomes_that_of_the_home(home, lake):
    check_lake(home, lake)
    assert json.loads((lake / "lake.json").read_text())["id"] == json.loads((home / "raw/lake.json").read_text())["id"]


def test_processes_that_start_together_agree_on_the_first_lake(home, tmp_path, monkeypatch):
    write, is_second = lake_of_home._write, threading.Barrier(2)

    def slowly(place, identity):
        with suppress(threading.BrokenBarrierError):
            is_second.wait(0.2)  # for the other one, if nothing holds it back
        write(place, identity)

    monkeypatch.setattr(lake_of_home, "_write", slowly)
    with ThreadPoolExecutor(2) as starts:
        for one in [starts.submit(check_lake, home, tmp_path / "lake") for _ in range(2)]:
            one.result()
    monkeypatch.undo()
    check_lake(home, tmp_path / "lake")


@pytest.mark.parametrize("n_writes", [0, 1, 2])
def test_a_kill_while_the_first_lake_becomes_that_of_the_home_costs_nothing(home, tmp_path, monkeypatch, n_writes):
    place, write, done = tmp_path / "lake", lake_of_home._write, []

    def killed(target, identity):
        if len(done) == n_writes:
            raise KeyboardInterrupt
        write(target, identity)
        done.append(target)

    with monkeypatch.context() as patch:
        patch.setattr(lake_of_home, "_write", killed)
        with suppress(KeyboardInterrupt):
            check_lake(home, place)
    check_lake(home, home)  # BANK_LAKE may be unset again
    check_lake(home, place)
    assert json.loads((place / "lake.json").read_text()) == json.loads((home / "raw/lake.json").read_text())
    with pytest.raises(LakeError, match="that of another one"):
        check_lake(tmp_path / "other", place)


def test_a_kill_does_not_make_the_lake_of_another_home_ours(home, tmp_path, lake, monkeypatch):
    second = tmp_path / "second"
    with monkeypatch.context() as patch:
        patch.setattr(lake_of_home, "put_whole", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with suppress(KeyboardInterrupt):
            check_lake(second, tmp_path / "empty")
    with pytest.raises(LakeError, match="that of another one"):
        check_lake(second, lake)


def test_a_lake_that_is_not_mounted_is_not_an_empty_one(home, lake):
    lake.rename(lake.with_name("elsewhere"))
    for gone in (lake, home):  # the folder is gone, or BANK_LAKE is no longer set
        with pytest.raises(LakeError, match=r"expected the lake of this home, which was at .*not mounted"):
            check_lake(home, gone)
    lake.mkdir()
    with pytest.raises(LakeError, match=r"found no lake.json there"):
        check_lake(home, lake)
    lake.rmdir()
    lake.with_name("elsewhere").rename(lake)
    check_lake(home, lake)


def test_a_lake_that_moved_is_known_again(home, lake):
    moved = lake.with_name("moved")
    shutil.copytree(lake, moved)
    check_lake(home, moved)
    lake.rename(lake.with_name("gone"))
    check_lake(home, moved)


def test_a_home_with_deliveries_moves_to_a_lake_by_a_copy(tmp_path):
    home, lake = Home(tmp_path), tmp_path / "lake"
    home.put("a.csv")
    home.register()
    with pytest.raises(LakeError, match=r"found none; they are in .*warehouse. Stop .*copy that folder there"):
        check_lake(home.warehouse, lake)
    shutil.copytree(home.warehouse, lake)
    check_lake(home.warehouse, lake)
    (delivery,) = in_lake(lake, home.month())
    assert delivery.path.read_bytes() == CONTENT


def test_two_homes_do_not_share_a_lake(tmp_path, lake):
    with pytest.raises(LakeError, match=r"found that of another one .*; two pipelines would undo each other's tables"):
        check_lake(tmp_path / "second" / "warehouse", lake)


@pytest.mark.parametrize("content", ['{"schema_version": 2}', "{", "[]"])
def test_a_lake_of_another_version_is_named(home, lake, content):
    (lake / "lake.json").write_text(content)
    with pytest.raises(WarehouseError, match=r"lake.json: expected the identity .*schema_version 1, found"):
        check_lake(home, lake)


def test_bytes_go_to_the_lake_and_those_of_lists_to_the_home_too(tmp_path):
    home, lake = Home(tmp_path), tmp_path / "lake"
    home.put("a.csv")
    home.deliver(delimited([contact(day="2026-05-05")], UCI.campaign_columns), kind="campaigns")
    found = register_deliveries(home.landing, home.warehouse, UCI, now=NOW, settle_seconds=0, lake=lake)
    assert [one.path.read_bytes()[:10] for one in found.new] == [CONTENT[:10]] * 2
    assert {one.path.parents[3] for one in found.new} == {lake}
    kept = [path.stem for path in (home.warehouse / "raw" / "objects").rglob("*.csv")]
    assert kept == [one.sha256 for one in found.new if one.kind == "campaigns"]
    with pytest.raises(LakeError, match="expected the lake of this home"):
        home.register()
