r"""How delivered text is split into lines and fields, for every reader: landing, Spark, campaign files and the web app.

**A row is a physical line.** It ends with LF, CRLF or CR, and a line break inside quotes ends it too. An unbalanced
quote can therefore never swallow the rows that follow, and a file can be split at any line end and read in parallel.
"""

from __future__ import annotations

import codecs
import io
import itertools
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO, Any, Final, Protocol

from bank_assets.contract.values import LOST, SPACE, nearest

FIELD_COUNT: Final = "row.field_count"  # code of a line with another number of fields than the header
# Code of a line with an unclosed quote. No other rule is checked on a line with either fault.
OPEN_QUOTE: Final = "row.open_quote"

DELIMITERS: Final = (";", ",", "\t", "|")
BLOCK_BYTES: Final = 16 << 20  # text that is read at once: some 150,000 rows, 100 MB of working memory
HEAD_BYTES: Final = 65_536  # the head of a file must end within this length

_BLANK: Final = bytes(range(0x21))
_MOST_FIELDS: Final = 1_000
_SHOWN_NAMES: Final = 20
_NAMELESS: Final = "column without a name, as programs write for row numbers"
_SEPARATOR_LINE: Final = re.compile(r'"?sep=([;,\t|])"?', re.IGNORECASE)  # spreadsheets write it above the header
_LINE_END: Final = re.compile(rb"[\r\n]")
_QUOTED: Final = re.compile(r'"((?:[^"]|"")*)"')


class Readable(Protocol):
    """A file, wherever it is."""

    def open(self, mode: Any) -> Any:
        """Its bytes, with `rb`."""


@dataclass(frozen=True, slots=True)
class Head:
    """The lines above the first row.

    Attributes:
        delimiter: the sign of `DELIMITERS` that makes most fields, or the one that a `sep=` line names.
        line: number of the header line, from 1: 2 below a `sep=` line.
    """

    columns: tuple[str, ...]
    delimiter: str
    text: str
    line: int
    encoding: str = "utf-8"

    def missing(self, wanted: Sequence[str], optional: Collection[str] = ()) -> list[str]:
        """Wanted columns that the header lacks."""
        return [name for name in wanted if name not in self.columns and name not in optional]

    def faults(self, wanted: Sequence[str], optional: Collection[str] = ()) -> str:
        """Everything about the header that does not fit, in words; "" if nothing."""
        missing, distinct = self.missing(wanted, optional), dict.fromkeys(self.columns)
        extra = [name for name in distinct if name and name not in wanted]
        meant = [f" (did you mean {found!r}?)" if (found := nearest(name, missing)) else "" for name in extra]
        parts = {
            "missing": [repr(name) for name in missing],
            "extra": [f"{name!r}{hint}" for name, hint in zip(extra, meant, strict=True)],
            "named twice": [repr(name) for name in distinct if name and self.columns.count(name) > 1],
        }
        said = [f"{what}: {_few(names)}" for what, names in parts.items() if names]
        is_last = "" in self.columns[1:] and "" not in self.columns[:-1]
        nameless = f"a {'separator after the last column' if is_last else _NAMELESS}"
        return "; ".join(said + [nameless] * ("" in distinct))


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN_NAMES:,} more" if len(names) > _SHOWN_NAMES else ""
    return ", ".join(names[:_SHOWN_NAMES]) + more


def end_of_lines(block: bytes) -> int:
    """Length of the part of a block that holds whole lines; a final CR waits, since LF may follow in the next block."""
    return max(block.rfind(b"\n"), block.rfind(b"\r", 0, len(block) - 1)) + 1


def head_of(path: Path, declared: str = "latin-1") -> Head:
    """The head of a file, looked for in the first 64 KiB; `declared` is the encoding of text that is not UTF-8."""
    with path.open("rb") as stream:
        encoding = encoding_of(stream, declared)
        return read_head(stream.read(HEAD_BYTES).splitlines()[:2], encoding)


def is_blank(line: bytes) -> bool:
    """Whether a line holds only blanks and control characters; such a line is not a row."""
    return not line.strip(_BLANK)


def rows_of(lines: Sequence[bytes]) -> list[bytes]:
    """The lines that are rows: all but the blank ones."""
    return [line for line in lines if line.strip(_BLANK)]


def unquoted(field: str) -> str:
    """The value of a field between two delimiters: trimmed, then without the quotes that enclose it whole."""
    field = field.strip(SPACE)
    if not field.startswith('"'):
        return field
    quoted = _QUOTED.fullmatch(field)
    return quoted[1].replace('""', '"') if quoted else field


def is_unclosed(field: str) -> bool:
    """Whether a field opens a quote without closing it, so that the next delimiter may belong to the value."""
    field = field.strip(SPACE)
    return field.startswith('"') and _QUOTED.fullmatch(field) is None


def split_fields(line: str, delimiter: str) -> list[str]:
    """The fields of one line.

    A delimiter inside quotes belongs to its field; a quote that never closes is ordinary text.
    """
    return [unquoted(field) for field in _raw_fields(line, delimiter)]


def line_fault(line: str, delimiter: str, n_fields: int) -> tuple[str, str] | None:
    """Code and message if the fields of a line cannot be told apart, else None."""
    fields = _raw_fields(line, delimiter)
    if any(map(is_unclosed, fields)):
        return OPEN_QUOTE, "row: expected quotes around whole values, found one that does not close"
    if len(fields) != n_fields:
        return FIELD_COUNT, f"row: expected {n_fields} fields, found {len(fields)}"
    return None


def _raw_fields(line: str, delimiter: str) -> list[str]:
    plain = line.split(delimiter)
    if '"' not in line or len(plain) > _MOST_FIELDS:  # the latter is not a row, and parsing its quotes is slow
        return plain
    fields, at = [], 0
    while True:
        found = _field(delimiter).match(line, at)
        assert found is not None  # the second alternative fits every text
        fields.append(found[1])
        if found.end() == len(line) and not found[2]:
            return fields
        at = found.end()


def has_open_field(block: bytes, delimiter: str) -> bool:
    """Whether a line of a block may have a delimiter inside quotes, so that splitting at delimiters is not enough."""
    return b'"' in block and _open_field(delimiter).search(block) is not None


@lru_cache
def _open_field(delimiter: str) -> re.Pattern[bytes]:
    sign = re.escape(delimiter).encode()
    blanks = rb"(?:(?!" + sign + rb")[\t\v\f ])*"
    return re.compile(rb"(?:^|[\r\n]|" + sign + rb")" + blanks + rb'"(?:""|[^"\r\n' + sign + rb"])*" + sign)


@lru_cache
def _field(delimiter: str) -> re.Pattern[str]:
    sign = re.escape(delimiter)
    blanks = rf"(?:(?!{sign})[\t\v\f ])*"  # those that `unquoted` trims
    return re.compile(rf'({blanks}"(?:[^"]|"")*"{blanks}(?={sign}|\Z)|[^{sign}]*)({sign}|\Z)', re.DOTALL)


def read_head(lines: Sequence[bytes], encoding: str = "utf-8") -> Head:
    """Parse the first two lines of a file; without lines, the head has no columns."""
    first = lines[0].removeprefix(codecs.BOM_UTF8) if lines else b""
    texts = [line.decode(codec_of(encoding), errors="replace") for line in (first, *lines[1:2])]
    named = _SEPARATOR_LINE.fullmatch(texts[0].strip(" \r\n"))
    text = texts[-1] if named and len(texts) > 1 else texts[0]
    splits = {sign: tuple(split_fields(text, sign)) for sign in DELIMITERS}
    delimiter = named[1] if named else max(DELIMITERS, key=lambda sign: len(splits[sign]))
    return Head(splits[delimiter], delimiter, text, 2 if named else 1, encoding)


@dataclass(frozen=True, slots=True)
class TextRow:
    """One row of delivered text."""

    line: int  # line number in the file, from 1
    fields: list[str]
    fault: tuple[str, str] | None  # code and message if the fields cannot be told apart, else None


def read_lines(stream: IO[bytes], encoding: str) -> tuple[Head, Iterator[tuple[int, bytes]]]:
    """The head of a file, and an iterator over the numbers and bytes of the lines that are rows."""
    lines = _lines(stream)
    first = list(itertools.islice(lines, 2))
    head, numbered = read_head(first, encoding), enumerate(itertools.chain(first, lines), start=1)
    return head, (one for one in numbered if one[0] > head.line and not is_blank(one[1]))


def read_rows(stream: IO[bytes], encoding: str) -> tuple[Head, Iterator[TextRow]]:
    """The head of a file, and an iterator over its rows; `encoding` is what `encoding_of` found."""
    head, lines = read_lines(stream, encoding)

    def row(number: int, line: bytes) -> TextRow:
        text = line.decode(codec_of(encoding), "replace")
        return TextRow(number, split_fields(text, head.delimiter), line_fault(text, head.delimiter, len(head.columns)))

    return head, itertools.starmap(row, lines)


def codec_of(encoding: str) -> str:
    """The codec of the lines of a file; a byte order mark is skipped with its head."""
    return encoding.removesuffix("-sig")


def encoding_of(stream: IO[bytes], declared: str = "latin-1") -> str:
    """The encoding of a stream, which is rewound: UTF-8 or the declared one, else Latin-1, which accepts every byte.

    A file of which most lines that are not ASCII are UTF-8 is UTF-8: what few lines hold of another encoding is lost,
    and the rules refuse these rows instead of misreading all others.
    """
    has_mark = stream.read(len(codecs.BOM_UTF8)) == codecs.BOM_UTF8
    stream.seek(0)
    if _decodes(stream, "utf-8") or _is_mostly_utf8(stream):
        return "utf-8-sig" if has_mark else "utf-8"
    return declared if _decodes(stream, declared) else "latin-1"


def _is_mostly_utf8(stream: IO[bytes]) -> bool:
    others = lost = 0
    for line in _lines(stream):
        if not line.isascii():
            others += 1
            lost += LOST in line.decode("utf-8", "replace")
    stream.seek(0)
    return 2 * lost < others


def _decodes(stream: IO[bytes], encoding: str) -> bool:
    try:
        for _ in codecs.iterdecode(iter(lambda: stream.read(BLOCK_BYTES), b""), encoding):
            pass
    except UnicodeDecodeError:
        return False
    finally:
        stream.seek(0)
    return True


def _lines(stream: IO[bytes]) -> Iterator[bytes]:
    tail = b""
    while chunk := stream.read(BLOCK_BYTES):
        block = tail + chunk
        cut = end_of_lines(block)
        yield from block[:cut].splitlines()
        tail = block[cut:]
    yield from tail.splitlines()


def blocks(path: Readable, first: int, last: int, size: int = BLOCK_BYTES) -> Iterator[bytes]:
    """Blocks of whole lines: the rows that begin in `[first, last)`, the head left out.

    Adjacent ranges hold every row of a file exactly once, wherever they are cut. A line longer than `size` bytes makes
    a longer block.
    """
    with path.open("rb") as stream:
        at, end = _line_start(stream, max(first, _head_bytes(stream))), _line_start(stream, last)
        stream.seek(at)
        tail = b""
        while at + len(tail) < end and (chunk := stream.read(min(size, end - at - len(tail)))):
            block = tail + chunk
            cut = len(block) if at + len(block) == end else end_of_lines(block)
            if cut:
                yield block[:cut]
            at, tail = at + cut, block[cut:]


def _head_bytes(stream: IO[bytes]) -> int:
    """Length of the lines above the first row."""
    start = stream.read(HEAD_BYTES)
    lines = start.splitlines(keepends=True)[:2]
    return sum(map(len, lines[: read_head([line.rstrip(b"\r\n") for line in lines]).line]))


def _line_start(stream: IO[bytes], offset: int) -> int:
    """Start of the first line at or after an offset; the size of the file if there is none."""
    if not offset:
        return 0
    stream.seek(offset - 1)
    at = offset - 1
    while chunk := stream.read(io.DEFAULT_BUFFER_SIZE):
        if found := _LINE_END.search(chunk):
            start = at + found.end()
            if found[0] == b"\r":  # a following LF belongs to it, even as the first byte of the next chunk
                stream.seek(start)
                start += stream.read(1) == b"\n"
            return start
        at += len(chunk)
    return at
