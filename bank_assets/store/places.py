"""Where tables and raw bytes lie: a folder, or a prefix of a bucket (`s3://bucket/prefix`).

A `BucketPath` has the part of pathlib's interface that both need. Region, address and credentials come from the usual
`AWS_…` variables or the machine's role. Importing this module loads no pyarrow, because the web app has none.
"""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from pyarrow.fs import FileInfo, FileSystem, S3FileSystem

SCHEME: Final = "s3://"
ATTEMPTS: Final = 8  # of a request to a bucket that does not answer: about a minute with the waiting in between
CONNECT_SECONDS: Final = 10
_CHUNK_BYTES: Final = 8 << 20


class WarehouseError(RuntimeError):
    """A table cannot be read or written; the message says what was expected, what was found, what to do."""


class Status(NamedTuple):
    """What is known of an object without reading it."""

    st_size: int  # bytes
    st_mtime_ns: int  # since the epoch


@dataclass(frozen=True, slots=True, order=True)
class BucketPath:
    """An object, or what begins with its name and a slash. There are no folders: making one does nothing."""

    key: str  # bucket/prefix/name

    def __truediv__(self, name: str) -> BucketPath:
        return BucketPath(f"{self.key}/{name.strip('/')}")

    def __str__(self) -> str:
        return SCHEME + self.key

    @property
    def name(self) -> str:
        """The last part."""
        return self.key.rpartition("/")[2]

    @property
    def parent(self) -> BucketPath:
        """What it lies in."""
        return BucketPath(self.key.rpartition("/")[0])

    def _info(self) -> FileInfo:
        return bucket_store().get_file_info(self.key)

    def exists(self) -> bool:
        """Whether there is an object of this name, or one below it."""
        return self._info().type.name != "NotFound"

    def is_file(self) -> bool:
        """Whether there is an object of this name, by one request."""
        try:
            bucket_store().open_input_file(self.key).close()
        except FileNotFoundError:
            return False
        return True

    def is_dir(self) -> bool:
        """Whether there is an object below this name."""
        return self._info().type.name == "Directory"

    def stat(self) -> Status:
        """Size and time of an object; raise `FileNotFoundError` if there is none."""
        found = self._info()
        if not found.is_file:
            raise FileNotFoundError(2, "No such object", str(self))
        return Status(found.size, found.mtime_ns)

    def open(self, mode: str = "rb") -> Any:
        """Read an object from any place in it, or write it: it appears, whole, when it is closed."""
        if mode == "wb":
            return bucket_store().open_output_stream(self.key)
        return io.BufferedReader(bucket_store().open_input_file(self.key), _CHUNK_BYTES)

    def read_bytes(self) -> bytes:
        """The content of an object; raise `FileNotFoundError` if there is none."""
        with bucket_store().open_input_file(self.key) as stream:
            return bytes(stream.readall())

    def write_bytes(self, content: bytes) -> None:
        """Put an object, in place of a former one."""
        with self.open("wb") as stream:
            stream.write(content)

    def unlink(self, missing_ok: bool = False) -> None:
        """Remove an object."""
        try:
            bucket_store().delete_file(self.key)
        except FileNotFoundError:
            if not missing_ok:
                raise

    def mkdir(self, mode: int = 0o777, parents: bool = False, exist_ok: bool = False) -> None:
        """Nothing to do."""

    def _listed(self) -> list[FileInfo]:
        from pyarrow.fs import FileSelector

        found: list[FileInfo] = bucket_store().get_file_info(FileSelector(self.key, allow_not_found=True))
        return found

    def iterdir(self) -> Iterator[BucketPath]:
        """What lies directly in it."""
        return (BucketPath(found.path) for found in self._listed())

    def files(self) -> Iterator[tuple[BucketPath, Status]]:
        """The objects directly in it, by one request per thousand."""
        return ((BucketPath(one.path), Status(one.size, one.mtime_ns)) for one in self._listed() if one.is_file)


Place = Path | BucketPath


def place_of(address: str | Place) -> Place:
    """The place of an address: a path, or `s3://bucket/prefix`."""
    if not isinstance(address, str):
        return address
    return BucketPath(address[len(SCHEME) :].strip("/")) if address.startswith(SCHEME) else Path(address)


@lru_cache(maxsize=1)
def bucket_store() -> S3FileSystem:
    """The object store of this process."""
    from pyarrow.fs import AwsStandardS3RetryStrategy, S3FileSystem

    return S3FileSystem(
        region=os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION"),
        endpoint_override=_endpoint() or None,
        retry_strategy=AwsStandardS3RetryStrategy(max_attempts=ATTEMPTS),
        connect_timeout=CONNECT_SECONDS,
    )


def _endpoint() -> str:
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""


def delta_options(place: Place) -> dict[str, str] | None:
    """What delta-rs needs to know of a place."""
    if isinstance(place, Path):
        return None
    options = {"max_retries": str(ATTEMPTS), "connect_timeout": f"{CONNECT_SECONDS}s"}
    if endpoint := _endpoint():
        options |= {"aws_endpoint": endpoint, "allow_http": str(endpoint.startswith("http://")).lower()}
    return options


def arrow(place: Place) -> tuple[str, FileSystem | None]:
    """A place as the functions of `pyarrow.parquet` take it: path and `filesystem`."""
    return (str(place), None) if isinstance(place, Path) else (place.key, bucket_store())


def put(source: Path, target: BucketPath) -> None:
    """Copy a file of this machine into a bucket, a block at a time."""
    with source.open("rb") as content, target.open("wb") as stream:
        shutil.copyfileobj(content, stream, _CHUNK_BYTES)


def remove_tree(place: Place) -> None:
    """Remove a place and all in it, as far as that is possible."""
    if isinstance(place, Path):
        shutil.rmtree(place, ignore_errors=True)
    elif place.is_dir():
        bucket_store().delete_dir(place.key)


@contextmanager
def on_disk(place: Place) -> Iterator[Path]:
    """A file as one of this machine: itself, or a copy for as long as it is needed."""
    if isinstance(place, Path):
        yield place
        return
    with NamedTemporaryFile() as copy, place.open("rb") as stream:
        shutil.copyfileobj(stream, copy, _CHUNK_BYTES)
        copy.flush()
        yield Path(copy.name)


def open_parquet(place: Place, **options: Any) -> Any:
    """A Parquet file; raise `FileNotFoundError` if there is none."""
    import pyarrow.parquet as pq

    path, filesystem = arrow(place)
    return pq.ParquetFile(path, filesystem=filesystem, **options)
