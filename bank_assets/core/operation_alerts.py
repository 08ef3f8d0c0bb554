"""Alerts about the work itself: runs, gates, deliveries, sensors, the night.

What lives here: one function per kind: its key, its tone, its words, what to do.
What must not: reading what happened (`alert_sensors`), sending (`resources.notifier`), customers' values:
months, steps and file names only.
Called by the alert sensors.
"""

from __future__ import annotations

from collections.abc import Sequence

from bank_assets.core.alerts import Alert, AlertKind, Tone, few, key_of, sentences, shortened


def run_failed(job: str, step: str, error: str, message: str, *, since: str, run_id: str, at: str) -> Alert:
    """A run stopped.

    Args:
        job: its name.
        step: the step that failed, or "" if the process died.
        error: name of the error's class.
        message: the platform's own message, or "" if the error may hold data.
        since: run that opened the episode of this job.
        run_id: this run.
        at: when it ended.
    """
    where = f"Step {step} stopped" if step else "The run stopped outside of any step"
    said = f": {message}" if message else f" with {error}; its full text is in the run." if error else "."
    return Alert(
        AlertKind.RUN_FAILED,
        key_of(AlertKind.RUN_FAILED, job, step, error, since),
        Tone.BAD,
        f"The run {job} failed",
        shortened(where + said),
        "What it had made is kept and nothing was half written. Open the run, correct the cause and run it again.",
        at,
        run_id=run_id,
    )


def gate_failed(
    asset: str, check: str, description: str, found: Sequence[str], *, since: str, run_id: str, at: str
) -> Alert:
    """A check that must hold does not.

    Args:
        asset: what was checked.
        check: name of the check, the truth that it tests.
        description: the same as a sentence.
        found: what is wrong, such as months or file names.
        since: run that opened the episode of this check.
        run_id: this run.
        at: when it was checked.
    """
    about = f" Concerned: {few(found)}." if found else ""
    return Alert(
        AlertKind.GATE_FAILED,
        key_of(AlertKind.GATE_FAILED, asset, check, sorted(found), since),
        Tone.BAD,
        f"Gate failed: “{check.replace('_', ' ')}” does not hold",
        shortened(f"Checked on {asset}, where this must hold: {description.strip()}{about}"),
        "What failed is held back and the rest goes on. Correct the delivery or the cause; the next run checks again.",
        at,
        page="/monitoring",
        run_id=run_id,
    )


def delivery_refused(kind: str, name: str, expected: str, *, reason_file: str, reason_digest: str, at: str) -> Alert:
    """A file cannot be used as a whole; told when it is refused, not when the next run checks.

    Args:
        kind: contacts, outcomes or campaigns.
        name: of the file.
        expected: what was expected of it. What was found is not told: it may quote a row.
        reason_file: name of the file with the reason.
        reason_digest: of that file; another refusal has another one.
        at: when it was refused.
    """
    return Alert(
        AlertKind.GATE_FAILED,
        key_of(AlertKind.GATE_FAILED, "delivery", kind, name, reason_digest),
        Tone.BAD,
        f"The file {name} ({kind}) cannot be used",
        shortened(f"Expected {expected.rstrip('.')}. It lies in landing/refused beside its reason; other files go on."),
        f"Read {reason_file}, correct the file and put it into the landing folder {kind} again.",
        at,
        page="/monitoring",
    )


def rows_rejected(
    month: str, rejected: int, rows_in: int, limit: float, *, contacts_digest: str, run_id: str, at: str
) -> Alert:
    """More rows of a month cannot be used than allowed.

    Args:
        month: of the contacts.
        rejected: rows that cannot be used.
        rows_in: rows delivered.
        limit: share allowed, [0, 1].
        contacts_digest: of the month's contacts; a correction that is still too bad has another one.
        run_id: the run that found it.
        at: when.
    """
    share = rejected / rows_in if rows_in else 0.0
    return Alert(
        AlertKind.ROWS_REJECTED,
        key_of(AlertKind.ROWS_REJECTED, month, contacts_digest),
        Tone.BAD,
        f"{share:.1%} of the rows of {month} were rejected",
        f"{rejected:,} of {rows_in:,} delivered rows cannot be used; allowed are {limit:.1%}. The month is held and "
        "not learned from; the other months go on.",
        "The reasons stand beside each row in the table rejected_contacts. Correct the file and land it again.",
        at,
        page="/monitoring",
        run_id=run_id,
    )


def sensor_failing(name: str, kind: str, error: str, failures: int, *, since: str, at: str) -> Alert:
    """A sensor or schedule cannot do its work.

    Args:
        name: its name.
        kind: sensor or schedule.
        error: name of the error's class.
        failures: ticks that failed in a row.
        since: time of the first of them.
        at: now.
    """
    return Alert(
        AlertKind.SENSOR_FAILING,
        key_of(AlertKind.SENSOR_FAILING, name, since),
        Tone.BAD,
        f"The {kind} {name} fails",
        f"Its last {failures} evaluations failed in a row{f' with {error}' if error else ''}, the first at {since}. "
        "Until it works again, nothing that it should notice is noticed.",
        "Open it in Dagster under Automation, read the error of its last tick, and correct the cause.",
        at,
        page="",
    )


def nothing_arrived(last_arrival: str, days: float, limit: float, *, delivery: str, at: str) -> Alert:
    """No delivery for days of wall time.

    Args:
        last_arrival: when the last one came, ISO.
        days: days since then.
        limit: days allowed.
        delivery: identity of the last delivery; the next silence begins with another one.
        at: now.
    """
    span = f"{days:.0f} days" if days >= 2 else f"{days * 24:.0f} hours"
    came = last_arrival[:16].replace("T", " ")
    return Alert(
        AlertKind.NOTHING_ARRIVED,
        key_of(AlertKind.NOTHING_ARRIVED, delivery),
        Tone.WATCH,
        f"Nothing has been delivered for {span}",
        f"The last file came at {came} UTC; one is expected at least every {limit:g} days. Decisions go on with "
        "what was known then.",
        "Ask the sender, and look whether files wait unfinished in the landing folder.",
        at,
        page="/monitoring",
    )


def nightly_digest(job: str, lines: Sequence[str], seconds: float, *, run_id: str, as_of: str | None, at: str) -> Alert:
    """The nightly run went through; what it came to.

    Args:
        job: its name.
        lines: sentences in the order of the stages.
        seconds: how long it took.
        run_id: the run.
        as_of: data time.
        at: when it ended.
    """
    minutes = f"{seconds / 60:.0f} minutes" if seconds >= 90 else f"{seconds:.0f} seconds"
    return Alert(
        AlertKind.NIGHTLY_DIGEST,
        key_of(AlertKind.NIGHTLY_DIGEST, run_id),
        Tone.PLAIN,
        f"The nightly run {job} went through in {minutes}",
        shortened(sentences(lines)),
        "Nothing.",
        at,
        as_of=as_of,
        page="/",
        run_id=run_id,
    )
