"""Delivered text is cut into the same lines and fields wherever the reading begins."""

import io
from pathlib import Path

import pytest

from bank_assets.contract.reading import blocks, read_head, rows_of, rows_with_numbers, split_fields

MIXED = b'a;b\r\n1;"x\r2;y\n\n  \n3;z\r\n4;"u;v"\r\r5;w'
ROWS = [b'1;"x', b"2;y", b"3;z", b'4;"u;v"', b"5;w"]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_ranges_hold_every_row_once_wherever_they_are_cut(tmp_path: Path, size: int):
    path = tmp_path / "x.csv"
    path.write_bytes(MIXED)
    for cut in range(len(MIXED) + 1):
        for other in range(cut, len(MIXED) + 1):
            ranges = ((0, cut), (cut, other), (other, len(MIXED)))
            found = [block for first, last in ranges for _, block in blocks(path, first, last, size)]
            assert [row for block in found for row in rows_of(block.splitlines())] == ROWS


def test_blocks_say_where_they_begin(tmp_path: Path):
    path = tmp_path / "x.csv"
    path.write_bytes(MIXED)
    for at, block in blocks(path, 0, len(MIXED), 4):
        assert MIXED[at : at + len(block)] == block


def test_rows_have_the_numbers_of_their_lines():
    head, rows = rows_with_numbers(io.BytesIO(MIXED))
    assert head.columns == ("a", "b")
    assert list(rows) == list(zip((2, 3, 6, 7, 9), ROWS, strict=True))


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        ("a;b;c", ["a", "b", "c"]),
        (' a ;\tb;"c" ', ["a", "b", "c"]),
        ('"a;b";c', ["a;b", "c"]),
        ('"a; ""b""";c', ['a; "b"', "c"]),
        ('a;"b;c', ["a", '"b', "c"]),
        ('"a"b;c', ['"a"b', "c"]),
        ('a"b;c', ['a"b', "c"]),
        ('" a ";""', [" a ", ""]),
        ("a;", ["a", ""]),
        (";", ["", ""]),
        ('"a;b"x;c', ['"a', 'b"x', "c"]),
        ("", [""]),
    ],
)
def test_fields_of_a_line(line: str, fields: list[str]):
    assert split_fields(line, ";") == fields
    assert split_fields(line.replace(";", ","), ",") == [field.replace(";", ",") for field in fields]


def test_a_line_of_a_million_quotes_is_cut_at_once():
    assert len(split_fields('"a;' * 1_000_000, ";")) == 1_000_001


@pytest.mark.parametrize(
    ("text", "columns", "delimiter", "line"),
    [
        (b"a;b\n1;2", ("a", "b"), ";", 1),
        (b"\xef\xbb\xbfa,b\r\n1,2", ("a", "b"), ",", 1),
        (b"sep=;\r\na;b,c\r\n", ("a", "b,c"), ";", 2),
        (b'\xef\xbb\xbf"sep=,"\na,b;c;d\n', ("a", "b;c;d"), ",", 2),
        (b"", ("",), ";", 1),
    ],
)
def test_the_head(text: bytes, columns: tuple[str, ...], delimiter: str, line: int):
    head = read_head(text.splitlines()[:2])
    assert (head.columns, head.delimiter, head.line) == (columns, delimiter, line)
    assert head.has_mark is text.startswith(b"\xef\xbb\xbf")
