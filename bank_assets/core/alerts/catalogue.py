"""The catalogue of alerts: a function for each thing worth an alert, with its tone, words, steps and channel.

A new alert is a function here, a caller in `sensors.recorded_facts` and a row in docs/alerts.md. Alerts name months,
columns, versions, steps and files, but never a customer's values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from bank_assets.core.alerts.alert import Alert, AlertKind, DefaultChannel, Occurrence, Tone, few, sentences
from bank_assets.core.economics.economics import Economics
from bank_assets.core.response.assessment import comparisons
from bank_assets.core.response.policy import Evidence, LimitComparison, ResponseAction, ResponsePolicy, ViolationKind
from bank_assets.core.words import pct, sample_size


def run_failed(when: Occurrence, job: str, step: str, error: str, message: str, since: str) -> Alert:
    """A run failed.

    `step` is "" if the process died, `message` is ours or "" if the error may quote data, and `since` is the run that
    opened the episode.
    """
    where = f"Step {step} stopped" if step else "The run stopped outside of any step"
    found = f" with {error}; its full text is in the run." if error else "."
    return when.alert(
        AlertKind.RUN_FAILED,
        (job, step, error, since),
        Tone.BAD,
        f"The run {job} failed",
        f"{where}: {message}" if message else where + found,
        "What it had made is kept and nothing was half written. Open the run, correct the cause and run it again.",
        page="",
    )


def gate_failed(when: Occurrence, asset: str, check: str, description: str, found: Sequence[str], since: str) -> Alert:
    """An asset check of severity ERROR failed; `found` names months or files, `since` opened the episode."""
    about = f" Concerned: {few(found)}." if found else ""
    return when.alert(
        AlertKind.GATE_FAILED,
        (asset, check, sorted(found), since),
        Tone.BAD,
        f"Gate failed: “{check.replace('_', ' ')}” does not hold",
        f"Checked on {asset}, where this must hold: {description.strip()}{about}",
        "What failed is held back and the rest goes on. Correct the delivery or the cause; the next run checks again.",
    )


def file_refused(
    when: Occurrence, delivery: str, name: str, expected: str, reason_file: str, reason_digest: str
) -> Alert:
    """A whole file was refused. The alert leaves out what was found, which may quote a row.

    `delivery` is contacts, outcomes or campaigns.
    """
    return when.alert(
        AlertKind.GATE_FAILED,
        ("delivery", delivery, name, reason_digest),
        Tone.BAD,
        f"The file {name} ({delivery}) cannot be used",
        f"Expected {expected.rstrip('.')}. It lies in landing/refused beside its reason; other files go on.",
        f"Read {reason_file}, correct the file and put it into the landing folder {delivery} again.",
    )


def file_left(when: Occurrence, delivery: str, name: str, expected: str, to_do: str, digest: str) -> Alert:
    """Something in the landing folder is no delivery, or cannot be read; `delivery` is the folder, "" for none."""
    return when.alert(
        AlertKind.GATE_FAILED,
        ("left", delivery, name, digest),
        Tone.WATCH,
        f"{name} in the landing folder {delivery}".rstrip() + " is not used",
        f"Expected {expected.rstrip('.')}. It stays where it is; other files go on.",
        f"{to_do[:1].upper()}{to_do[1:]}.",
    )


def files_unused(when: Occurrence, delivery: str, names: Sequence[str], expected: str, to_do: str) -> Alert:
    """Many files of one look cannot be used for one reason; `names` may become fewer without another alert."""
    return when.alert(
        AlertKind.GATE_FAILED,
        ("files", delivery, expected, when.at),
        Tone.BAD,
        f"{len(names):,} files in the landing folder {delivery}".rstrip() + " cannot be used",
        f"{few(names)}: expected {expected.rstrip('.')}. Other files go on.",
        f"Of the first: {to_do}; likewise the others.",
    )


def rows_rejected(
    when: Occurrence, month: str, rejected: int, rows_in: int, limit: float, contacts_digest: str, *, fault: str = ""
) -> Alert:
    """A larger share of the rows of a month, or of several, cannot be used than the limit, in [0, 1], allows.

    `fault` names the rule that most rows break.
    """
    share = rejected / rows_in if rows_in else 0.0
    return when.alert(
        AlertKind.ROWS_REJECTED,
        (month, contacts_digest),  # a correction that is still too bad has another digest
        Tone.BAD,
        f"{pct(share)} of the rows of {month} were rejected",
        f"{rejected:,} of {rows_in:,} delivered rows cannot be used{f', {fault}' if fault else ''}; "
        f"allowed are {pct(limit)}. They are held and not learned from; the other months go on.",
        "The reasons stand beside each row in the table rejected_contacts. Correct the file and land it again.",
    )


def sensor_failing(when: Occurrence, name: str, automation: str, error: str, failures: int, since: str) -> Alert:
    """Several evaluations of a sensor or schedule failed in a row, the first at `since`."""
    cause = f" with {error}" if error else ""
    return when.alert(
        AlertKind.SENSOR_FAILING,
        (name, since),
        Tone.BAD,
        f"The {automation} {name} fails",
        f"Its last {failures} evaluations failed in a row{cause}, the first at {since}. "
        "Until it works again, nothing that it should notice is noticed.",
        "Open it in Dagster under Automation, read the error of its last tick, and correct the cause.",
        page="",
    )


def nothing_arrived(when: Occurrence, last_arrival: str, days: float, limit: float, delivery: str) -> Alert:
    """No delivery arrived for days of wall time; `delivery` identifies the last one."""
    span = f"{days:.0f} days" if days >= 2 else f"{days * 24:.0f} hours"
    came = last_arrival[:16].replace("T", " ")
    return when.alert(
        AlertKind.NOTHING_ARRIVED,
        (delivery,),
        Tone.WATCH,
        f"Nothing has been delivered for {span}",
        f"The last file came at {came} UTC; one is expected at least every {limit:g} days. Decisions go on "
        "with what was known then.",
        "Ask the sender, and look whether files wait unfinished in the landing folder.",
    )


def nightly_digest(
    when: Occurrence, job: str, lines: Sequence[str], evidence: Evidence | None, seconds: float
) -> Alert:
    """A scheduled run succeeded: its results by stage, and the evidence of the newest day that the loop judged."""
    lasted = f"{seconds / 60:.0f} minutes" if seconds >= 90 else f"{seconds:.0f} seconds"
    found = _compared(evidence)
    if evidence is not None:
        judged = "; ".join(one.sentence for one in found if one.is_violated) or "every number is within its limit"
        lines = [*lines, f"on {evidence.as_of}, the last day that the loop judged, {judged}"]
    return when.alert(
        AlertKind.NIGHTLY_DIGEST,
        (when.run_id,),
        Tone.PLAIN,
        f"The nightly run {job} went through in {lasted}",
        sentences(lines),
        "Nothing.",
        details=[one.sentence for one in found if not one.is_violated],
        page="/",
    )


ANSWERS: Final[Mapping[str, str]] = {
    ResponseAction.RETRAIN: "the champion's recipe is fitted on fresh data",
    ResponseAction.SEARCH: "all models are compared",
    ResponseAction.RECALIBRATE: "the probabilities are recalibrated",
}


def loop_responded(
    when: Occurrence,
    *,
    answer: str,
    has_violations: bool,
    reasons: Sequence[str],
    evidence: Evidence | None,
    economics: Economics,
    episode_id: str,
    seq: int,
) -> Alert:
    """The loop opened an episode, stopped because neither refits nor a search helped, or got no verdict on its fit.

    `answer` is the `ResponseAction` with the reasons on record, `seq` the number of the assessment. A fit without a
    verdict is settled without a violation.
    """
    identity: tuple[object, ...] = (episode_id,)
    tone, action = Tone.WATCH, "Nothing: the result is reported."
    title = f"The loop noticed a change; {ANSWERS.get(answer, 'it waits for its next chance to answer')}"
    if answer == ResponseAction.ALERT:
        identity, tone = (episode_id, "stopped", seq), Tone.BAD
        title = "Retraining does not help; a person is needed"
        action = (
            "Look at the drift report and at what changed in campaigns or products. The champion stays, and "
            "the platform tries again by itself after a rest."
        )
    elif not has_violations:
        identity = (episode_id, "came to nothing", seq)
        title = "A retraining came to nothing"
        action = "Look at its runs; the champion stays and the next violation starts another one."
    found, text = _compared(evidence), sentences(reasons)
    if effect := _effect(evidence, economics):
        said = [one.sentence for one in found if one.kind is ViolationKind.CALIBRATION]
        text = sentences([effect, *(reason for reason in reasons if reason not in said)])
    details = [one.sentence for one in found if one.sentence not in text]
    return when.alert(AlertKind.RESPONSE, identity, tone, title, text, action, details=details)


def _compared(evidence: Evidence | None) -> tuple[LimitComparison, ...]:
    return () if evidence is None else comparisons(evidence, ResponsePolicy())


def _effect(evidence: Evidence | None, economics: Economics) -> str:
    """What the model's error means in money, and whether it may be chance; "" with too few outcomes."""
    policy = ResponsePolicy()
    if evidence is None or evidence.sample < policy.minimum_outcomes:
        return ""
    gain, value = evidence.observed - evidence.expected, economics.value_amount.eur
    side = "more" if gain >= 0 else "less"
    # The evidence holds a count of subscriptions, so it has a value in EUR only if every subscription has the same one
    worth = "" if value is None else f", worth {abs(gain * value):,.0f} EUR {side} than expected"
    chance = "chance does not explain that" if abs(evidence.z) > policy.calibration_z else "that may be chance"
    subscribed = f"{evidence.observed:.0f} of {evidence.outcomes:,} contacts subscribed"
    if evidence.effective_outcomes is not None:
        learned = sample_size(evidence.outcomes, evidence.effective_outcomes)
        subscribed = f"Judging by {learned} outcomes, {evidence.observed:.0f} contacts subscribed"
    return (
        f"{subscribed} where the champion expected "
        f"{evidence.expected:.1f}{worth}; {chance} (z {evidence.z:+.1f}, limit {policy.calibration_z:g})"
    )


# Kinds of fits that a gate judges, in words.
FITS: Final[Mapping[str, str]] = {
    "first": "the first model",
    "probation": "the default recipe on probation, until a first model passes its gate",
    "refit": "the champion's recipe on fresh data",
    "recipe": "another recipe",
}


def model_judged(
    when: Occurrence,
    *,
    row_id: int,
    gate: str,
    is_promoted: bool,
    from_version: str | None,
    to_version: str | None,
    reasons: Sequence[str],
    effect: str = "",
    report: str = "",
) -> Alert:
    """A row of the ledger's promotions: a verdict on a model, a rollback, or a new intercept.

    `gate` is first, probation, refit, recipe, recalibration or rollback. `reasons` are the checks that failed, or those
    that passed if the model was promoted. `effect` is a sentence about money, `report` the path of a page.
    """
    kind, tone, channel = AlertKind.PROMOTED, Tone.WATCH, DefaultChannel.PUSH
    if gate == "recalibration":
        kind, tone, channel = AlertKind.RECALIBRATED, Tone.GOOD, DefaultChannel.PAGES
        title = "The probabilities were recalibrated"
        action = "Nothing: the web app uses the new calibration within seconds. The model is the same."
    elif gate == "rollback":
        title = f"Rolled back to version {to_version}"
        action = f"Say in the team why version {from_version} had to go; the loop goes on from version {to_version}."
    elif not is_promoted:
        kind = AlertKind.REFUSED
        stays = f"version {from_version} stays the champion" if from_version else "there is still no champion"
        title = f"Version {to_version} was refused; {stays}"
        action = "Nothing: the loop tries again with new outcomes. If refusals repeat, read the report."
    elif gate == "probation":
        title = f"Version {to_version} decides on probation: no model passes the gate yet"
        action = (
            "Nothing at once: every page and record says so, and each later fit must pass the gate. With "
            "BANK_PROBATION=off there would be no model until one passes."
        )
    else:
        tone = Tone.GOOD
        title = f"Version {to_version} is the champion: {FITS.get(gate, gate)}"
        action = "Nothing: the web app swaps by itself. If it is wrong, roll back on the Model page."
    is_passed = is_promoted and gate in FITS
    text = [effect or "too few outcomes are known to say what it changes in EUR"] if is_passed else [effect, *reasons]
    return when.alert(
        kind,
        (row_id, gate, to_version),
        tone,
        title,
        sentences(text),
        action,
        details=reasons if is_passed else (),
        channel=channel,
        page=report or "/model",
        subject=str(to_version or ""),
    )
