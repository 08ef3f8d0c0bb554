"""Delivered files by the ending of their name: plain CSV, packed CSV and Parquet, each read as the bytes of a CSV file.

What is stored and registered is that CSV text, so a packed file is the same delivery as the file inside it.
"""

from __future__ import annotations

import gzip
import io
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from bank_assets.contract.columns import YES_NO
from bank_assets.contract.sent_text import SentText
from bank_assets.contract.values import number_text
from bank_assets.landing.header import DeliveryRefused
from bank_assets.store.atomic_files import replacing

if TYPE_CHECKING:
    import pyarrow as pa

TEXT_ENDINGS: Final = (".csv", ".tsv")
ENDINGS: Final = (*TEXT_ENDINGS, ".csv.gz", ".tsv.gz", ".zip", ".parquet")

_LEFTOVER_STARTS: Final = (".", "~$")
_LEFTOVER_ENDS: Final = (
    *(".tmp", ".part", ".partial", ".filepart", ".crdownload", ".opdownload", ".download", ".!ut", ".lock", ".lck"),
    *(".swp", "~", "#", "thumbs.db", "desktop.ini"),
)

_CHUNK_BYTES: Final = 4 * 1024 * 1024
_MOST_BYTES, _MOST_TIMES = 256 << 20, 200  # a packed file that grows beyond both is made to fill the disk
_DAMAGED: Final = (gzip.BadGzipFile, zipfile.BadZipFile, EOFError, zlib.error, RuntimeError, ValueError)


class DeliveryUnreadable(DeliveryRefused):
    """A delivered file cannot be opened; it stays where it is, since that may change without a new delivery."""


def is_leftover(name: str) -> bool:
    """Whether a name is that of a hidden file, of an editor's or office program's, or of an unfinished transfer."""
    return name.startswith(_LEFTOVER_STARTS) or name.lower().endswith(_LEFTOVER_ENDS)


def is_packed(path: Path) -> bool:
    """Whether a file has to be unpacked or converted before it is CSV text."""
    return path.name.lower().endswith(tuple(_READERS))


def unpack(path: Path, folder: Path, sent: SentText | None = None) -> Path:
    """Write the CSV text of a packed file into a folder; errors are those of `content_of`."""
    target = folder / f"{path.name}.csv"
    with replacing(target) as stream:
        for part in content_of(path, path.name, sent):
            stream.write(part)
    return target


def content_of(path: Path, name: str, sent: SentText | None = None) -> Iterator[bytes]:
    """The CSV text of a delivered file, part by part; typed numbers are spelled as its sender writes them.

    Raises:
        DeliveryUnreadable: the operating system does not let us read it.
        DeliveryRefused: it is damaged, or not what its ending says.
    """
    read = next((of for ending, of in _READERS.items() if path.name.lower().endswith(ending)), _plain)
    try:
        yield from read(path, name, sent)
    except DeliveryRefused:
        raise
    except (*_DAMAGED, OSError) as error:
        if isinstance(error, _DAMAGED) or error.errno is None:  # what a decoder says of the content has no number
            raise DeliveryRefused(
                name, expected="a whole file", found=f"a damaged one ({error})", to_do="deliver it again"
            ) from error
        raise DeliveryUnreadable(
            name,
            expected="a file that this process may read",
            found=error.strerror or str(error),
            to_do="correct its path"
            if isinstance(error, FileNotFoundError | IsADirectoryError)
            else "give the right to read it",
        ) from error


def _parts(stream: IO[bytes] | gzip.GzipFile) -> Iterator[bytes]:
    while part := stream.read(_CHUNK_BYTES):
        yield part


def _plain(path: Path, _name: str, _sent: SentText | None) -> Iterator[bytes]:
    with path.open("rb") as stream:
        yield from _parts(stream)


def _unpacked(stream: IO[bytes] | gzip.GzipFile, packed_bytes: int, name: str) -> Iterator[bytes]:
    most, size = max(_MOST_BYTES, _MOST_TIMES * packed_bytes), 0
    for part in _parts(stream):
        size += len(part)
        if size > most:
            found, to_do = f"more than {most:,} bytes inside {packed_bytes:,}", "deliver it unpacked"
            raise DeliveryRefused(name, expected="a packed CSV file", found=found, to_do=to_do)
        yield part


def _gzip(path: Path, name: str, _sent: SentText | None) -> Iterator[bytes]:
    with gzip.open(path, "rb") as stream:
        yield from _unpacked(stream, path.stat().st_size, name)


def _zip(path: Path, name: str, _sent: SentText | None) -> Iterator[bytes]:
    with zipfile.ZipFile(path) as archive:
        members = [one for one in archive.infolist() if not one.is_dir() and not is_leftover(Path(one.filename).name)]
        if len(members) != 1 or not members[0].filename.lower().endswith(TEXT_ENDINGS):
            inside = ", ".join(repr(one.filename) for one in members[:3]) or "nothing"
            found = f"{len(members)} files in it: {inside}"
            raise DeliveryRefused(name, expected="one CSV file in the zip", found=found, to_do="unzip it")
        if members[0].flag_bits & 1:
            raise DeliveryRefused(name, expected="a zip without a password", found="one with it", to_do="unzip it")
        with archive.open(members[0]) as stream:
            yield from _unpacked(stream, path.stat().st_size, name)


def _parquet(path: Path, name: str, sent: SentText | None) -> Iterator[bytes]:
    # The columns are cast one batch at a time, so memory stays bounded.
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet as pq

    file = pq.ParquetFile(path)
    is_first = True
    for batch in file.iter_batches():
        columns = [_text(batch.column(at), field, name, sent) for at, field in enumerate(batch.schema)]
        table = pa.table(columns, names=batch.schema.names)
        text = io.BytesIO()
        pyarrow.csv.write_csv(table, text, pyarrow.csv.WriteOptions(include_header=is_first, delimiter=";"))
        is_first = False
        yield text.getvalue()


def _text(column: pa.Array, field: pa.Field, name: str, sent: SentText | None) -> pa.Array:
    """A Parquet column as delivered text: whole floats without decimals, days without midnight, yes and no."""
    import pyarrow as pa
    import pyarrow.compute as pc

    found: Any = column
    if pa.types.is_dictionary(field.type):
        found = found.dictionary_decode()
    if pa.types.is_nested(found.type) or pa.types.is_binary(found.type) or pa.types.is_large_binary(found.type):
        raise DeliveryRefused(
            name,
            expected="columns of numbers, text, days and booleans",
            found=f"{field.name!r} of type {field.type}",
            to_do="write it as text",
        )
    if pa.types.is_boolean(found.type):
        return pc.if_else(found, YES_NO[1], YES_NO[0])
    if pa.types.is_decimal(found.type):
        found = pc.cast(found, pa.float64())
    if pa.types.is_floating(found.type):
        found = pc.if_else(pc.is_nan(found), None, found)
        is_whole = pc.and_(pc.equal(found, pc.round(found)), pc.less(pc.abs(found), 1e15))
        whole = pc.cast(pc.if_else(is_whole, found, None), pa.int64())
        text = _without_exponents(pc.cast(found, pa.string()))
        sign = sent.decimal_sign(field.name) if sent else "."
        return pc.coalesce(pc.cast(whole, pa.string()), pc.replace_substring(text, ".", sign))
    text = pc.cast(found, pa.string())
    if pa.types.is_timestamp(found.type):
        return pc.replace_substring_regex(pc.replace_substring_regex(text, r"\.0+(Z?)$", r"\1"), " 00:00:00Z?$", "")
    # A line end would begin another row.
    return pc.replace_substring_regex(text, r"[\r\n]+", r"\\n")


def _without_exponents(texts: pa.Array) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pc.any(pc.match_substring(texts, "e")).as_py():
        return texts
    plain = [number_text(float(text)) if text and "e" in text else text for text in texts.to_pylist()]
    return pa.array(plain, pa.string())


_READERS: Final = {".gz": _gzip, ".zip": _zip, ".parquet": _parquet}
