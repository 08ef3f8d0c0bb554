"""The response ladder in production: judged mornings in the ledger, and the one run that is wanted next.

What lives here: `Ladder.next_step`, which both retrain sensors call. What must not: limits and answers
(`core.response.assessment`), Dagster definitions. Called by `response_sensors` and by the status of the loop.

One step at a time, each read from what is stored: scores by the champions in force → verdict of the fit that was asked
for → mornings that were not judged → the published state. So whatever died in between is found by the next look.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import dagster as dg
import numpy as np
from sqlalchemy import Engine

from bank_assets.core.candidates import ALGORITHMS, Recipe
from bank_assets.core.covariate_shift import Reference
from bank_assets.core.daily_profiles import DailyProfiles
from bank_assets.core.performance import ScoredContacts
from bank_assets.core.platform_policy import MINIMUM_CLASS
from bank_assets.core.response.assessment import after_fit
from bank_assets.core.response.loop import Morning, heard, mornings_to_judge, walk
from bank_assets.core.response.policy import Kind, ResponseState, Rung
from bank_assets.core.splits import MINIMUM_SPAN_DAYS
from bank_assets.jobs import PERFORMANCE, REFIT, SCORING, SEARCH
from bank_assets.ledger import promotions, responses
from bank_assets.ledger.responses import Judged
from bank_assets.loop.requests import ATTEMPTS, TAG_AS_OF, TAG_EPISODE, TAG_WORK, RunWanted, attempts_of
from bank_assets.settings import Settings
from bank_assets.store.champion_history import Reign
from bank_assets.store.contact_store import ContactStore
from bank_assets.store.derivations import Derived
from bank_assets.store.lineage import PROFILES, REPORTED_OUTCOMES, SCORES, passed_months, stale_scores, state
from bank_assets.store.warehouse import Warehouse

DRIFT: Final = "drift"
PERFORMED: Final = "performance"
DecisionOf = Callable[[str], Mapping[str, Any]]
_FIT_ASSETS: Final = ("training_set", "challenger", "champion_scores", "champion_model")


@dataclass(frozen=True, slots=True)
class Step:
    """What comes next.

    Attributes:
        message: for people, with the numbers.
        wanted: the run to ask for, or None if there is nothing to do.
        owner: which sensor asks for it: `drift` or `performance`.
        is_idle: nothing is left to do.
    """

    message: str
    wanted: RunWanted | None = None
    owner: str = PERFORMED
    is_idle: bool = False


class Ladder:
    """The stored side of the ladder."""

    def __init__(
        self, settings: Settings, engine: Engine, instance: dg.DagsterInstance, decision_of: DecisionOf
    ) -> None:
        """Look at a deployment.

        Args:
            settings: deployment.
            engine: an open ledger.
            instance: Dagster instance, asked for what became of a fit.
            decision_of: decision.json of a model version.
        """
        self._settings, self._engine, self._instance = settings, engine, instance
        self._decision_of = decision_of
        self._store = Warehouse(settings.warehouse)
        self._reign = Reign.of(engine)
        self._contacts = ContactStore(self._store, settings.contract)

    def next_step(self) -> Step:
        """Judge what can be judged and say what has to run before more can be.

        Raises:
            AlreadyJudgedError: the other sensor judged in the meantime.
        """
        months = passed_months(self._store)
        if not months:
            return Step("no month has passed its gate yet.", is_idle=True)
        stale = stale_scores(self._store, self._reign)
        if stale:
            return Step(f"scores of {len(stale)} month(s) are by other champions.", self._rescore(stale))
        last = responses.latest(self._engine)
        state = self._state(last)
        newest = self._contacts.learning_as_of(self._settings.landing, months)
        if last is not None and last.rung in (Rung.RETRAIN, Rung.SEARCH):
            open_fit = self._open_fit(last, newest)
            if open_fit is not None:
                return open_fit
            last = responses.latest(self._engine)  # the fit was settled without a verdict
            state = self._state(last)
        judged = self._judge(months, newest, last, state)
        if judged is not None and judged.rung in (Rung.RETRAIN, Rung.SEARCH):
            return self._fit(judged, newest)
        return self._published(judged or last, newest)

    # scores, state

    def _rescore(self, stale: Mapping[str, Derived]) -> RunWanted:
        first, last = min(stale), max(stale)
        return RunWanted(
            PERFORMANCE,
            {month: derived.mark for month, derived in stale.items()},
            f"scores of {first} to {last} under the champions in force",
            (first, last),
            assets=[REPORTED_OUTCOMES.name, SCORES.name, "performance_report"],
        )

    def _published(self, judged: Judged | None, newest: np.datetime64) -> Step:
        as_of = judged.as_of if judged else "no morning"
        published = state(self._store, self._reign, newest)
        if self._reign.current is None or published.is_current:
            return Step(f"every morning is judged, the last is {as_of}; {_told(judged)}", is_idle=True)
        moved = f"intercept {judged.shift:+.3f}" if judged else "first state"
        wanted = RunWanted(
            SCORING,
            {"mark": published.mark},
            f"state of {as_of}: {moved}",
            tags={TAG_AS_OF: as_of},
        )
        return Step(f"the state of {as_of} is not published yet ({moved}).", wanted)

    # verdicts

    def _last_promotion(self) -> int:
        rows = promotions.history(self._engine, limit=1)
        return rows[0].id if rows else 0

    def _state(self, last: Judged | None) -> ResponseState:
        """The state after the last morning and after every verdict since."""
        state = ResponseState() if last is None else ResponseState.from_json(last.state)
        for row in verdicts_after(self._engine, 0 if last is None else last.promotion_id):
            promoted = row.decision == "promoted"
            state = heard(state, row.as_of, is_promoted=promoted, is_rollback=row.kind == "rollback")
        return state

    def _open_fit(self, asked: Judged, newest: np.datetime64) -> Step | None:
        """The fit that was asked for, until its verdict is known; None once it is."""
        if has_verdict(self._engine, asked):
            return None
        step = self._fit(asked, newest)
        assert step.wanted is not None
        done = self._instance.get_runs_count(
            dg.RunsFilter(tags={TAG_WORK: step.wanted.digest}, statuses=[dg.DagsterRunStatus.SUCCESS])
        )
        failed = attempts_of(self._instance, step.wanted).failed
        if not done and failed < ATTEMPTS:
            return step
        why = "its run gave no verdict" if done else f"its run failed {failed} times"
        self._settle(asked, f"the fit of {asked.as_of} counts as refused: {why}")
        return None

    def _settle(self, asked: Judged, reason: str) -> None:
        state = after_fit(self._state(asked), np.datetime64(asked.as_of, "D"), is_promoted=False)
        responses.append(
            self._engine,
            seq=asked.seq + 1,
            as_of=asked.as_of,
            rung=Rung.NONE,
            kinds=[],
            episode_id=asked.episode_id,
            run_key="",
            is_recalibrated=False,
            is_alert=True,
            reasons=[reason],
            evidence={},
            shift=asked.shift,
            promotion_id=self._last_promotion(),
            state=state.to_json(),
        )

    def _fit(self, asked: Judged, newest: np.datetime64) -> Step:
        is_search = asked.rung == Rung.SEARCH
        as_of, reason = asked.as_of, "; ".join(asked.reasons)
        operations: dict[str, Any] = {
            "training_set": {"config": {"as_of": as_of}},
            "challenger": {"config": {"mode": "search" if is_search else "refit"}},
        }
        # Days after this morning are delivered already: their scores, and more fits perhaps, come before the state.
        catches_up = np.datetime64(as_of, "D") < newest
        assets = [*_FIT_ASSETS, *(ALGORITHMS if is_search else ())] if catches_up else None
        wanted = RunWanted(
            SEARCH if is_search else REFIT,
            {"run_key": asked.run_key, "judged_at": asked.at},
            f"{asked.rung} as of {as_of}: {reason}",
            config={"ops": operations},
            assets=assets,
            tags={TAG_AS_OF: as_of, TAG_EPISODE: asked.episode_id or asked.run_key},
            key=asked.run_key,
        )
        is_drift = asked.kinds == [Kind.COVARIATES]
        return Step(f"{as_of}: {asked.rung}: {reason}", wanted, DRIFT if is_drift else PERFORMED)

    # judging

    def _judge(
        self, months: Sequence[str], newest: np.datetime64, last: Judged | None, state: ResponseState
    ) -> Judged | None:
        """Judge every morning that was not judged; the last row that was appended, or None."""
        dates = self._store.read("contacts", months, ["contact_date"]).column("contact_date")
        mornings = mornings_to_judge(dates.to_numpy().astype("datetime64[D]"), newest, state)
        if not len(mornings):
            return None
        scored = self._scored(months)
        if state.deployed_on is None and not _is_learnable(scored, newest):
            return None
        known = self._last_promotion()
        daily = DailyProfiles.from_table(self._store.read(PROFILES.name, [m for m in months if self._has_profile(m)]))
        shift = 0.0 if last is None else last.shift
        appended = None
        for morning in walk(mornings, state, shift, scored, daily, self._reference(daily)):
            seq = (last.seq if last else 0) + 1
            last = appended = self._record(morning, seq, known)
        return appended

    def _has_profile(self, month: str) -> bool:
        entry = self._store.entry(PROFILES.name, month)
        return entry is not None and entry.rows > 0

    def _record(self, morning: Morning, seq: int, promotion_id: int) -> Judged:
        answer = morning.response
        evidence = asdict(morning.evidence) | {"as_of": str(morning.day)}
        return responses.append(
            self._engine,
            seq=seq,
            as_of=str(morning.day),
            rung=answer.rung,
            kinds=morning.kinds,
            episode_id=answer.episode_id,
            run_key=answer.run_key,
            is_recalibrated=answer.is_recalibrated,
            is_alert=answer.is_alert,
            reasons=answer.reasons,
            evidence=json.loads(json.dumps(evidence, default=float)),
            shift=morning.evidence.shift_now,
            promotion_id=promotion_id,
            state=answer.state.to_json(),
        )

    def _scored(self, months: Sequence[str]) -> ScoredContacts:
        contacts = self._contacts.read(months)
        stored = [month for month, entry in self._store.manifest(SCORES.name).items() if entry.rows]
        proba = np.full(len(contacts), np.nan)
        if stored:
            scores = self._store.read(SCORES.name, stored, ["contact_id", "unshifted_proba"])
            values = scores.column("unshifted_proba").to_numpy()
            position = {contact: row for row, contact in enumerate(scores.column("contact_id").to_pylist())}
            rows = np.asarray([position.get(contact, -1) for contact in contacts.contact_ids], dtype=np.int64)
            proba = np.where(rows >= 0, np.append(values, np.nan)[rows], np.nan)
        return ScoredContacts(contacts.contact_dates, proba, contacts.is_subscribed, contacts.known_on)

    def _reference(self, daily: DailyProfiles) -> Reference:
        if self._reign.current is None:
            return Reference({}, 0.0)
        decision = self._decision_of(self._reign.current)
        as_of = np.datetime64(decision["training"]["as_of"], "D").astype("datetime64[D]").item()
        return Reference.of(daily, as_of, Recipe.from_dict(decision["recipe"]).half_life_days)


def verdicts_after(engine: Engine, promotion_id: int) -> list[promotions.Promotion]:
    """Verdicts on models after a row of `promotions`, oldest first; a recalibration is none."""
    rows = promotions.history(engine, limit=100_000)
    return [row for row in reversed(rows) if row.id > promotion_id and row.kind != "recalibration"]


def has_verdict(engine: Engine, asked: Judged) -> bool:
    """Whether the fit that a morning asked for was judged."""
    found = verdicts_after(engine, asked.promotion_id)
    return any(row.as_of == asked.as_of and row.kind != "rollback" for row in found)


def _is_learnable(scored: ScoredContacts, newest: np.datetime64) -> bool:
    """Whether a first model could be fitted and judged out of time: enough outcomes of both kinds over enough days."""
    known = (scored.known_on <= newest) & (scored.contact_dates < newest)
    yes, no = int(scored.is_subscribed[known].sum()), int((~scored.is_subscribed[known]).sum())
    if min(yes, no) < MINIMUM_CLASS:
        return False
    return bool(newest - scored.contact_dates[known].min() >= np.timedelta64(MINIMUM_SPAN_DAYS, "D"))


def _told(judged: Judged | None) -> str:
    return "" if judged is None else f"{judged.rung}: {'; '.join(judged.reasons) or 'nothing is violated'}"
