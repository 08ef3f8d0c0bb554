"""What an erasure takes out of files: rows of lists and designs, whole uploads; and what a crash leaves to repeat."""

import hashlib
import os
from datetime import date

import msgspec
import pytest

from bank_assets.contract.names import CALLS, HOLDOUT
from bank_assets.core.features.feedback import CALLED
from bank_assets.ledger import campaigns
from bank_assets.ledger.campaigns import HOLDOUT_DIGEST, CampaignList
from bank_assets.ledger.chain import verify
from bank_assets.ledger.engine import opened_ledger
from bank_assets.store.list_designs import ListDesigns, _Stored
from bank_assets.store.personal_files import PersonalData

DAY = "2010-11-22"
CALLS_CSV = b"list_id,contact_id,contact_date,customer_id\r\n"
DPO = {"actor": "dpo", "reason": "request 12"}


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def line(contact, customer=""):
    return f"may,{contact},{DAY},{customer}\r\n".encode()


@pytest.fixture
def home(tmp_path):
    """A list with a file for each group, a design and two uploads."""
    lists, designs, uploads = (tmp_path / name for name in ("call_lists", "warehouse/list_designs", "uploads"))
    for folder in (lists, designs, uploads):
        folder.mkdir(parents=True)
    calls = CALLS_CSV + line("c-1", "k-1") + line("c-2", "k-2") + line("k-1", "k-1") + line("c-3", "c-3")
    held = CALLS_CSV + line("'=c-4", "k-1") + line("c-5", "k-5")
    with opened_ledger(f"sqlite:///{tmp_path}/ledger.db") as ledger:
        about = {"economics": {}, "summary": {}, "request": {HOLDOUT_DIGEST: sha256(held)}}
        of_file = {
            "content_digest": sha256(calls),
            "content_path": "may.csv",
            "model_version": "1",
            "model_digest": "d",
        }
        made = CampaignList(created_at=f"{DAY}T09:00:00.000000Z", actor="ana", name="may", **of_file, **about)
        campaigns.keep_list(ledger, made)
        (lists / "may.csv").write_bytes(calls)
        (lists / f"{made.id}-holdout.csv").write_bytes(held)
        rows = (["c-1", "c-2"], [DAY, DAY], [0.5, None], [True, False], [True, False], ["k-1", "k-2"])
        stored = _Stored("may", DAY, "2010-11-22T10:00:00+00:00", *rows)
        ListDesigns(tmp_path / "warehouse", CALLED)._write("2010-11-22-0.json", msgspec.json.encode(stored))
        (uploads / "0-may.csv").write_text('contact_id;age\n"c-2";41\n')
        (uploads / "1-may.csv").write_text("contact_id;age\nc-22;17\n")
        yield PersonalData(ledger, (lists,), designs, uploads), made, tmp_path


def content_of(path, name):
    (found,) = (path / "call_lists").glob(name)
    return found.read_bytes()


@pytest.mark.parametrize(
    ("whose", "records_calls", "held", "design", "n_uploads"),
    [
        ({"contact_id": "c-2"}, [line("c-1", "k-1"), line("k-1", "k-1"), line("c-3", "c-3")], 2, ["c-1"], 1),
        ({"customer_id": "k-1"}, [line("c-2", "k-2"), line("c-3", "c-3")], 1, ["c-2"], 2),
        ({"contact_id": "k-1"}, [line("c-1", "k-1"), line("c-2", "k-2"), line("c-3", "c-3")], 2, ["c-1", "c-2"], 2),
        ({"customer_id": "c-3"}, [line("c-1", "k-1"), line("c-2", "k-2"), line("k-1", "k-1")], 2, ["c-1", "c-2"], 2),
    ],
)
def test_rows_of_a_person_leave_the_files(home, whose, records_calls, held, design, n_uploads):
    data, made, path = home
    expected = data.count(**whose)
    assert data.erase(**DPO, **whose) == expected
    assert content_of(path, "may.csv") == CALLS_CSV + b"".join(records_calls)
    assert content_of(path, "*-holdout.csv").count(b"\r\n") == held + 1
    (kept,) = ListDesigns(path / "warehouse", CALLED).read()
    assert kept.contact_ids.tolist() == design
    assert len(list((path / "uploads").iterdir())) == n_uploads
    for group, name in ((CALLS, "may.csv"), (HOLDOUT, "*-holdout.csv")):
        assert campaigns.file_digest(data.ledger, made, group) == sha256(content_of(path, name))
    assert data.erase(**DPO, **whose).files == 0
    assert verify(data.ledger).ok


def test_a_file_that_was_changed_before_loses_the_person_and_stays_refused(home):
    data, made, path = home
    changed = content_of(path, "may.csv").replace(b"c-3", b"c-9")
    (path / "call_lists" / "may.csv").write_bytes(changed)
    data.erase(**DPO, contact_id="c-2")
    assert b"c-2" not in content_of(path, "may.csv")
    assert campaigns.file_digest(data.ledger, made, CALLS) == made.content_digest != sha256(content_of(path, "may.csv"))


def test_an_erasure_that_was_interrupted_is_completed_by_its_repetition(home):
    data, made, path = home
    before = content_of(path, "may.csv")
    data.erase(**DPO, contact_id="c-2")
    (path / "call_lists" / "may.csv").write_bytes(before)  # killed between the event and the file
    assert data.erase(**DPO, contact_id="c-2") == (0, 1)
    assert campaigns.file_digest(data.ledger, made, CALLS) == sha256(content_of(path, "may.csv")) != sha256(before)


def test_retention_removes_files_from_before_a_day_and_keeps_that_a_list_was_made(home):
    data, _, path = home
    os.utime(path / "uploads" / "0-may.csv", (0, 0))
    assert data.erase(**DPO, decided_before=date(2010, 11, 22)).files == 1, "an upload"
    assert data.erase(**DPO, decided_before=date(2010, 11, 23)).files == 3, "the list's files and its design"
    (kept,) = ListDesigns(path / "warehouse", CALLED).read()
    assert (kept.list_id, str(kept.as_of), len(kept.contact_ids)) == ("may", DAY, 0)
    assert list((path / "call_lists").iterdir()) == []
