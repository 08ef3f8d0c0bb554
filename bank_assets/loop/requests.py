"""Runs that the loop requests: their tags, ranges of months and keys, and what is in flight.

A run key is derived from the content of the work, so two looks at the same state request one run. Dagster remembers
keys for ever, so a key also counts the finished runs of the same work. Without it, the repeat of a failed run would be
silently dropped, and so would a delivery that returned to a former content.
"""

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import dagster as dg
from dagster import DagsterRunStatus as Status

from bank_assets.partitions import key_of, months_between

RANGE_START: Final = "dagster/asset_partition_range_start"
RANGE_END: Final = "dagster/asset_partition_range_end"
# Digest of the work of a run; the same for its repeats.
TAG_WORK: Final = "bank/work"
TAG_AS_OF: Final = "bank/as_of"
TAG_EPISODE: Final = "bank/episode"
TAG_REASON: Final = "bank/reason"
# Without NOT_STARTED: a daemon that died before it submitted such a run starts it again by its key.
IN_FLIGHT: Final = [Status.QUEUED, Status.STARTING, Status.STARTED, Status.CANCELING]
FAILED: Final = (Status.FAILURE, Status.CANCELED)
FIRST_WAIT_SECONDS: Final = 30.0
LONGEST_WAIT_SECONDS: Final = 600.0
# Failures after which a fit counts as refused; the waits between them last about an hour and a half.
ATTEMPTS: Final = 12
_TAG_LENGTH: Final = 250


@dataclass(frozen=True, slots=True)
class RunWanted:
    """A run that the loop wants.

    Attributes:
        work: what distinguishes this work, JSON-able; hashed into the run key.
        reason: why, for people.
        months: first and last month `YYYY-MM` of the range, None for a job without months.
        assets: names of assets to make; None for all of the job.
        key: readable head of the run key; the work alone is then the identity, since its range may grow meanwhile.
    """

    job: str
    work: Any
    reason: str
    months: tuple[str, str] | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    assets: Sequence[str] | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    key: str | None = None

    @property
    def digest(self) -> str:
        """Identity of the work."""
        content = [self.job, self.work]
        if self.key is None:
            content += [self.months, sorted(self.assets or ())]
        return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:32]

    def request(self, attempt: int = 0, *, run_key: str | None = None) -> dg.RunRequest:
        """The Dagster request, given the number of finished runs of the same work, or a key of its own."""
        tags = {TAG_WORK: self.digest, TAG_REASON: self.reason[:_TAG_LENGTH], **self.tags}
        if self.months is not None:
            tags |= {RANGE_START: key_of(self.months[0]), RANGE_END: key_of(self.months[1])}
        own = self.digest if self.key is None else f"{self.key}-{self.digest[:8]}"
        return dg.RunRequest(
            run_key=run_key or (f"{own}-{attempt}" if attempt else own),
            job_name=self.job,
            run_config=dict(self.config),
            tags=tags,
            asset_selection=None if self.assets is None else [dg.AssetKey(name) for name in self.assets],
        )


@dataclass(frozen=True, slots=True)
class Attempts:
    """What became of earlier runs of the same work.

    Attributes:
        finished: runs that ended. Work whose run succeeded is due again if a file returned to a former content.
        failed: how many of them failed or were cancelled.
        wait_seconds: seconds until the next is due; 0 for now.
    """

    finished: int
    failed: int
    wait_seconds: float


def attempts_of(instance: dg.DagsterInstance, wanted: RunWanted, now: float | None = None) -> Attempts:
    """Runs of the same work so far; the wait after each doubles, from 30 s to 10 min. `now` is in s since the epoch."""
    records = instance.get_run_records(
        dg.RunsFilter(tags={TAG_WORK: wanted.digest}, statuses=[*FAILED, Status.SUCCESS])
    )
    if not records:
        return Attempts(0, 0, 0.0)
    ended = max(record.end_time or record.update_timestamp.timestamp() for record in records)
    wait = min(FIRST_WAIT_SECONDS * 2.0 ** (len(records) - 1), LONGEST_WAIT_SECONDS)
    failed = sum(record.dagster_run.status in FAILED for record in records)
    return Attempts(len(records), failed, max(0.0, ended + wait - (time.time() if now is None else now)))


def in_flight(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    """Unfinished runs of any job: what they make is not stored yet."""
    return list(instance.get_runs(filters=dg.RunsFilter(statuses=IN_FLIGHT)))


def busy(instance: dg.DagsterInstance) -> dg.SkipReason | None:
    """A reason to wait, if a run is in flight."""
    runs = in_flight(instance)
    if not runs:
        return None
    named = ", ".join(f"{run.job_name} {run.run_id[:8]} ({run.status.value.lower()})" for run in runs[:3])
    return dg.SkipReason(f"{len(runs)} run(s) in flight: {named}; looking again when they are done.")


def ask(
    instance: dg.DagsterInstance, wanted: Sequence[RunWanted], *, now: float | None = None
) -> dg.SensorResult | dg.SkipReason:
    """Request the work that is due, or say why none is; `wanted` is not empty, `now` in s since the epoch."""
    due, waiting = [], []
    for work in wanted:
        before = attempts_of(instance, work, now)
        if before.wait_seconds > 0:
            waiting.append(
                f"{work.job} failed {before.failed} of {before.finished} time(s), again in "
                f"{before.wait_seconds:.0f} s ({work.reason})"
            )
        else:
            due.append(work.request(before.finished))
    return dg.SensorResult(run_requests=due) if due else dg.SkipReason("; ".join(waiting))


def ranges_of(months: Sequence[str], *, gap: int = 3) -> list[tuple[str, str]]:
    """Months as few ranges (first, last), ascending: one run for neighbours, and none over years without work.

    A range may bridge `gap` months without work; each costs some ten events of 40 ms.
    """
    ranges: list[tuple[str, str]] = []
    for month in sorted(set(months)):
        if ranges and len(months_between(ranges[-1][1], month)) - 1 <= gap:
            ranges[-1] = (ranges[-1][0], month)
        else:
            ranges.append((month, month))
    return ranges
