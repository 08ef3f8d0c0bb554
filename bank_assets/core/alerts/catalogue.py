"""The catalogue of alerts: one typed fact per kind of alert, with its tone, words, steps and channel.

A new alert is a class here, a caller in `sensors.recorded_facts` and a row in docs/alerts.md. Facts hold months,
columns, versions, steps and file names, but never a customer's values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from bank_assets.core.alerts.alert import Alert, DefaultChannel, Tone, few, key_of, sentences, shortened
from bank_assets.core.economics.economics import Economics
from bank_assets.core.response.assessment import comparisons
from bank_assets.core.response.policy import Evidence, LimitComparison, ResponseAction, ResponsePolicy, ViolationKind


@dataclass(frozen=True, kw_only=True)
class Fact:
    """Something worth an alert, at a time (ISO with zone) and as of a day of data (ISO date)."""

    kind: ClassVar[str]
    tone: ClassVar[Tone]
    key: ClassVar[tuple[str, ...]]
    """Fields that distinguish an alert from others of its kind. Alerts are found again by it: never change it."""
    steps: ClassVar[str] = "Nothing."
    channel: ClassVar[DefaultChannel] = DefaultChannel.PUSH
    page: ClassVar[str] = "/monitoring"

    at: str
    run_id: str = ""
    as_of: str | None = None

    def identity(self) -> tuple[object, ...]:
        """Values of the fields in `key`."""
        return tuple(getattr(self, name) for name in self.key)

    def title(self) -> str:
        """What is the case, in a few words."""
        raise NotImplementedError

    def text(self) -> str:
        """What happened and what it means, as sentences."""
        raise NotImplementedError

    def details(self) -> Sequence[str]:
        """What a reader may unfold."""
        return ()

    def action(self) -> str:
        """What to do."""
        return self.steps

    def link(self) -> str:
        """Path of the page about it in the web app, or ""."""
        return self.page

    def alert(self) -> Alert:
        """The alert about this fact."""
        return Alert(
            self.kind,
            key_of(self.kind, *self.identity()),
            self.tone,
            self.title(),
            shortened(self.text()),
            self.action(),
            self.at,
            tuple(sentences([one]) for one in self.details()),
            self.channel,
            self.as_of,
            self.link(),
            self.run_id,
        )


@dataclass(frozen=True, kw_only=True)
class RunFailed(Fact):
    """A run failed. The message is ours, or "" if the error may quote data; the step is "" if the process died."""

    kind = "run_failed"
    tone = Tone.BAD
    key = ("job", "step", "error", "since")
    steps = "What it had made is kept and nothing was half written. Open the run, correct the cause and run it again."
    page = ""

    job: str
    step: str
    error: str
    message: str
    since: str  # run that opened the episode

    def title(self) -> str:
        return f"The run {self.job} failed"

    def text(self) -> str:
        where = f"Step {self.step} stopped" if self.step else "The run stopped outside of any step"
        if self.message:
            return f"{where}: {self.message}"
        return where + (f" with {self.error}; its full text is in the run." if self.error else ".")


@dataclass(frozen=True, kw_only=True)
class GateFailed(Fact):
    """An asset check of severity ERROR failed; `found` names months or files."""

    kind = "gate_failed"
    tone = Tone.BAD
    steps = (
        "What failed is held back and the rest goes on. Correct the delivery or the cause; the next run checks again."
    )

    asset: str
    check: str
    description: str
    found: Sequence[str]
    since: str  # run that opened the episode

    def identity(self) -> tuple[object, ...]:
        return self.asset, self.check, sorted(self.found), self.since

    def title(self) -> str:
        return f"Gate failed: “{self.check.replace('_', ' ')}” does not hold"

    def text(self) -> str:
        about = f" Concerned: {few(self.found)}." if self.found else ""
        return f"Checked on {self.asset}, where this must hold: {self.description.strip()}{about}"


@dataclass(frozen=True, kw_only=True)
class FileRefused(Fact):
    """A whole file was refused. The alert is sent at once, and leaves out what was found, which may quote a row."""

    kind = "gate_failed"
    tone = Tone.BAD

    delivery: str  # contacts, outcomes or campaigns
    name: str
    expected: str
    reason_file: str
    reason_digest: str

    def identity(self) -> tuple[object, ...]:
        return "delivery", self.delivery, self.name, self.reason_digest

    def title(self) -> str:
        return f"The file {self.name} ({self.delivery}) cannot be used"

    def text(self) -> str:
        expected = self.expected.rstrip(".")
        return f"Expected {expected}. It lies in landing/refused beside its reason; other files go on."

    def action(self) -> str:
        return f"Read {self.reason_file}, correct the file and put it into the landing folder {self.delivery} again."


@dataclass(frozen=True, kw_only=True)
class RowsRejected(Fact):
    """A larger share of a month's rows cannot be used than the limit, in [0, 1], allows."""

    kind = "rows_rejected"
    tone = Tone.BAD
    key = ("month", "contacts_digest")
    steps = "The reasons stand beside each row in the table rejected_contacts. Correct the file and land it again."

    month: str
    rejected: int
    rows_in: int
    limit: float
    contacts_digest: str  # a correction that is still too bad has another one

    def title(self) -> str:
        share = self.rejected / self.rows_in if self.rows_in else 0.0
        return f"{share:.1%} of the rows of {self.month} were rejected"

    def text(self) -> str:
        return (
            f"{self.rejected:,} of {self.rows_in:,} delivered rows cannot be used; allowed are {self.limit:.1%}. "
            "The month is held and not learned from; the other months go on."
        )


@dataclass(frozen=True, kw_only=True)
class SensorFailing(Fact):
    """Several evaluations of a sensor or schedule failed in a row."""

    kind = "sensor_failing"
    tone = Tone.BAD
    key = ("name", "since")
    steps = "Open it in Dagster under Automation, read the error of its last tick, and correct the cause."
    page = ""

    name: str
    automation: str
    error: str
    failures: int
    since: str  # time of the first failure

    def title(self) -> str:
        return f"The {self.automation} {self.name} fails"

    def text(self) -> str:
        error = f" with {self.error}" if self.error else ""
        return (
            f"Its last {self.failures} evaluations failed in a row{error}, the first at {self.since}. "
            "Until it works again, nothing that it should notice is noticed."
        )


@dataclass(frozen=True, kw_only=True)
class NothingArrived(Fact):
    """No delivery arrived for days of wall time."""

    kind = "nothing_arrived"
    tone = Tone.WATCH
    key = ("delivery",)
    steps = "Ask the sender, and look whether files wait unfinished in the landing folder."

    last_arrival: str
    days: float
    limit: float
    delivery: str  # identity of the last delivery

    def title(self) -> str:
        span = f"{self.days:.0f} days" if self.days >= 2 else f"{self.days * 24:.0f} hours"
        return f"Nothing has been delivered for {span}"

    def text(self) -> str:
        came = self.last_arrival[:16].replace("T", " ")
        return (
            f"The last file came at {came} UTC; one is expected at least every {self.limit:g} days. Decisions go on "
            "with what was known then."
        )


@dataclass(frozen=True, kw_only=True)
class NightlyDigest(Fact):
    """A scheduled run succeeded: its results by stage, and the evidence of the newest day that the loop judged."""

    kind = "nightly_digest"
    tone = Tone.PLAIN
    key = ("run_id",)
    page = "/"

    job: str
    lines: Sequence[str]
    evidence: Evidence | None
    seconds: float

    def title(self) -> str:
        minutes = f"{self.seconds / 60:.0f} minutes" if self.seconds >= 90 else f"{self.seconds:.0f} seconds"
        return f"The nightly run {self.job} went through in {minutes}"

    def text(self) -> str:
        found = _compared(self.evidence)
        if self.evidence is None or not found:
            return sentences(self.lines)
        violated = [one.sentence for one in found if one.is_violated]
        judged = "; ".join(violated) or "every number is within its limit"
        return sentences([*self.lines, f"on {self.evidence.as_of}, the last day that the loop judged, {judged}"])

    def details(self) -> Sequence[str]:
        return [one.sentence for one in _compared(self.evidence) if not one.is_violated]


@dataclass(frozen=True, kw_only=True)
class ResponseBegan(Fact):
    """A number was beyond its limit on enough days, and the loop opened an episode.

    `answer` is the `ResponseAction` with the reasons on record, `seq` the number of the assessment.
    """

    kind = "response"
    tone = Tone.WATCH
    key = ("episode_id",)
    steps = "Nothing: the result is reported."

    answer: str
    reasons: Sequence[str]
    evidence: Evidence | None
    economics: Economics
    episode_id: str
    seq: int

    def title(self) -> str:
        answers = {
            ResponseAction.RETRAIN: "the champion's recipe is fitted on fresh data",
            ResponseAction.SEARCH: "all models are compared",
            ResponseAction.RECALIBRATE: "the probabilities are recalibrated",
        }
        answer = answers.get(ResponseAction(self.answer), "it waits for its next chance to answer")
        return f"The loop noticed a change; {answer}"

    def text(self) -> str:
        effect = _effect(self.evidence, self.economics)
        if not effect:
            return sentences(self.reasons)
        said = [one.sentence for one in _compared(self.evidence) if one.kind is ViolationKind.CALIBRATION]
        return sentences([effect, *(reason for reason in self.reasons if reason not in said)])

    def details(self) -> Sequence[str]:
        return [one.sentence for one in _compared(self.evidence) if one.sentence not in self.text()]


@dataclass(frozen=True, kw_only=True)
class ResponseStopped(ResponseBegan):
    """Neither refits nor a search over all recipes helped."""

    tone = Tone.BAD
    steps = (
        "Look at the drift report and at what changed in campaigns or products. The champion stays in charge, and "
        "the platform tries again by itself after a rest."
    )

    def identity(self) -> tuple[object, ...]:
        return self.episode_id, "stopped", self.seq

    def title(self) -> str:
        return "Retraining does not help; a person is needed"


@dataclass(frozen=True, kw_only=True)
class FitWithoutVerdict(ResponseBegan):
    """A fit that the loop requested ended without a verdict."""

    steps = "Look at its runs; the champion stays in charge and the next violation asks again."

    def identity(self) -> tuple[object, ...]:
        return self.episode_id, "came to nothing", self.seq

    def title(self) -> str:
        return "A retraining came to nothing"


def _compared(evidence: Evidence | None) -> tuple[LimitComparison, ...]:
    return () if evidence is None else comparisons(evidence, ResponsePolicy())


def _effect(evidence: Evidence | None, economics: Economics) -> str:
    """What the model's error means in money, and whether it may be chance; "" with too few outcomes."""
    policy = ResponsePolicy()
    if evidence is None or evidence.outcomes < policy.minimum_outcomes:
        return ""
    gain, value = evidence.observed - evidence.expected, economics.value_amount.eur
    side = "more" if gain >= 0 else "less"
    # The evidence holds a count of subscriptions, so it has a value in EUR only if every subscription has the same one
    worth = "" if value is None else f", worth {abs(gain * value):,.0f} EUR {side} than expected"
    chance = "chance does not explain that" if abs(evidence.z) > policy.calibration_z else "that may be chance"
    return (
        f"{evidence.observed:.0f} of {evidence.outcomes:,} contacts subscribed where the model in charge expected "
        f"{evidence.expected:.1f}{worth}; "
        f"{chance} (z {evidence.z:+.1f}, limit {policy.calibration_z:g})"
    )


@dataclass(frozen=True, kw_only=True)
class ModelVerdict(Fact):
    """One row of the ledger's promotions.

    `reasons` are the checks that failed, or those that passed if the model was promoted. `effect` is a sentence about
    money, `report` the path of a page; both may be "".
    """

    page = "/model"
    key = ("row_id", "gate", "to_version")

    row_id: int
    gate: str  # first, probation, refit, recipe, recalibration or rollback
    from_version: str | None
    to_version: str | None
    reasons: Sequence[str]
    effect: str = ""
    report: str = ""

    def text(self) -> str:
        return sentences([self.effect, *self.reasons])

    def link(self) -> str:
        return self.report or self.page


@dataclass(frozen=True, kw_only=True)
class Promoted(ModelVerdict):
    """A model passed its gate."""

    kind = "promoted"
    tone = Tone.GOOD
    steps = "Nothing: the web app swaps by itself. If it is wrong, roll back on the Model page."

    def title(self) -> str:
        words = {"first": "the first model", "refit": "the champion's recipe on fresh data", "recipe": "another recipe"}
        return f"Version {self.to_version} is in charge: {words.get(self.gate, self.gate)}"

    def text(self) -> str:
        return sentences([self.effect or "too few outcomes are known to say what it changes in EUR"])

    def details(self) -> Sequence[str]:
        return self.reasons


@dataclass(frozen=True, kw_only=True)
class OnProbation(Promoted):
    """The default recipe decides on probation, although it has not passed the gate of a first model."""

    tone = Tone.WATCH
    steps = (
        "Nothing at once: every page and record says so, and each later fit must pass the gate. With "
        "BANK_PROBATION=off there would be no model until one passes."
    )

    def title(self) -> str:
        return f"Version {self.to_version} decides on probation: no model passes the gate yet"


@dataclass(frozen=True, kw_only=True)
class RolledBack(ModelVerdict):
    """A person made an earlier version the champion again."""

    kind = "promoted"
    tone = Tone.WATCH

    def title(self) -> str:
        return f"Rolled back to version {self.to_version}"

    def action(self) -> str:
        went, stays = self.from_version, self.to_version
        return f"Say in the team why version {went} had to go; the loop goes on from version {stays}."


@dataclass(frozen=True, kw_only=True)
class Refused(ModelVerdict):
    """A model did not pass its gate."""

    kind = "refused"
    tone = Tone.WATCH
    steps = "Nothing: the loop tries again with new outcomes. If refusals repeat, read the report."

    def title(self) -> str:
        stays = f"version {self.from_version} stays in charge" if self.from_version else "there is still no champion"
        return f"Version {self.to_version} was refused; {stays}"


@dataclass(frozen=True, kw_only=True)
class Recalibrated(ModelVerdict):
    """The intercept of the published as-of state moved."""

    kind = "recalibrated"
    tone = Tone.GOOD
    steps = "Nothing: the web app uses the new calibration within seconds. The model is the same."
    channel = DefaultChannel.PAGES

    def title(self) -> str:
        return "The probabilities were recalibrated"
