"""Production's ports of the loop: tables and ledger on one side, the run that is wanted next on the other.

Everything is read from what is stored: scores by the champions of their days, the last assessment, verdicts since. So
the next look finds whatever was interrupted. A fit is a run, and the loop continues when its verdict is recorded.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any, Final

import dagster as dg
import numpy as np
from sqlalchemy import Engine

from bank_assets.core.arrays import DayArray
from bank_assets.core.drift.covariate_shift import Reference
from bank_assets.core.drift.daily_profiles import DailyProfiles
from bank_assets.core.response.loop import FITS, Assessment, KnownFacts, Position, advance, after_verdict, days_to_judge
from bank_assets.core.response.policy import Response, ResponseAction, ResponseState, ViolationKind
from bank_assets.core.training.algorithms import ALGORITHMS
from bank_assets.core.training.recipes import Recipe
from bank_assets.jobs import PERFORMANCE, REFIT, SCORING, SEARCH
from bank_assets.ledger import promotions, responses
from bank_assets.ledger.responses import Judged, verdict_on
from bank_assets.loop.requests import ATTEMPTS, TAG_AS_OF, TAG_EPISODE, TAG_WORK, RunWanted, attempts_of
from bank_assets.settings import Settings
from bank_assets.sources.source import open_from
from bank_assets.store.champion_history import ChampionHistory
from bank_assets.store.contact_store import ContactStore, StoredEvidence, learning_as_of
from bank_assets.store.derivations import Derived
from bank_assets.store.lineage import PROFILES, REPORTED_OUTCOMES, SCORES, passed_months, stale_scores, state
from bank_assets.store.registry import Registry
from bank_assets.store.warehouse import Warehouse

DRIFT: Final = "drift"
PERFORMED: Final = "performance"
_FIT_ASSETS: Final = ("training_set", "challenger", "champion_scores", "champion_model")


@dataclass(frozen=True, slots=True)
class NextStep:
    """What comes next: a message with the numbers, and the run to request, if any.

    `owner` is the sensor that requests it, `drift` or `performance`; `is_idle` says that nothing is left to do.
    """

    message: str
    wanted: RunWanted | None = None
    owner: str = PERFORMED
    is_idle: bool = False


class ResponseLoop:
    """The loop's `LoopPorts` over what is stored."""

    def __init__(self, settings: Settings, engine: Engine, instance: dg.DagsterInstance) -> None:
        self._settings, self._engine, self._instance = settings, engine, instance
        self._store = Warehouse(settings.tables, settings.warehouse)
        self._champions = ChampionHistory.of(engine)
        self._contacts = ContactStore(self._store, settings.contract, settings.feedback)
        self._months = passed_months(self._store)
        self._last: Judged | None = None
        self._seq = 0
        self._promotion_id = 0

    def next_step(self) -> NextStep:
        """Assess what can be assessed, and say what has to run before more can be.

        Raises:
            AlreadyJudgedError: the other sensor assessed the day in the meantime.
        """
        if not self._months:
            return NextStep("no month has passed its gate yet.", is_idle=True)
        stale = stale_scores(self._store, self._champions, self._lists)
        if stale:
            return NextStep(f"scores of {len(stale)} month(s) are by other champions.", self._rescore(stale))
        requested = advance(self)
        if requested is None:
            return self._published()
        owner = DRIFT if requested.kinds == [ViolationKind.COVARIATES] else PERFORMED
        reason = "; ".join(requested.reasons)
        return NextStep(f"{requested.as_of}: {requested.action}: {reason}", self._fit(requested), owner)

    def left(self) -> list[str]:
        """What is left to do under a champion, one sentence per kind of work; nothing is assessed or recorded."""
        if not self._months:
            return []
        left = [f"scores of {month} are stale" for month in stale_scores(self._store, self._champions, self._lists)]
        position = self.position()
        if position.requested is not None:
            left.append(f"{position.requested.action} of {position.requested.as_of} is not done")
        days = days_to_judge(self.days(), self.reached(), position.state)
        left += [f"{len(days)} day(s) up to {days[-1]} are not judged"] if len(days) else []
        return left if self._published_state.is_current else [*left, "the state is not published"]

    # scores, state

    def _rescore(self, stale: Mapping[str, Derived]) -> RunWanted:
        first, last = min(stale), max(stale)
        return RunWanted(
            PERFORMANCE,
            {month: derived.fingerprint for month, derived in stale.items()},
            f"scores of {first} to {last} by the champions of their days",
            (first, last),
            assets=[REPORTED_OUTCOMES.name, SCORES.name, "performance_report"],
        )

    def _published(self) -> NextStep:
        last = self._last
        as_of = last.as_of if last else "no day"
        published = self._published_state
        if self._champions.current is None or published.is_current:
            return NextStep(f"every day is judged, the last is {as_of}; {_reported(last)}", is_idle=True)
        moved = f"intercept {last.shift:+.3f}" if last else "first state"
        wanted = RunWanted(
            SCORING,
            {"mark": published.fingerprint},
            f"state of {as_of}: {moved}",
            tags={TAG_AS_OF: as_of},
        )
        return NextStep(f"the state of {as_of} is not published yet ({moved}).", wanted)

    @property
    def _published_state(self) -> Derived:
        return state(self._store, self._champions, self.reached(), self._settings.contract, self._lists)

    # Fits

    def settle(self, requested: Judged) -> bool:
        """Whether the requested fit ended without a verdict; a verdict would be a row of `promotions`."""
        wanted = self._fit(requested)
        done = self._instance.get_runs_count(
            dg.RunsFilter(tags={TAG_WORK: wanted.digest}, statuses=[dg.DagsterRunStatus.SUCCESS])
        )
        failed = attempts_of(self._instance, wanted).failed
        if not done and failed < ATTEMPTS:
            return False
        why = "its run gave no verdict" if done else f"its run failed {failed} times"
        reason = f"the fit of {requested.as_of} counts as refused: {why}"
        state = after_verdict(self.position().state, requested.as_of, is_promoted=False)
        answer = Response(ResponseAction.NONE, (reason,), state, episode_id=requested.episode_id, is_alert=True)
        self._append(requested.as_of, answer, requested.shift, {})
        return True

    def _fit(self, requested: Judged) -> RunWanted:
        is_search = requested.action == ResponseAction.SEARCH
        as_of, reason = requested.as_of, "; ".join(requested.reasons)
        operations: dict[str, Any] = {
            "training_set": {"config": {"as_of": as_of}},
            "challenger": {"config": {"mode": "search" if is_search else "refit"}},
        }
        # Later days are delivered already, so their scores, and perhaps more fits, come before the state.
        catches_up = np.datetime64(as_of, "D") < self.reached()
        assets = [*_FIT_ASSETS, *(ALGORITHMS if is_search else ())] if catches_up else None
        return RunWanted(
            SEARCH if is_search else REFIT,
            {"run_key": requested.run_key, "judged_at": requested.at},
            f"{requested.action} as of {as_of}: {reason}",
            config={"ops": operations},
            assets=assets,
            tags={TAG_AS_OF: as_of, TAG_EPISODE: requested.episode_id or requested.run_key},
            key=requested.run_key,
        )

    # Record

    def position(self) -> Position[Judged]:
        """The last row, and every verdict since, given by a gate or by a person.

        Rows and verdicts of days that the data no longer reaches, because wrong dates were corrected, do not count: the
        loop continues from the row before them.
        """
        reached = str(self.reached())
        newest, self._last = responses.latest(self._engine), responses.latest(self._engine, until=reached)
        self._seq, last = 0 if newest is None else newest.seq, self._last
        rows = promotions.history(self._engine, limit=1)
        self._promotion_id = rows[0].id if rows else 0
        state = ResponseState() if last is None else ResponseState.from_json(last.state)
        # Recalibrations are left out: they change the as-of state, not what the loop waits for.
        since = promotions.history(self._engine, limit=100_000, after=0 if last is None else last.promotion_id)
        for row in (one for one in reversed(since) if one.kind != "recalibration"):
            state = after_verdict(
                state,
                row.as_of if row.as_of is None or row.as_of <= reached else None,
                is_promoted=row.decision == "promoted",
                is_on_probation=promotions.is_on_probation(self._engine, str(row.to_version)),
                is_rollback=row.kind == "rollback",
            )
        if last is None:
            return Position(state, 0.0, None)
        is_pending = last.action in FITS and verdict_on(last, since) is None
        return Position(state, last.shift, last if is_pending else None)

    def keep(self, assessment: Assessment) -> None:
        """Append one row."""
        day, evidence = str(assessment.day), assessment.evidence
        self._append(day, assessment.response, evidence.shift_now, evidence.to_record())

    def _append(self, as_of: str, answer: Response, shift: float, evidence: Mapping[str, Any]) -> None:
        """Append a row. It claims the next number, so that two sensors record a day once."""
        row = {**asdict(answer), "state": answer.state.to_json(), "evidence": evidence}
        row |= {"seq": self._seq + 1, "promotion_id": self._promotion_id}
        self._last = responses.append(self._engine, as_of=as_of, shift=shift, **row)
        self._seq += 1

    # Scores

    def days(self) -> DayArray:
        """Days with contacts, of the months that passed their gate."""
        return self._days

    @cached_property
    def _days(self) -> DayArray:
        return self._contacts.days(self._months)

    @cached_property
    def _lists(self) -> list[str]:
        return self._contacts.lists(self._months)

    def reached(self) -> np.datetime64:
        """The first day that training leaves out."""
        return learning_as_of(self._days, open_from(self._settings.landing))

    def known(self, day: np.datetime64) -> KnownFacts:
        """The tables: scores by the champions of their days, outcomes, counts.

        The evidence leaves out what a day does not know, but for outcomes that were corrected since.
        """
        known, last_correction = self._known
        if day <= last_correction:  # never true of NaT
            return replace(known, scored=self._evidence(day).scored)
        return known

    def _evidence(self, as_of: np.datetime64 | None = None) -> StoredEvidence:
        return self._contacts.evidence(self._months, "unshifted_proba", as_of)

    @cached_property
    def _known(self) -> tuple[KnownFacts, np.datetime64]:
        counted = self._store.manifest(PROFILES.name)
        profiles = [month for month in self._months if month in counted and counted[month].rows]
        daily = DailyProfiles.from_table(self._store.read(PROFILES.name, profiles), self._settings.contract)
        scored, _, last_correction = self._evidence()
        return KnownFacts(scored, daily, self._reference(daily)), last_correction

    def _reference(self, daily: DailyProfiles) -> Reference:
        if self._champions.current is None:
            return Reference({}, 0.0)
        settings = self._settings
        registry = Registry(settings.mlflow_uri, settings.mlflow_artifacts, settings.home / "models")
        decision = json.loads(registry.bundle(self._champions.current)["decision.json"])
        as_of = np.datetime64(decision["training"]["as_of"], "D").astype("datetime64[D]").item()
        return Reference.of(daily, as_of, Recipe.from_dict(decision["recipe"]).half_life_days)


def _reported(judged: Judged | None) -> str:
    return "" if judged is None else f"{judged.action}: {'; '.join(judged.reasons) or 'nothing is violated'}"
