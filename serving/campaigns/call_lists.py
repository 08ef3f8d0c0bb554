"""Call lists of the campaign page: score a list once, plan it whenever a setting changes, keep the result."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import IO, Any, Final

from sqlalchemy import Connection, Engine

from bank_assets.contract.contract import Contract
from bank_assets.contract.names import CALLS, HOLDOUT
from bank_assets.contract.sent_text import SentText
from bank_assets.contract.values import value_text
from bank_assets.core.economics.contact_policy import ContactHistory
from bank_assets.core.economics.planner import PlanError, PlanSettings
from bank_assets.core.economics.suppression import CUSTOMER_ID
from bank_assets.core.features.feature_set import plans_by_day
from bank_assets.ledger import campaigns
from bank_assets.ledger.campaigns import CampaignList
from bank_assets.ledger.contact_history import newest_event
from bank_assets.ledger.ids import new_id
from bank_assets.store.call_lists import GROUPS, CallListFiles, ListScores, csv_of
from bank_assets.store.campaign_files import FOLDER, CampaignFiles, UnknownCampaignError
from bank_assets.store.contact_history import ListInQuestion, history_of
from bank_assets.store.decision_records import facts_of_list, facts_of_model, made_under, rows_of_list
from bank_assets.store.list_designs import ListDesigns
from serving.campaigns.planning import PlannedCampaign, ScoredCampaign, plan_contacts, score_contacts
from serving.champion.champion import Champion, PublishedState
from serving.customers.suppressions import Suppressions
from serving.decisions.payloads import Payloads
from serving.decisions.schemas import PredictionRequest
from serving.decisions.uploads import MAX_ROWS, BatchError, Row, csv_rows, is_longer
from serving.web.problems import ConflictError, FieldError, NotFoundError, PayloadError
from serving.web.remembered import Remembered

FIRST_ROWS: Final = 1_000  # of a longer upload, read before it is delivered
REMEMBERED: Final = 4  # scored lists kept in memory; 100,000 contacts take some 60 MB


@dataclass(frozen=True, slots=True)
class CampaignContacts:
    """A list, read."""

    digest: str
    contacts: list[PredictionRequest]
    rejected: list[BatchError]


@dataclass(frozen=True, slots=True)
class ScoredList:
    """Contacts of a file or of a request, read and scored as the plan of their days.

    The seed names the list in the draws of its explorers and its hold-out group. A file's follows from its name and
    content: the same file, the same draws.
    """

    name: str  # for people
    key: str  # of the file, "" for the contacts of a request
    read: CampaignContacts
    scored: ScoredCampaign
    seed: str


@dataclass(frozen=True, slots=True)
class CallListService:
    """Scores, plans and keeps lists."""

    ledger: Engine
    suppressions: Suppressions
    files: CampaignFiles
    kept: CallListFiles
    nightly: CallListFiles  # of the pipeline
    designs: ListDesigns
    payloads: Payloads
    code_version: str
    landing: Path  # folder of deliveries
    _scored: Remembered[ScoredList] = field(default_factory=lambda: Remembered(REMEMBERED))
    _histories: Remembered[ContactHistory] = field(default_factory=lambda: Remembered(REMEMBERED))

    def scored(self, key: str, champion: Champion, published: PublishedState) -> ScoredList:
        """Score a file, or remember its scores."""
        file = self.files.get(key)

        def score() -> ScoredList:
            read = read_contacts(file.path, self.payloads, file.name)
            day = dt.date.fromisoformat(published.as_of)  # of the rows that state none
            scored = score_contacts(read.contacts, day, champion, published, self.payloads)
            return ScoredList(file.name, key, read, scored, f"{file.name}-{read.digest[:16]}")

        try:
            return self._scored.get((key, file.stamp, champion.digest, published.digest), score)
        except FileNotFoundError:  # deleted since it was listed
            raise UnknownCampaignError(key) from None

    def planned(
        self, key: str, settings: PlanSettings, champion: Champion, published: PublishedState, revises: str = ""
    ) -> tuple[ScoredList, PlannedCampaign]:
        """Plan a file under the suppression list as it is now; errors are those of `plan_contacts`."""
        chosen = self.scored(key, champion, published)
        protected = self.protected(settings, chosen, revises)
        return chosen, plan_contacts(chosen.scored, protected, self.suppressions.read(), chosen.seed)

    def protected(self, settings: PlanSettings, chosen: ScoredList, revises: str = "") -> PlanSettings:
        """Settings with what the contact policy has to know about the customers of a list, which may replace one."""
        scored, digest = chosen.scored, chosen.read.digest

        def read() -> ContactHistory:
            with self.ledger.connect() as connection:  # the other lists of a file end before one is made
                ending = {revises, *(one.id for one in campaigns.of_file(connection, digest))}
            about = ListInQuestion(chosen.name, instead_of=frozenset(ending))
            return history_of(self.ledger, settings.policy, scored.persons, scored.contact_date, about)

        now = (chosen.seed, digest, revises, scored.published.digest, newest_event(self.ledger))
        return replace(settings, history=self._histories.get(now, read))

    def is_delivered(self, name: str) -> bool:
        """Whether a list of this name lies among the deliveries."""
        try:
            return bool(name) and (self.landing / FOLDER / Path(name).name).is_file()
        except OSError:  # such as a name that is too long for any file
            return False

    def take_upload(self, name: str, content: IO[bytes]) -> dict[str, str]:
        """Keep an analyst's list, or deliver a longer one; returns what the page is asked for next.

        The file is read before, the first rows of a longer one, so that one that does not fit is refused at once.
        """
        if not is_longer(content):
            kept = self.files.keep(name, content, lambda path, known_as: read_contacts(path, self.payloads, known_as))
            return {"list": kept.key}
        check_first_rows(content, self.payloads, name)
        try:
            return {"delivered": self.files.deliver(self.landing, name, content)}
        except OSError as error:
            raise ConflictError(
                f"{name}: expected a landing folder that this app may write to, since more than {MAX_ROWS:,} rows are "
                f"delivered to the pipeline, found {error.strerror or error}; put the file into landing/{FOLDER}."
            ) from error

    def keep(
        self,
        chosen: ScoredList,
        planned: PlannedCampaign,
        actor: str,
        revises: str | None = None,
        check: Callable[[Connection], None] = lambda _: None,
    ) -> CampaignList:
        """Write the list's CSV files and put the list on record with every row; its id is in the rows of the files.

        `check` raises within the transaction if the list that this one `revises` may not be replaced.
        """
        if not planned.plan.called.n_calls:
            raise PlanError("call list: expected at least one call, found none under these settings; change them.")
        list_id, scored, settings = new_id(), planned.scored, planned.settings
        champion, as_of = scored.champion, scored.published.as_of
        scores = ListScores(
            scored.contact_date,
            scored.scores.low,
            scored.scores.high,
            champion.version,
            champion.digest,
            as_of,
            scored.persons if CUSTOMER_ID in scored.frame else None,
            None if (hours := settings.policy.hours) is None else hours.windows(scored.contact_date, scored.frame),
        )
        digests = {}
        for group in GROUPS:
            content = csv_of(planned.plan, scores, list_id, group)
            digests[group] = hashlib.sha256(content).hexdigest()
            self.kept.write(f"{list_id}-{group}.csv", content)
        summary = {name: part for name, part in planned.plan.summary().items() if name != "curve"}
        read: dict[str, str | int] = {
            "list_key": chosen.key,
            "file_sha256": chosen.read.digest,
            campaigns.HOLDOUT_DIGEST: digests[HOLDOUT],
            "rows_rejected": len(chosen.read.rejected),
        }
        made = CampaignList(
            id=list_id,
            actor=actor,
            name=chosen.name,
            model_version=champion.version,
            model_digest=champion.digest,
            economics=settings.economics.to_dict(),
            request=made_under(planned.plan, replace(settings, suppression=planned.suppression), scores, **read),
            summary={**summary, "forecast": asdict(planned.forecast)},
            content_digest=digests[CALLS],
            content_path=f"{list_id}-{CALLS}.csv",
            revises=revises,
        )
        calls_from = settings.economics.for_model(champion.decision).calls_from
        rows = rows_of_list(planned.plan, scores, scored.frame, scored.contract, calls_from)
        kept = campaigns.keep_list(self.ledger, made, rows, self._facts(scored), check)
        self.designs.keep(planned.plan, scores, list_id)  # nobody calls by a list that is not on record
        return kept

    def _facts(self, scored: ScoredCampaign) -> dict[str, Any]:
        """What the rows of a list share."""
        champion, state = scored.champion, scored.published.state
        known = champion.version, champion.digest, champion.decision, champion.run_id
        facts = facts_of_model(*known, scored.contract, self.code_version)
        plans = plans_by_day(scored.frame, scored.contact_date, champion.contract)
        return facts_of_list(facts, champion.decision, state, plans)

    def has_file(self, kept: CampaignList) -> bool:
        """True if the file of a list on record is still there."""
        name = kept.content_path
        return name is not None and (self.kept.has(name) or self.nightly.has(name))

    def content(self, kept: CampaignList, group: str) -> bytes:
        """A CSV file of a kept list; a `ConflictError` if it is not the one on record."""
        name = {CALLS: kept.content_path, HOLDOUT: f"{kept.id}{campaigns.HOLDOUT_FILE}"}.get(group)
        content = None if name is None else self.kept.read(name) or self.nightly.read(name)
        if content is None:
            raise NotFoundError(
                f"call list {kept.id}: expected its file of {' or '.join(GROUPS)}, found none of {group[:40]!r}; "
                "make the list again."
            )
        digest = campaigns.file_digest(self.ledger, kept, group)
        if digest not in (None, found := hashlib.sha256(content).hexdigest()):
            raise ConflictError(
                f"call list {kept.id}: expected its file of {group} with the SHA-256 {digest}, found {found}: "
                "it was changed on disk. Restore it from a backup, or make the list again; nobody may call by it."
            )
        return content


def example_list(day: str, contract: Contract) -> str:
    """A list of one made-up customer in the form of an upload."""
    values = {column.source: value_text(column.typical, contract.signs(column)) for column in contract.payload}
    values |= {column.source: "example-1" for column in contract.identifiers.values()}
    values |= {contract.contact_date.source: day}
    names = [name for name in contract.campaign_columns if name in values]
    return "\n".join(";".join(f'"{text}"' for text in row) for row in (names, [values[name] for name in names])) + "\n"


def read_contacts(path: Path, payloads: Payloads, name: str) -> CampaignContacts:
    """Read a list: good rows, and bad ones with their reason; its name says who sent it."""
    with path.open("rb") as stream:
        if is_longer(stream):
            expected = f"at most {MAX_ROWS:,} rows to plan them on this page"
            raise PayloadError(FieldError("", expected, "more; the pipeline plans such a list in its next run"))
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
        stream.seek(0)
        contacts, rejected = _contacts_of(_rows(stream, payloads, name))
    return CampaignContacts(digest, contacts, rejected)


def check_first_rows(content: IO[bytes], payloads: Payloads, name: str) -> None:
    """Raise `PayloadError` if the header of a list does not fit, or none of its first rows; the rest is not read."""
    _contacts_of(islice(_rows(content, payloads, name), FIRST_ROWS))
    content.seek(0)


def _rows(stream: IO[bytes], payloads: Payloads, name: str) -> Iterator[Row]:
    def reading(raw: Mapping[str, str]) -> PredictionRequest:
        contact = payloads.request_of_text(raw)
        if contact.contact_id is None:
            raise PayloadError(FieldError(payloads.contract.contact_id.source, "whom to call", "nothing"))
        return contact

    return csv_rows(stream, payloads, reading, SentText.of_file(payloads.contract, name))


def _contacts_of(rows: Iterable[Row]) -> tuple[list[PredictionRequest], list[BatchError]]:
    contacts: list[PredictionRequest] = []
    rejected: list[BatchError] = []
    for _, found in rows:
        if isinstance(found, BatchError):
            rejected.append(found)
        else:
            contacts.append(found)
    if not contacts:
        raise PayloadError(*_why_none(rejected))
    return contacts, rejected


def _why_none(rejected: Sequence[BatchError]) -> list[FieldError]:
    """Why a list has no usable row: each kind of fault with its first row and the number of rows."""
    kinds: dict[tuple[str, str], list[tuple[int, str]]] = {}
    for row in rejected:
        for one in row.errors:
            kinds.setdefault((one.field, one.expected), []).append((row.line, one.found))
    found = f"none of {len(rejected)}" if rejected else "a header alone"
    return [
        FieldError("", "at least one usable row", found),
        *(
            FieldError(field, expected, f"{rows[0][1]} in line {rows[0][0]}" + _more(len(rows) - 1))
            for (field, expected), rows in kinds.items()
        ),
    ]


def _more(n_rows: int) -> str:
    return f", and {n_rows} more such rows" if n_rows else ""
