"""Reads a campaign file into a staging folder, in which its scores are made part by part until they are committed."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import dagster as dg
from py4j.protocol import Py4JError

from bank_assets.assets.materialization import discarding
from bank_assets.contract.contract import Contract
from bank_assets.landing.register import Delivery
from bank_assets.spark.java import JavaError
from bank_assets.spark.scoring import ReadList, read_list
from bank_assets.spark.session import SparkStartError
from bank_assets.spark.workers import Workers
from bank_assets.store.lineage import BATCH
from bank_assets.store.places import BucketPath, Place, put
from bank_assets.store.warehouse import Warehouse

_OF_THE_MACHINE: Final = (OSError, MemoryError, JavaError, SparkStartError, Py4JError)


@dataclass(frozen=True, slots=True)
class StagedList:
    """Where tasks write: files of scores, and what lies between two passes.

    Attributes:
        root: the folder of both. The keys of rows are mapped into memory between passes, so if the lake is a bucket, it
            is one of the home.
        target: the staging folder in the lake.
    """

    snapshot: str
    root: Path
    folder: Path
    scratch: Path
    target: Place

    def names(self, files: Sequence[Path]) -> tuple[str, list[str]]:
        """The snapshot, and files relative to it, ready to be committed; the scratch is gone then."""
        shutil.rmtree(self.scratch, ignore_errors=True)
        names = [one.relative_to(self.root).as_posix() for one in files]
        if isinstance(self.target, BucketPath):
            for file, name in zip(files, names, strict=True):
                put(file, self.target / name)
        return self.snapshot, names


@contextmanager
def staged_list(store: Warehouse, name: str) -> Iterator[StagedList]:
    """Stage the scores of a campaign; what was not committed is removed in the end."""
    snapshot, target = store.staging(BATCH.name)
    root = target if isinstance(target, Path) else store.home / "list_parts" / snapshot
    folder = (root / store.name_for(BATCH.name, name)).parent
    with discarding(store, [(BATCH.name, snapshot)]):
        try:
            yield StagedList(snapshot, root, folder, root / "_parts", target)
        finally:
            shutil.rmtree(root / "_parts" if root == target else root, ignore_errors=True)
            with suppress(OSError):  # another list may lie beside it
                (store.home / "list_parts").rmdir()


def readable_list(
    context: dg.AssetExecutionContext, workers: Workers, delivery: Delivery, contract: Contract, scratch: Path
) -> ReadList:
    """The rows of a campaign file; a file that cannot be read counts as refused rows, and the other files go on.

    A fault of the machine is raised, since it says nothing about the file: no room, no memory, or Spark failed.
    """
    try:
        return read_list(workers, delivery, contract, scratch)
    except Exception as error:
        if isinstance(error, _OF_THE_MACHINE) and not isinstance(error, FileNotFoundError):
            raise
        context.log.exception(f"campaign file {delivery.name}: could not be read")
        reason = f"the whole file: expected a list of this contract, found one that ends in {type(error).__name__}"
        return ReadList([], [], (reason,), delivery.rows, {})


def facts_of_reading(delivery: Delivery, read: ReadList) -> dict[str, Any]:
    """What is stored of a file that was read, beside its scores."""
    counts: dict[str, Any] = {"n_rejected": read.n_rejected, "delivered": delivery.rows}
    if read.mapped:
        counts["mapped"] = read.mapped
    return {"sha256": delivery.sha256, "rejected": list(read.rejected), **counts}
