"""Campaign files are found by their key, and an upload is kept only if it is valid."""

import io
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from bank_assets.store import campaign_files
from bank_assets.store.campaign_files import KEPT_DAYS, CampaignFiles, UnknownCampaignError, campaign_of


@pytest.fixture
def files(tmp_path) -> CampaignFiles:
    return CampaignFiles(lambda: {"example.csv": tmp_path / "object.csv"}, tmp_path / "uploads")


def test_delivered_and_uploaded_files_are_found_by_their_key(files):
    kept = files.keep("../../etc/spring list.csv", io.BytesIO(b"contact_id\n1\n"), lambda path, _: path.read_bytes())
    assert [found.key for found in files.all()] == ["delivered:example.csv", kept.key]
    assert files.get(kept.key).name == "spring list.csv"
    with pytest.raises(UnknownCampaignError, match="upload it again"):
        files.get("uploaded:nothing.csv")


def test_an_upload_that_does_not_fit_leaves_nothing(files, tmp_path):
    def refuse(path, _):
        assert path.read_bytes() == b"x"
        raise ValueError("no header")

    with pytest.raises(ValueError, match="no header"):
        files.keep("list.csv", io.BytesIO(b"x"), refuse)
    assert list((tmp_path / "uploads").iterdir()) == []


def test_uploads_vanish_after_some_days(files, tmp_path):
    old = files.keep("old.csv", io.BytesIO(b"1"), lambda *_: None)
    os.utime(old.path, (0, old.path.stat().st_mtime - (KEPT_DAYS + 1) * 86_400))
    files.keep("new.csv", io.BytesIO(b"2"), lambda *_: None)
    assert [found.name for found in files.all()] == ["example.csv", "new.csv"]


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("crm Märkte 05.csv", "crm Märkte 05.csv"),
        ("..csv", "..csv"),
        ("", "list.csv"),
        ("a\x00b\u202ec\n.csv", "abc.csv"),
        ("crm-" + "x" * 300 + ".csv", "crm-" + "x" * 116 + ".csv"),
        ("crm-" + "ü" * 200 + ".tsv", "crm-" + "ü" * 19 + ".tsv"),
        ("100%25.csv", "100%25.csv"),
        ("customers of may 2010", "customers of may 2010"),
    ],
)
def test_an_upload_is_checked_and_kept_under_one_name_by_which_its_sender_is_known(files, name, kept):
    checked = []
    made = files.keep(name, io.BytesIO(b"1"), lambda _, known_as: checked.append(known_as))
    assert [made.name, *checked, files.get(made.key).name] == [kept] * 3


def test_uploads_that_another_process_removes_meanwhile_and_other_files_disturb_nobody(files, tmp_path):
    kept = files.keep("a.csv", io.BytesIO(b"1"), lambda *_: None)
    for name in (".DS_Store", "notes.csv", f"._{kept.path.name}"):
        (tmp_path / "uploads" / name).touch()
    assert [found.name for found in files.all()] == ["example.csv", "a.csv"]
    (tmp_path / "uploads" / f"{'0' * 16}-gone.csv").symlink_to("nowhere")
    files.keep("b.csv", io.BytesIO(b"2"), lambda *_: None)
    assert kept.key in [found.key for found in files.all()]


def test_a_name_shows_its_control_characters_and_is_found_as_a_browser_sends_it(tmp_path):
    files = CampaignFiles(lambda: {"a\nb\x07.csv": tmp_path / "object.csv"}, tmp_path / "uploads")
    (found,) = files.all()
    assert (found.key, found.name) == (r"delivered:a\nb\x07.csv", r"a\nb\x07.csv")
    assert files.get(found.key) == found


def test_every_file_is_a_campaign_of_its_own():
    names = ["a.csv", "a.CSV", "a.CSV.csv", "a.zip", "a.zip.csv", "a.csv.gz", "a.csv.csv"]
    assert campaign_of("example.csv") == "example"
    assert len({campaign_of(name) for name in names}) == len(names)


def test_uploads_of_one_name_that_arrive_together_are_both_delivered(files, tmp_path, monkeypatch):
    is_second, publish = threading.Barrier(2), campaign_files.publish_if_changed

    def together(*arguments):
        with suppress(threading.BrokenBarrierError):
            is_second.wait(0.2)  # for the other one, if nothing holds it back
        return publish(*arguments)

    monkeypatch.setattr(campaign_files, "publish_if_changed", together)
    contents = [b"of one analyst", b"of another"]
    with ThreadPoolExecutor(2) as uploads:
        made = [uploads.submit(files.deliver, tmp_path / "landing", "crm.csv", io.BytesIO(one)) for one in contents]
    folder = tmp_path / "landing" / "campaigns"
    assert [(folder / one.result()).read_bytes() for one in made] == contents
    assert len(list(folder.iterdir())) == 2


def test_what_a_killed_upload_left_is_removed_a_day_later(files, tmp_path):
    (tmp_path / "uploads").mkdir()
    left = tmp_path / "uploads" / f".{'0' * 16}-list.csv.0123abcd.tmp"
    left.write_bytes(b"customers")
    os.utime(left, (0, 0))
    files.keep("new.csv", io.BytesIO(b"2"), lambda *_: None)
    assert not left.exists()


def test_a_delivered_upload_takes_no_name_of_a_list_that_lies_in_a_bucket(files, tmp_path):
    (tmp_path / "object.csv").write_bytes(b"of the bank")
    landing = tmp_path / "landing"
    assert files.deliver(landing, "example.csv", io.BytesIO(b"of the bank")) == "example.csv"
    (landing / "campaigns" / "example.csv").unlink()
    assert files.deliver(landing, "example.csv", io.BytesIO(b"of an analyst")).startswith("example-")
