"""Delivered text is cut into the same lines and fields wherever the reading begins."""

import io
from pathlib import Path

import pytest

from bank_assets.contract.reading import (
    blocks,
    encoding_of,
    has_open_field,
    line_fault,
    read_head,
    read_rows,
    rows_of,
    split_fields,
)

MIXED = b'a;b\r\n1;"x\r2;y\n\n  \n3;z\r\n4;"u;v"\r\r5;w'
ROWS = [b'1;"x', b"2;y", b"3;z", b'4;"u;v"', b"5;w"]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_ranges_hold_every_row_once_wherever_they_are_cut(tmp_path: Path, size: int):
    path = tmp_path / "x.csv"
    path.write_bytes(MIXED)
    for cut in range(len(MIXED) + 1):
        for other in range(cut, len(MIXED) + 1):
            ranges = ((0, cut), (cut, other), (other, len(MIXED)))
            found = [block for first, last in ranges for block in blocks(path, first, last, size)]
            assert [row for block in found for row in rows_of(block.splitlines())] == ROWS


def test_rows_have_the_numbers_of_their_lines():
    head, rows = read_rows(io.BytesIO(MIXED), "utf-8")
    assert head.columns == ("a", "b")
    found = {row.line: row for row in rows}
    assert list(found) == [2, 3, 6, 7, 9]
    assert found[7].fields == ["4", "u;v"]
    assert found[2].fault == (
        "row.open_quote",
        "row: expected quotes around whole values, found one that does not close",
    )
    assert {line for line, row in found.items() if row.fault} == {2}


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (b"a\n\xc3\xa9\n", "utf-8"),
        (b"\xef\xbb\xbfa\n", "utf-8-sig"),
        (b"a\n\xe9\n", "latin-1"),
        (b"\xc3", "latin-1"),
        (b"\xc3\xa9\n\xe9\n\xc3\xa9", "utf-8"),
        (b"\xef\xbb\xbf\xc3\xa9\n\xe9\n\xc3\xa9", "utf-8-sig"),
        (b"\xc3\xa9\n\xe9\n", "latin-1"),
    ],
)
def test_the_encoding_is_that_of_the_whole_file(content: bytes, encoding: str):
    stream = io.BytesIO(content)
    assert encoding_of(stream) == encoding
    assert stream.tell() == 0


@pytest.mark.parametrize(
    ("line", "is_open"),
    [('a;"b;c";d', True), ('"a;b', True), ('"a";"b""c";d', False), ("a;b", False), ('"";"";a', False)],
)
def test_lines_in_which_a_delimiter_may_be_text_are_found(line: str, is_open: bool):
    for block in (line, f"x;y\n{line}", f"{line}\r\nx;y"):
        assert has_open_field(block.encode(), ";") is is_open


def test_a_line_of_another_encoding_is_lost_and_no_other():
    _, rows = read_rows(io.BytesIO(b"a;b\nJo\xc3\xa3o;1\nJo\xe3o;2\nM\xc3\xbcller;3\n"), "utf-8")
    assert [row.fields[0] for row in rows] == ["João", "Jo\ufffdo", "Müller"]


def test_a_header_that_does_not_fit_is_named_in_short():
    names = [f"q{number}" for number in range(5_000)]
    assert read_head([";".join(["a", *names]).encode()]).faults(["a"]).endswith("'q18', 'q19' and 4,980 more")


def test_a_line_with_too_many_or_too_few_fields_has_a_fault():
    assert line_fault("a;b", ";", 2) is None
    assert line_fault("a", ";", 2) == ("row.field_count", "row: expected 2 fields, found 1")


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
