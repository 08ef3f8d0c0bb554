"""Arrow reads blocks of lines where that is safe and the contract's reader elsewhere, with the same result."""

import random
from pathlib import Path

import pytest

from bank_assets.contract.reading import line_fault, rows_of, split_fields
from bank_assets.landing.register import Delivery
from bank_assets.spark.intake import ONE_TASK_BYTES, ByteRange, tasks_of
from bank_assets.spark.text_block import read_block

COLUMNS = ("contact_id", "age", "job")


def raw_file(path: Path = Path("x.csv"), encoding: str = "utf-8", arrival: int = 1) -> Delivery:
    return Delivery(
        path=path, arrival=arrival, arrived_at="", kind="contacts", name=path.name,
        sha256="0" * 64, size_bytes=0, rows=0, encoding=encoding, delimiter=";",
        columns=COLUMNS, months={}, home_month="2008-05", stray_rows=0, first_day="2008-05-01", last_day="2008-05-31",
    )  # fmt: skip


def fields(block: bytes, file: Delivery) -> list[list[str]]:
    """All rows as the block's reader gives them."""
    found = read_block(block, file, "contact_id")
    if found is None:
        return []
    ids = found.identifiers.to_pylist()
    columns = {name: [column.texts[code] for code in column.codes] for name, column in found.columns.items()}
    return [[ids[n], columns["age"][n], columns["job"][n]] for n in range(len(ids))]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("a;41;nurse", ["a", "41", "nurse"]),
        (' "a" ; 41;"nurse"', ["a", "41", "nurse"]),
        ('"a;1";41;"nur""se"', ["a;1", "41", 'nur"se']),
        ("a;41", ["a", "41", ""]),
        ("a;41;x;y", ["a", "41", "x"]),
        ('a;"41;nurse', ["a", '"41', "nurse"]),
        ('a;"41;nurse"', ["a", "41;nurse", ""]),
        ("É;;", ["É", "", ""]),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_an_odd_line_stays_in_its_place(line, expected, encoding):
    block = f"k;1;a\n\n{line}\r\n  \nm;2;b".encode(encoding)
    assert fields(block, raw_file(encoding=encoding)) == [["k", "1", "a"], expected, ["m", "2", "b"]]


def test_lines_whose_fields_cannot_be_separated_are_kept_whole():
    block = read_block(b'k;1;a\na;41\nm;2;"b\n', raw_file(), "contact_id")
    assert {row: (code, line) for row, (code, _, line) in block.misfits.items()} == {
        1: ("row.field_count", "a;41"),
        2: ("row.open_quote", 'm;2;"b'),
    }


def test_blank_lines_alone_are_no_block():
    assert read_block(b"\n \r\n\t\n", raw_file(), "contact_id") is None


@pytest.mark.parametrize("text", ["\ufeffa;41;nurse\nb;42;nurse", "\ufeff\nb;42;nurse", "\ufeff\ufeffa;1;x"])
def test_a_mark_at_the_begin_of_a_block_belongs_to_its_row(text):
    rows = [[*split_fields(line, ";"), "", ""][:3] for line in text.splitlines()]
    assert fields(text.encode(), raw_file()) == rows


@pytest.mark.slow
def test_arrow_and_the_definition_agree_on_any_text():
    random_ = random.Random(5)
    pieces = ["a", "41", ";", ";", ";", '"', '""', " ", "\t", "é", "\n", "\n", "\r", "\r\n", "x\x00y", "'",
              "\x00", "\x1c", "\v", "\ufeff", "\xa0"]  # fmt: skip
    for _ in range(600):
        block = "".join(random_.choices(pieces, k=random_.randrange(1, 60))).encode()
        lines = [line.decode() for line in rows_of(block.splitlines())]
        expected = [[*split_fields(line, ";"), "", "", ""][:3] for line in lines]
        assert fields(block, raw_file()) == expected, block
        found = read_block(block, raw_file(), "contact_id")
        faults = {n for n, line in enumerate(lines) if line_fault(line, ";", 3)}
        assert set(found.misfits if found else {}) == faults, block


def test_tasks_follow_the_order_of_arrival_and_hold_every_byte_once(tmp_path):
    files = []
    for arrival, size in ((2, ONE_TASK_BYTES), (1, 10), (3, ONE_TASK_BYTES // 2)):
        path = tmp_path / f"{arrival}.csv"
        with path.open("wb") as stream:
            stream.truncate(size)
        files.append(raw_file(path, arrival=arrival))
    tasks = tasks_of(files, parallelism=4)
    assert len(tasks) == 4
    flat = [one for task in tasks for one in task]
    assert [one.file.arrival for one in flat] == sorted(one.file.arrival for one in flat)
    for file in files:
        mine = [one for one in flat if one.file is file]
        assert [mine[0].first, *(one.last for one in mine)] == [*(one.first for one in mine), file.path.stat().st_size]
    assert tasks_of([files[1]], parallelism=4) == [[ByteRange(files[1], 0, 10)]]


def test_identifiers_that_cannot_name_a_contact_are_judged_by_their_text():
    odd = ["a\x00b", "k\u200b", "x" * 65, '" k"']
    lines = "\n".join(f"{one};41;nurse" for one in ("k-1", "", "😀-ké", *odd))
    block = read_block(lines.encode(), raw_file(), "contact_id")
    judged = block.columns["contact_id"]
    assert [judged.texts[code] for code in judged.codes] == ["given", "", "given", *odd[:3], " k"]
