"""Campaign files are found by their key, and an upload is kept only if it is valid."""

import os

import pytest

from bank_assets.store import campaign_files
from bank_assets.store.campaign_files import KEPT_DAYS, CampaignFiles, UnknownCampaignError, campaign_of


@pytest.fixture
def files(tmp_path) -> CampaignFiles:
    return CampaignFiles(lambda: {"example.csv": tmp_path / "object.csv"}, tmp_path / "uploads")


def test_delivered_and_uploaded_files_are_found_by_their_key(files):
    kept = files.keep("../../etc/spring list.csv", b"contact_id\n1\n", lambda path: path.read_bytes())
    assert [found.key for found in files.all()] == ["delivered:example.csv", kept.key]
    assert files.get(kept.key).name == "spring-list.csv"
    with pytest.raises(UnknownCampaignError, match="upload it again"):
        files.get("uploaded:nothing.csv")


def test_an_upload_that_does_not_fit_leaves_nothing(files, tmp_path):
    def refuse(path):
        assert path.read_bytes() == b"x"
        raise ValueError("no header")

    with pytest.raises(ValueError, match="no header"):
        files.keep("list.csv", b"x", refuse)
    assert list((tmp_path / "uploads").iterdir()) == []


def test_uploads_vanish_after_some_days(files, tmp_path):
    old = files.keep("old.csv", b"1", lambda _: None)
    os.utime(old.path, (0, old.path.stat().st_mtime - (KEPT_DAYS + 1) * 86_400))
    files.keep("new.csv", b"2", lambda _: None)
    assert [found.name for found in files.all()] == ["example.csv", "new.csv"]


def test_other_files_are_none_of_ours_and_one_that_vanishes_is_not_missed(files, tmp_path, monkeypatch):
    kept = files.keep("list.csv", b"1", lambda _: None)
    (tmp_path / "uploads" / "folder.csv").mkdir()
    for name in (".DS_Store", "notes.csv", f"._{kept.path.name}"):
        (tmp_path / "uploads" / name).touch()
    monkeypatch.setattr(campaign_files.time, "time_ns", lambda: 10**19)  # everything is old
    assert [one.name for one in files.all()] == ["example.csv", "list.csv"]
    files.keep("list.csv", b"2", lambda _: kept.path.unlink(missing_ok=True))
    kept.path.symlink_to(tmp_path / "gone")
    assert kept.key in [one.key for one in files.all()]


def test_a_name_shows_its_control_characters_and_is_found_as_a_browser_sends_it(tmp_path):
    files = CampaignFiles(lambda: {"a\nb\x07.csv": tmp_path / "object.csv"}, tmp_path / "uploads")
    (found,) = files.all()
    assert (found.key, found.name) == (r"delivered:a\nb\x07.csv", r"a\nb\x07.csv")
    assert files.get(found.key) == found


def test_every_file_is_a_campaign_of_its_own():
    names = ["a.csv", "a.CSV", "a.CSV.csv", "a.zip", "a.zip.csv", "a.csv.gz", "a.csv.csv"]
    assert campaign_of("example.csv") == "example"
    assert len({campaign_of(name) for name in names}) == len(names)
