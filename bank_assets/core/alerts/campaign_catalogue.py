"""The alerts about campaigns: lists made and closed, broken hold-outs, objections; and the test of the channels.

What only programs follow goes to signed webhooks unless a route says otherwise. None names a person.
"""

from __future__ import annotations

from bank_assets.core.alerts.alert import Alert, AlertKind, DefaultChannel, Occurrence, Tone


def list_made(when: Occurrence, list_id: str, name: str, n_calls: int) -> Alert:
    """A call list was put on record."""
    return when.alert(
        AlertKind.LIST_MADE,
        (list_id,),
        Tone.PLAIN,
        f"A call list of {name} was made",
        f"It calls {n_calls:,} customers. Its id is {list_id}.",
        "Export it, and report what came of each call.",
        channel=DefaultChannel.SIGNED,
        page=f"/campaign/lists/{list_id}",
        subject=list_id,
    )


def list_closed(when: Occurrence, list_id: str, name: str, due: str) -> Alert:
    """A call list is closed: early by a person, or because all subscriptions of its window are known."""
    return when.alert(
        AlertKind.LIST_CLOSED,
        (list_id,),
        Tone.GOOD,
        f"The call list of {name} is closed",
        f"Its id is {list_id}.",
        due,
        channel=DefaultChannel.SIGNED,
        page=f"/campaign/lists/{list_id}",
        subject=list_id,
    )


def holdout_called(when: Occurrence, list_id: str, name: str) -> Alert:
    """Calls of customers whom a list holds out were reported: the first ones of the list."""
    return when.alert(
        AlertKind.HOLDOUT_CALLED,
        (list_id,),
        Tone.WATCH,
        f"Held-out customers of {name} were called",
        "That breaks the protocol of the test. Those customers stay in the hold-out group, so the lift of the list is "
        f"understated; its page counts such calls. Its id is {list_id}.",
        "Find out from which file these calls came, and call by the exported calls of the list alone.",
        page=f"/campaign/lists/{list_id}",
        subject=list_id,
    )


def objection_received(when: Occurrence, event_seq: int, n_persons: int) -> Alert:
    """Persons objected to direct marketing; `event_seq` is the event that records it."""
    return when.alert(
        AlertKind.OBJECTION,
        (event_seq,),
        Tone.PLAIN,
        "An objection was received" if n_persons == 1 else f"{n_persons:,} objections were received",
        "Nobody who objected is called from now on, on no list and by no decision.",
        "Take these persons off lists that were exported before.",
        channel=DefaultChannel.SIGNED,
        page="/customers/objections",
    )


def channels_tested(when: Occurrence, actor: str) -> Alert:
    """Somebody asked whether alerts arrive."""
    return when.alert(
        AlertKind.TEST,
        (when.at, actor),
        Tone.PLAIN,
        "This is a test of the alert channels",
        f"{actor} asked for it. Nothing has happened.",
        "Nothing.",
    )
