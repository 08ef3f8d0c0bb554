"""Production's ports of the loop: tables and ledger on one side, the run that is wanted next on the other.

Everything is read from what is stored: scores by the champions in force, the last assessment, verdicts since. So the
next look finds whatever was interrupted. A fit is a run, and the loop continues when its verdict is recorded.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Final

import dagster as dg
import numpy as np
from sqlalchemy import Engine

from bank_assets.core.arrays import DayArray
from bank_assets.core.drift.covariate_shift import Reference
from bank_assets.core.drift.daily_profiles import DailyProfiles
from bank_assets.core.features.contacts import ScoredContacts
from bank_assets.core.response.loop import FITS, Assessment, KnownFacts, Position, advance, after_verdict
from bank_assets.core.response.policy import ResponseAction, ResponseState, ViolationKind
from bank_assets.core.training.algorithms import ALGORITHMS
from bank_assets.core.training.recipes import Recipe
from bank_assets.jobs import PERFORMANCE, REFIT, SCORING, SEARCH
from bank_assets.ledger import promotions, responses
from bank_assets.ledger.responses import Judged
from bank_assets.loop.requests import ATTEMPTS, TAG_AS_OF, TAG_EPISODE, TAG_WORK, RunWanted, attempts_of
from bank_assets.settings import Settings
from bank_assets.store.champion_history import ChampionHistory
from bank_assets.store.contact_store import ContactStore
from bank_assets.store.derivations import Derived
from bank_assets.store.lineage import PROFILES, REPORTED_OUTCOMES, SCORES, passed_months, stale_scores, state
from bank_assets.store.warehouse import Warehouse

DRIFT: Final = "drift"
PERFORMED: Final = "performance"
DecisionOf = Callable[[str], Mapping[str, Any]]
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

    def __init__(
        self, settings: Settings, engine: Engine, instance: dg.DagsterInstance, decision_of: DecisionOf
    ) -> None:
        """Look at a deployment; `decision_of` gives the decision.json of a model version."""
        self._settings, self._engine, self._instance = settings, engine, instance
        self._decision_of = decision_of
        self._store = Warehouse(settings.warehouse)
        self._champions = ChampionHistory.of(engine)
        self._contacts = ContactStore(self._store, settings.contract)
        self._months: Sequence[str] = ()
        self._newest: np.datetime64 = np.datetime64("1970-01-01", "D")
        self._last: Judged | None = None
        self._promotion_id = 0

    def next_step(self) -> NextStep:
        """Assess what can be assessed, and say what has to run before more can be.

        Raises:
            AlreadyJudgedError: the other sensor assessed the day in the meantime.
        """
        self._months = passed_months(self._store)
        if not self._months:
            return NextStep("no month has passed its gate yet.", is_idle=True)
        stale = stale_scores(self._store, self._champions)
        if stale:
            return NextStep(f"scores of {len(stale)} month(s) are by other champions.", self._rescore(stale))
        self._newest = self._contacts.learning_as_of(self._settings.landing, self._months)
        if advance(self):
            return self._published()
        assert self._last is not None
        return self._fit(self._last)

    # scores, state

    def _rescore(self, stale: Mapping[str, Derived]) -> RunWanted:
        first, last = min(stale), max(stale)
        return RunWanted(
            PERFORMANCE,
            {month: derived.fingerprint for month, derived in stale.items()},
            f"scores of {first} to {last} under the champions in force",
            (first, last),
            assets=[REPORTED_OUTCOMES.name, SCORES.name, "performance_report"],
        )

    def _published(self) -> NextStep:
        last = self._last
        as_of = last.as_of if last else "no day"
        published = state(self._store, self._champions, self._newest)
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

    # Fits

    def settle(self) -> bool:
        """Whether the fit that was requested last ended without a verdict; a verdict would be a row of `promotions`."""
        requested = self._last
        assert requested is not None
        wanted = self._fit(requested).wanted
        assert wanted is not None
        done = self._instance.get_runs_count(
            dg.RunsFilter(tags={TAG_WORK: wanted.digest}, statuses=[dg.DagsterRunStatus.SUCCESS])
        )
        failed = attempts_of(self._instance, wanted).failed
        if not done and failed < ATTEMPTS:
            return False
        why = "its run gave no verdict" if done else f"its run failed {failed} times"
        position = self.position()
        state = after_verdict(position.state, requested.as_of, is_promoted=False)
        self._append(
            as_of=requested.as_of,
            action=ResponseAction.NONE,
            kinds=[],
            episode_id=requested.episode_id,
            run_key="",
            is_recalibrated=False,
            is_alert=True,
            reasons=[f"the fit of {requested.as_of} counts as refused: {why}"],
            evidence={},
            shift=requested.shift,
            state=state.to_json(),
        )
        return True

    def _fit(self, requested: Judged) -> NextStep:
        is_search = requested.action == ResponseAction.SEARCH
        as_of, reason = requested.as_of, "; ".join(requested.reasons)
        operations: dict[str, Any] = {
            "training_set": {"config": {"as_of": as_of}},
            "challenger": {"config": {"mode": "search" if is_search else "refit"}},
        }
        # Later days are delivered already, so their scores, and perhaps more fits, come before the state.
        catches_up = np.datetime64(as_of, "D") < self._newest
        assets = [*_FIT_ASSETS, *(ALGORITHMS if is_search else ())] if catches_up else None
        wanted = RunWanted(
            SEARCH if is_search else REFIT,
            {"run_key": requested.run_key, "judged_at": requested.at},
            f"{requested.action} as of {as_of}: {reason}",
            config={"ops": operations},
            assets=assets,
            tags={TAG_AS_OF: as_of, TAG_EPISODE: requested.episode_id or requested.run_key},
            key=requested.run_key,
        )
        is_drift = requested.kinds == [ViolationKind.COVARIATES]
        return NextStep(f"{as_of}: {requested.action}: {reason}", wanted, DRIFT if is_drift else PERFORMED)

    # Record

    def position(self) -> Position:
        """The last row, and every verdict since, given by a gate or by a person."""
        self._last = last = responses.latest(self._engine)
        rows = promotions.history(self._engine, limit=1)
        self._promotion_id = rows[0].id if rows else 0
        state = ResponseState() if last is None else ResponseState.from_json(last.state)
        for row in verdicts_after(self._engine, 0 if last is None else last.promotion_id):
            state = after_verdict(
                state,
                row.as_of,
                is_promoted=row.decision == "promoted",
                is_on_probation=promotions.is_on_probation(self._engine, str(row.to_version)),
                is_rollback=row.kind == "rollback",
            )
        is_waiting = last is not None and last.action in FITS and not has_verdict(self._engine, last)
        return Position(state, 0.0 if last is None else last.shift, is_waiting)

    def keep(self, assessment: Assessment) -> None:
        """Append one row. It claims the next number, so that two sensors record a day once."""
        answer, day = assessment.response, str(assessment.day)
        evidence = asdict(assessment.evidence) | {"as_of": day}
        self._append(
            as_of=day,
            action=answer.action,
            kinds=answer.kinds,
            episode_id=answer.episode_id,
            run_key=answer.run_key,
            is_recalibrated=answer.is_recalibrated,
            is_alert=answer.is_alert,
            reasons=answer.reasons,
            evidence=json.loads(json.dumps(evidence, default=float)),
            shift=assessment.evidence.shift_now,
            state=answer.state.to_json(),
        )

    def _append(self, **values: Any) -> None:
        seq = 1 if self._last is None else self._last.seq + 1
        self._last = responses.append(self._engine, seq=seq, promotion_id=self._promotion_id, **values)

    # Scores

    def days(self) -> DayArray:
        """Days with contacts, of the months that passed their gate."""
        dates = self._store.read("contacts", self._months, ["contact_date"]).column("contact_date")
        return np.unique(dates.to_numpy().astype("datetime64[D]"))

    def reached(self) -> np.datetime64:
        """The first day that training leaves out."""
        return self._newest

    def known(self, day: np.datetime64) -> KnownFacts:  # noqa: ARG002 - the evidence leaves out what a day does not know
        """The tables: scores by the champions in force, outcomes, counts."""
        return self._known

    @cached_property
    def _known(self) -> KnownFacts:
        profiles = [month for month in self._months if self._has_profile(month)]
        daily = DailyProfiles.from_table(self._store.read(PROFILES.name, profiles), self._settings.contract)
        return KnownFacts(self._scored(), daily, self._reference(daily))

    def _has_profile(self, month: str) -> bool:
        entry = self._store.entry(PROFILES.name, month)
        return entry is not None and entry.rows > 0

    def _scored(self) -> ScoredContacts:
        contacts = self._contacts.read(self._months)
        stored = [month for month, entry in self._store.manifest(SCORES.name).items() if entry.rows]
        proba = np.full(len(contacts), np.nan)
        if stored:
            scores = self._store.read(SCORES.name, stored, ["contact_id", "unshifted_proba"])
            values = scores.column("unshifted_proba").to_numpy()
            position = {contact: row for row, contact in enumerate(scores.column("contact_id").to_pylist())}
            rows = np.asarray([position.get(contact, -1) for contact in contacts.contact_ids], dtype=np.int64)
            proba = np.where(rows >= 0, np.append(values, np.nan)[rows], np.nan)
        return contacts.scored(proba)

    def _reference(self, daily: DailyProfiles) -> Reference:
        if self._champions.current is None:
            return Reference({}, 0.0)
        decision = self._decision_of(self._champions.current)
        as_of = np.datetime64(decision["training"]["as_of"], "D").astype("datetime64[D]").item()
        return Reference.of(daily, as_of, Recipe.from_dict(decision["recipe"]).half_life_days)


def verdicts_after(engine: Engine, promotion_id: int) -> list[promotions.Promotion]:
    """Verdicts on models after a row of `promotions`, oldest first; recalibrations are left out."""
    rows = promotions.history(engine, limit=100_000)
    return [row for row in reversed(rows) if row.id > promotion_id and row.kind != "recalibration"]


def has_verdict(engine: Engine, requested: Judged) -> bool:
    """Whether the fit that a day requested has a verdict."""
    found = verdicts_after(engine, requested.promotion_id)
    return any(row.as_of == requested.as_of and row.kind != "rollback" for row in found)


def _reported(judged: Judged | None) -> str:
    return "" if judged is None else f"{judged.action}: {'; '.join(judged.reasons) or 'nothing is violated'}"
