"""Alerts about the model: what the loop judged and answered, verdicts of the gates.

What lives here: one function per kind: its key, its tone, its words, what to do.
What must not: reading what happened (`alert_sensors`), sending (`resources.notifier`), customers' values:
columns, versions and figures only.
Called by the alert sensors.
"""

from __future__ import annotations

from collections.abc import Sequence

from bank_assets.core.alerts import Alert, AlertKind, Tone, key_of, sentences, shortened


def response(
    rung: str, kinds: Sequence[str], reasons: Sequence[str], *, seq: int, episode_id: str, as_of: str, at: str
) -> Alert:
    """The response ladder tells people: an episode began, it stopped, or a fit that it asked for came to nothing.

    Args:
        rung: its answer of that morning: none, recalibrate, retrain, search or alert.
        kinds: what was violated.
        reasons: sentences with the numbers.
        seq: number of the judgement.
        episode_id: the episode; its beginning is told once.
        as_of: the morning, ISO.
        at: when it was judged.
    """
    content: tuple[object, ...] = (episode_id,)
    tone, action = Tone.WATCH, "Nothing: the result is told."
    if rung == "alert":
        content, tone = (episode_id, "stopped", seq), Tone.BAD
        title = "Retraining does not help; a person is needed"
        action = (
            "Look at the drift report and at what changed in campaigns or products. The champion stays in charge, and "
            "the platform tries again by itself after a rest."
        )
    elif not kinds:
        content = (episode_id, "came to nothing", seq)
        title = "A retraining came to nothing"
        action = "Look at its runs; the champion stays in charge and the next violation asks again."
    else:
        answers = {
            "retrain": "the champion's recipe is fitted on fresh data",
            "search": "all models are compared",
            "recalibrate": "the probabilities are recalibrated",
        }
        title = f"The loop noticed a change; {answers.get(rung, 'it waits for its next chance to answer')}"
    return Alert(
        AlertKind.RESPONSE,
        key_of(AlertKind.RESPONSE, *content),
        tone,
        title,
        shortened(sentences(reasons)),
        action,
        at,
        as_of=as_of,
        page="/monitoring",
    )


def verdict_on_model(
    *,
    row_id: int,
    kind: str,
    decision: str,
    from_version: str | None,
    to_version: str | None,
    reasons: Sequence[str],
    effect: str,
    as_of: str | None,
    at: str,
    page: str,
    run_id: str,
) -> Alert:
    """A gate decided about a model, a person rolled back, or the calibration moved: one row of the promotions.

    Args:
        row_id: number of the row; each is told once.
        kind: first, probation, refit, recipe, recalibration or rollback.
        decision: promoted or refused.
        from_version: champion before.
        to_version: model judged.
        reasons: of the gate.
        effect: what it means in money, as a sentence, or "".
        as_of: data time.
        at: when.
        page: report of the retraining, or "" for the model page.
        run_id: Dagster run, or "".
    """
    words = {"first": "the first model", "refit": "the champion's recipe on fresh data", "recipe": "another recipe"}
    if kind == "recalibration":
        found, tone = AlertKind.RECALIBRATED, Tone.GOOD
        title = "The probabilities were recalibrated"
        action = "Nothing: the web app uses the new calibration within seconds. The model is the same."
    elif kind == "rollback":
        found, tone = AlertKind.PROMOTED, Tone.WATCH
        title = f"Rolled back to version {to_version}"
        action = f"Say in the team why version {from_version} had to go; the loop goes on from version {to_version}."
    elif decision == "promoted" and kind == "probation":
        found, tone = AlertKind.PROMOTED, Tone.WATCH
        title = f"Version {to_version} decides on probation: no model passes the gate yet"
        action = (
            "Nothing at once: every page and record says so, and the loop asks the gate again. To call by the trailing "
            "subscription rate instead, set BANK_PROBATION=off."
        )
    elif decision == "promoted":
        found, tone = AlertKind.PROMOTED, Tone.GOOD
        title = f"Version {to_version} is in charge: {words.get(kind, kind)}"
        action = "Nothing: the web app swaps by itself. If it is wrong, roll back on the Model page."
    else:
        found, tone = AlertKind.REFUSED, Tone.WATCH
        stays = f"version {from_version} stays in charge" if from_version else "there is still no champion"
        title = f"Version {to_version} was refused; {stays}"
        action = "Nothing: the loop tries again with new outcomes. If refusals repeat, read the report."
    return Alert(
        found,
        key_of(found, row_id, kind, to_version),
        tone,
        title,
        shortened(" ".join(part for part in (effect, sentences(reasons)) if part)),
        action,
        at,
        as_of=as_of,
        page=page or "/model",
        run_id=run_id,
    )
