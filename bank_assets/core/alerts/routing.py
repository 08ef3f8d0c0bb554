"""Which channels get an alert: by the route of its kind, else by what the alert itself says."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from bank_assets.core.alerts.alert import AlertKind, DefaultChannel

SIGNED_SCHEMES: Final = {"webhooks": "https", "webhook": "http"}
"""Scheme of a channel of signed webhooks -> scheme of its address."""
NOBODY, EVERYBODY = "none", "all"

Routes = Mapping[str, tuple[str, ...]]
"""Kind of alert -> schemes or names of channels; empty for a kind that is muted."""


def routes_of(texts: Collection[str]) -> Routes:
    """Read routes `kind=channel+channel`, `kind=all` or `kind=none`; raise `ValueError` for any other text."""
    found: dict[str, tuple[str, ...]] = {}
    for text in texts:
        kind, _, targets = text.partition("=")
        if kind not in tuple(AlertKind) or not targets:
            raise ValueError(
                f"expected kind=channel+channel, kind={EVERYBODY} or kind={NOBODY} with a kind of "
                f"{', '.join(AlertKind)}, found {text!r}; correct it."
            )
        found[kind] = () if targets == NOBODY else tuple(targets.split("+"))
    return found


def is_routed(alert: Mapping[str, Any], routes: Routes, names: Sequence[str]) -> bool:
    """Whether an alert of the log goes to a channel with these names, the first of which is its scheme."""
    kind, default = alert["kind"], alert.get("channel")  # earlier releases named none and pushed everything
    if kind in routes and kind != AlertKind.TEST:
        return bool({*names, EVERYBODY} & set(routes[kind]))
    return default != DefaultChannel.PAGES and (default != DefaultChannel.SIGNED or names[0] in SIGNED_SCHEMES)
