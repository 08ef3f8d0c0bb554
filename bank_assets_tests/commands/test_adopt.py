"""The command writes one file that people read, checks files, and never overwrites."""

from argparse import Namespace

import pytest

from bank_assets.__main__ import main
from bank_assets.commands.adopt import run
from bank_assets.contract.errors import ContractError
from bank_assets.settings import load_settings

ROWS = "id;contact_date;job;age;y\n" + "\n".join(
    f"{k};2021-01-{1 + k:02};{('nurse', 'clerk')[k % 2]};{30 + k};{('no', 'yes')[k % 3 == 0]}" for k in range(20)
)


def test_a_draft_is_written_once_and_the_file_fits_it(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bank.csv").write_text(ROWS, "utf-8")
    assert main(["adopt", "bank.csv"]) == 0
    draft = (tmp_path / "bank.odcs.yaml").read_text("utf-8")
    assert draft.startswith("# Draft of a contract for bank.csv: 20 rows, 5 columns")
    said = capsys.readouterr().out
    assert "bank.csv fits the contract bank: 20 usable rows." in said
    assert "Then: python -m bank_assets adopt --check bank.odcs.yaml bank.csv" in said
    again = Namespace(contract="", file=tmp_path / "bank.csv", check=False, target="", output=None)
    with pytest.raises(ContractError, match=r"^bank.odcs.yaml: expected no file, found one; remove it"):
        run(again, load_settings({}))
    assert main(["adopt", "--check", "bank.odcs.yaml", "bank.csv"]) == 0
    monkeypatch.setenv("BANK_CONTRACT", "bank.odcs.yaml")
    assert main(["adopt", "--check", "bank.csv"]) == 0
    assert main(["adopt", "bank.odcs.yaml", "bank.csv"]) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["nothing.csv"],
            "nothing.csv: expected a file that this process may read, found No such file or directory; corr",
        ),
        (
            ["wide.csv"],
            "wide.csv: expected a CSV file, found UTF-16 text; save the file as CSV UTF-8, and deliver that.",
        ),
        (["folder.csv"], "folder.csv: expected a file that this process may read, found Is a directory; correct its"),
        (
            ["title.csv"],
            "found a first line of one field, 'Calls of 2021'; write the names of the columns in the fir",
        ),
        (
            ["--check", "bank-additional", "dateless.csv"],
            "dateless.csv: expected the columns contact_id, contact_date,",
        ),
        (["bank.csv", "--output", "no/such/folder.yaml"], "expected a folder that can be written, found No such file"),
    ],
)
def test_what_cannot_be_read_or_written_is_one_sentence(tmp_path, monkeypatch, capsys, arguments, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bank.csv").write_text(ROWS, "utf-8")
    (tmp_path / "wide.csv").write_text(ROWS, "utf-16")
    (tmp_path / "title.csv").write_text(f"Calls of 2021\n{ROWS}", "utf-8")
    (tmp_path / "dateless.csv").write_text("age;job;y\n58;management;no\n", "utf-8")
    (tmp_path / "folder.csv").mkdir()
    assert main(["adopt", *arguments]) == 1
    assert said in capsys.readouterr().err


def test_a_file_that_does_not_fit_is_described(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bank.csv").write_text(ROWS, "utf-8")
    main(["adopt", "bank.csv"])
    (tmp_path / "next.csv").write_text(ROWS.replace("nurse", "Nurse"), "utf-8")
    (tmp_path / "other.csv").write_text(ROWS.replace(";y\n", ";Y\n"), "utf-8")
    capsys.readouterr()
    assert main(["adopt", "--check", "bank.odcs.yaml", "next.csv"]) == 1
    said = capsys.readouterr().out
    for line in (
        "job.not_a_known_value: 10 of 20 rows",
        'job: expected one of clerk, nurse, found "Nurse" (did you mean "nurse"?) (10 times)',
        "next.csv does not fit: expected at most",
    ):
        assert line in said
    assert main(["adopt", "--check", "bank.odcs.yaml", "other.csv"]) == 1
    assert "missing: 'y'; extra: 'Y' (did you mean 'y'?)" in capsys.readouterr().err


def test_a_file_that_cannot_be_landed_as_it_is_has_a_draft_all_the_same(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bank.csv").write_text("age;job;y\n58;management;no\n40;clerk;yes\n", "utf-8")
    assert main(["adopt", "bank.csv"]) == 0
    said = capsys.readouterr().out
    assert "To decide: the day of the call. No time axis" in said
    assert "It cannot be landed as it is. bank.csv: expected the columns" in said
