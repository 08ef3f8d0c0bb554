"""Whatever lies in the landing folder: the good files are taken, and people are told about each other one once."""

import json
import os

import pytest

from bank_assets.landing import refusals as refused_files
from bank_assets.landing.folders import landing_is_missing
from bank_assets.landing.register import manifest_path, read_manifest
from bank_assets_tests.landing.landing_home import CONTENT

ODD_NAMES = ["a\x85b.csv", "a\u2028b.csv", "a\nb.csv", "\u202ea.csv", "é" * 125 + ".csv", "[*]?.csv", "A.CSV"]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_any_name_is_registered_and_the_register_stays_readable(home, name):
    home.put(name)
    assert len(home.register().new) == 1
    home.put("next.csv", CONTENT.replace(b"c-1", b"c-2"))
    home.register()
    assert home.names() == [name, "next.csv"]


@pytest.mark.parametrize("name", ["x" * 242 + ".csv", "x" * 251 + ".csv", "ü" * 125 + ".csv"])
def test_an_unusable_file_of_any_name_is_set_aside(home, name):
    home.put(name, b"no header")
    home.put("good.csv")
    assert [one.kind for one in home.register().refused] == ["contacts"]
    assert home.names() == ["good.csv"]
    kept = [path for path in (home.landing / "refused").iterdir() if path.suffix == ".csv"]
    assert kept[0].read_bytes() == b"no header"


def test_a_name_that_is_not_utf_8_is_reported_in_printable_letters(home):
    path = os.fsencode(home.contacts) + b"/spring-\xff.csv"
    with open(path, "wb") as stream:  # noqa: PTH123 - pathlib takes text only
        stream.write(CONTENT)
    home.put("good.csv")
    result = home.register()
    assert home.names() == ["good.csv"]
    assert result.ignored == [r"contacts/spring-\xff.csv"]
    assert r"spring-\xff.csv: expected a name in UTF-8" in result.refused[0].problem
    json.dumps(result.ignored).encode()


LEFTOVERS = [
    *("~$x.csv", "._x.csv", ".~lock.x.csv#", ".DS_Store", "x.csv.filepart", "x.csv.part", "x.csv.tmp", "x.csv~"),
    *("#x.csv#", "x.csv.swp", "x.csv.lock", "x.csv.opdownload", "x.CSV.CRDOWNLOAD"),
]


def test_leftovers_are_ignored_and_nobody_is_told(home):
    for name in LEFTOVERS:
        home.put(name, b"half")
        (home.landing / name).write_bytes(b"half")
    result = home.register()
    assert result == type(result)()
    assert home.alerts() == {}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("contacts/x.xlsx", "found an Excel workbook; save the sheet as CSV UTF-8"),
        ("contacts/x.csv.txt", "found the ending .txt after it; rename it to x.csv"),
        ("contacts/x.csv ", "found blanks around its name; rename it to x.csv"),
        ("contacts/x.json", "found the ending .json"),
        ("contacts/x.gz", "found a packed file of another kind; deliver it unpacked, or packed as .csv.gz or .zip"),
        ("contacts/x.csv.ZST", "found a packed file of another kind"),
        ("contacts/x.csv.pgp", "found an encrypted file; deliver it decrypted"),
        ("contacts/x.csv.md5", "found a file about another one; leave it out"),
        ("contacts/x", "found no ending"),
        ("contacts/2024/x.csv", "found a folder; put its files into contacts/ itself"),
        ("Contacts/x.csv", "expected only the folders contacts, outcomes, campaigns, subscriptions, withdrawals"),
        ("x.csv", "expected only the folders contacts, outcomes, campaigns"),
    ],
)
def test_what_is_no_delivery_is_reported_once_by_name(home, name, said):
    path = home.landing / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(CONTENT)
    home.put("good.csv")
    first, told = home.register(), home.alerts()
    again = home.register()
    assert home.names() == ["good.csv"]
    assert said in first.refused[0].problem
    assert (again.refused, again.ignored) == ([], first.ignored)
    assert home.alerts() == told
    assert len(told) == 1
    assert path.exists()


@pytest.mark.parametrize("name", ["outcomes", "withdrawals", "refused"])
def test_a_file_in_place_of_a_folder_is_reported_and_stops_nothing(home, name):
    home.put("good.csv")
    (home.landing / name).write_bytes(CONTENT)
    assert not landing_is_missing(home.landing)
    first, again = home.register(), home.register()
    assert home.names() == ["good.csv"]
    assert f"{name}: expected only the folders" in first.refused[0].problem
    assert (again.refused, len(home.alerts())) == ([], 1)


@pytest.mark.parametrize("content", [b"[]", b"\xff", b"{", b'{"contacts/bad.csv": 1}', b'{"contacts/bad.csv": {}}'])
def test_damaged_notes_about_files_stop_nothing(home, content):
    home.put("bad.csv", b"no header")
    home.put("good.csv")
    for name in ("landing_index.json", "left.json"):
        (home.warehouse / "raw").mkdir(parents=True, exist_ok=True)
        (home.warehouse / "raw" / name).write_bytes(content)
    assert len(home.register().refused) == 1
    assert home.register().unchanged == ["contacts/good.csv"]


def test_many_files_of_one_kind_are_one_alert_however_many_are_left(home):
    for number in range(40):
        home.put(f"{number}.xlsx")
    home.register()
    (told,) = home.alerts().values()
    assert "40 files in the landing folder contacts cannot be used" in told.title
    assert "save the sheet as CSV UTF-8" in told.action
    (home.contacts / "0.xlsx").unlink()
    home.register()
    assert list(home.alerts()) == [told.key]


def test_what_is_gone_is_no_longer_reported(home):
    path = home.put("x.xlsx")
    home.register()
    path.unlink()
    home.register()
    assert home.alerts() == {}


def test_pipes_folders_and_broken_links_named_csv_stop_nothing(home):
    os.mkfifo(home.contacts / "pipe.csv")
    (home.contacts / "folder.csv").mkdir()
    (home.contacts / "link.csv").symlink_to(home.landing / "nowhere.csv")
    home.put("good.csv")
    result = home.register()
    assert home.names() == ["good.csv"]
    assert sorted(result.ignored) == ["contacts/folder.csv", "contacts/link.csv", "contacts/pipe.csv"]
    assert home.register().refused == []
    assert len(home.alerts()) == 3


def test_an_unreadable_file_is_reported_once_and_taken_when_it_can_be_read(home, monkeypatch):
    home.put("secret.csv")
    home.put("good.csv", CONTENT.replace(b"c-1", b"c-2"))

    def denied(path, name, sent):
        if name == "secret.csv":
            raise PermissionError(13, "Permission denied")
        return plain(path, name, sent)

    from bank_assets.landing import formats

    plain = formats._plain
    with monkeypatch.context() as patch:
        patch.setattr(formats, "_plain", denied)
        first, again = home.register(), home.register()
    assert home.names() == ["good.csv"]
    assert "secret.csv: expected a file that this process may read, found Permission denied" in first.refused[0].problem
    assert again.refused == []
    assert len(home.alerts()) == 1
    assert [one.name for one in home.register().new] == ["secret.csv"]
    assert home.alerts() == {}


def test_a_refused_file_is_remembered_where_it_cannot_be_moved(home, monkeypatch):
    path = home.put("bad.csv", b"no header")
    home.put("good.csv")
    read_only = PermissionError(30, "Read-only file system")
    monkeypatch.setattr(refused_files.Path, "rename", lambda *_: (_ for _ in ()).throw(read_only))
    first = home.register()
    described = []
    monkeypatch.setattr("bank_assets.landing.deliveries.describe", lambda *_, **__: described.append(1))
    again = home.register()
    assert [one.name for one in first.refused] == ["bad.csv"]
    assert (again.refused, again.ignored, described) == ([], ["contacts/bad.csv"], [])
    assert path.exists()
    assert len(home.alerts()) == 1
    assert list((home.landing / "refused").iterdir()) == []


def test_a_fault_of_our_own_about_one_file_stops_no_other(home, monkeypatch):
    from bank_assets.landing import deliveries

    home.put("odd.csv")
    home.put("good.csv", CONTENT.replace(b"c-1", b"c-2"))
    describe = deliveries.describe

    def faulty(path, kind, *, name, **facts):
        if name == "odd.csv":
            raise IndexError("list index out of range")
        return describe(path, kind, name=name, **facts)

    monkeypatch.setattr(deliveries, "describe", faulty)
    result = home.register()
    assert home.names() == ["good.csv"]
    assert "IndexError" in result.refused[0].problem


def test_a_killed_scan_of_many_files_keeps_what_it_registered(home, monkeypatch):
    from bank_assets.landing import deliveries

    monkeypatch.setattr(deliveries, "_COMMIT_SECONDS", -1.0)
    for number in range(3):
        home.put(f"{number}.csv", CONTENT.replace(b"c-1", b"c-%d" % number))
    seen = []
    monkeypatch.setattr(deliveries, "append_manifest", lambda _, new: seen.append(len(new)))
    home.register()
    assert seen == [1, 1, 1, 0]


def test_a_look_at_many_known_files_reads_neither_them_nor_the_register_again(home, monkeypatch):
    for number in range(50):
        home.put(f"{number}.csv", CONTENT.replace(b"c-1", b"c-%d" % number))
    home.register()
    assert len(home.names()) == 50
    parsed = []
    monkeypatch.setattr("bank_assets.landing.register.read_json_lines", lambda *_: parsed.append(1))
    monkeypatch.setattr("bank_assets.landing.deliveries.content_of", lambda *_: parsed.append(1))
    before = manifest_path(home.warehouse).stat()
    assert len(home.register().unchanged) == 50
    assert read_manifest(home.warehouse, "contacts")
    assert parsed == []
    assert manifest_path(home.warehouse).stat() == before
