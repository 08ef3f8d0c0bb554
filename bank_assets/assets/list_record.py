"""The call lists of the pipeline on record: every row as a decision, each content once."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory
from typing import Any, Final

from sqlalchemy import Engine

from bank_assets.contract.contract import Contract
from bank_assets.core.economics.call_plan import CallPlan
from bank_assets.core.economics.planner import PlanSettings
from bank_assets.landing.register import read_manifest
from bank_assets.ledger import campaigns, list_life
from bank_assets.ledger.campaigns import CampaignList
from bank_assets.ledger.contact_history import PIPELINE
from bank_assets.ledger.ids import new_id
from bank_assets.spark.scoring import payload_of, read_list
from bank_assets.spark.workers import ONE_PROCESS
from bank_assets.store.call_lists import CallListFiles, ListScores, csv_parts
from bank_assets.store.campaign_files import FOLDER
from bank_assets.store.decision_records import made_under, rows_of_list

_PARTS: Final = ".list-"
Payload = Mapping[str, Any]  # columns by delivered name, as `ledger.blocks` takes them


@dataclass(frozen=True, slots=True)
class PlannedList:
    """A call list of the pipeline: its plan, and what it was made from."""

    name: str
    file: str  # of its CSV
    plan: CallPlan
    scores: ListScores
    settings: PlanSettings
    facts: dict[str, Any]  # metadata of the scores

    @contextmanager
    def payload(self, warehouse: Path, contract: Contract) -> Iterator[Payload | None]:
        """What the file says of the contacts that were scored, or None if they are not those of the file any more.

        Scores of an earlier release do not say what they were made from, and another contract may read other rows.
        The columns lie in a temporary folder of the home, some rows of them in memory.
        """
        if "recorded" not in self.facts:
            yield None
            return
        arrivals = (one for one in read_manifest(warehouse, FOLDER) if one.sha256 == self.facts["sha256"])
        for left in warehouse.glob(f"{_PARTS}*"):  # by a run that was killed
            rmtree(left, ignore_errors=True)
        with TemporaryDirectory(prefix=_PARTS, dir=warehouse) as folder:
            read = read_list(ONE_PROCESS, next(arrivals), contract, Path(folder))
            yield payload_of(read, contract, self.plan.contact_id, Path(folder) / "payload.parquet")


def is_open(engine: Engine, name: str, sha256: str) -> bool:
    """Whether the list of a file may be made: no version was called by, and the newest did not end."""
    versions = [
        one.id for one in campaigns.versions(engine, name, PIPELINE) if one.request.get("file_sha256") == sha256
    ]
    with engine.connect() as connection:
        return not list_life.is_called(connection, versions) and not list_life.ended(connection, versions[:1])


def _last_version(engine: Engine, name: str) -> CampaignList | None:
    """The version of a list that a new one replaces; None if people call by it or it ended."""
    newest = next(iter(campaigns.versions(engine, name, PIPELINE)), None)
    return newest if newest is not None and is_open(engine, name, newest.request.get("file_sha256", "")) else None


def instead_of(engine: Engine, name: str) -> frozenset[str]:
    """Ids of the lists whose place a new version takes."""
    before = _last_version(engine, name)
    return frozenset() if before is None else frozenset({before.id})


def open_lists(engine: Engine, names: Iterable[str], as_of: str) -> list[CampaignList]:
    """All versions of lists with calls planned for an ISO day or a later one."""
    versions = (one for name in names for one in campaigns.versions(engine, name, PIPELINE))
    return [one for one in versions if one.request.get("last_day", "") >= as_of]


def keep(
    engine: Engine, files: CallListFiles, made: PlannedList, payload: Payload | None, contract: Contract
) -> dict[str, Any]:
    """Put a list on record, unless its contacts are unknown, and let its file lie ready; returns id and file."""
    if payload is None:
        files.write(made.file, csv_parts(made.plan, made.scores, made.name))
        return {"csv": made.file}
    version = put_on_record(engine, made, payload, contract)
    if not files.has(file := str(version.content_path)):
        files.write(file, csv_parts(made.plan, made.scores, version.id))
    return {"csv": file, "list_id": version.id}


def put_on_record(engine: Engine, made: PlannedList, payload: Payload, contract: Contract) -> CampaignList:
    """Record a list with all its rows and return it, or the newest version if that has the same rows."""
    economics, recorded = made.settings.economics, made.facts["recorded"]
    rows = rows_of_list(made.plan, made.scores, payload, contract, economics.calls_from)
    digest = rows.digest(recorded)
    before = _last_version(engine, made.name)
    if before is not None and before.request["rows_sha256"] == digest:
        return before
    list_id, facts, content = new_id(), made.facts, hashlib.sha256()
    for part in csv_parts(made.plan, made.scores, list_id):
        content.update(part)
    read = {"file_sha256": facts["sha256"], "rows_sha256": digest, "rows_rejected": facts["n_rejected"]}
    version = CampaignList(
        id=list_id,
        actor=PIPELINE,
        name=made.name,
        model_version=made.scores.model_version,
        model_digest=made.scores.model_digest,
        economics=economics.to_dict(),
        request=made_under(made.plan, made.settings, made.scores, **read),
        summary={name: part for name, part in made.plan.summary().items() if name != "curve"},
        content_digest=content.hexdigest(),
        content_path=made.file,
        revises=None if before is None else before.id,
    )
    return campaigns.keep_list(engine, version, rows, recorded)
