"""Values of the response policy: its limits, the evidence of a day, the state between days, the response.

`core.response.assessment` decides, `core.response.loop` measures.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any, Final

import msgspec
import numpy as np

from bank_assets.core.arrays import checked_version

STATE_SCHEMA_VERSION: Final = 1


class ResponseAction(StrEnum):
    """What the loop does on a day, from least to most."""

    NONE = "none"
    RECALIBRATE = "recalibrate"
    RETRAIN = "retrain"
    SEARCH = "search"
    ALERT = "alert"


class ViolationKind(StrEnum):
    """Which limit is violated."""

    CALIBRATION = "calibration"
    COVARIATES = "covariates"
    RANKING = "ranking"


@dataclass(frozen=True, slots=True)
class ResponsePolicy:
    """When to respond, and how. Chosen on the first year of the replay and reported on the rest (docs/adr/)."""

    window_days: int = 28
    # Low on purpose: of 80 contacts in October 2008 60 % subscribed, and waiting for 200 outcomes cost 2,000 EUR.
    minimum_outcomes: int = 30
    calibration_ratio: float = 1.25  # observed / expected, or its inverse
    # Standard errors. A day is one of hundreds, so 2 would raise an alarm every week.
    calibration_z: float = 4.0
    minimum_contacts: int = 200  # in the window, to judge covariates
    covariate_excess: float = 0.12  # total variation of a column beyond sampling noise
    minimum_ranked: int = 200  # outcomes, to judge the ranking
    minimum_of_class: int = 20  # of them, subscribers and others each
    ranking_floor: float = 0.60  # the upper bound of the AUC (two standard errors) may not fall below it
    k: int = 2  # days that must violate a limit,
    n: int = 3  # of this many latest days
    cool_down_days: int = 10  # between two fits
    quiet_days: int = 5  # assessed days without violation that close an episode
    search_after: int = 3  # refits in a row that did not help, before a search and before a stop
    rest_days: int = 28  # after a stop, until the platform tries again by itself
    # Days after the last fit or review until a model on probation is reviewed, whatever the evidence. A refused review
    # starts no cool-down: it would have delayed the fit that the jump of October 2008 needed ten days later.
    review_days: int = 28
    material_shift: float = 0.05  # change of the intercept that counts as a recalibration, log-odds (5 % of the odds)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was measured on a day about the champion; None where the sample is too small.

    `expected` is the sum of the unshifted probabilities, `standard_error` that of observed - expected if they are
    right, `excess` the total variation beyond noise by column. Shifts are intercepts in log-odds: until the day,
    and according to the outcomes known on it. With weights, sums stand for every contact, and the sample of `outcomes`
    is their effective number; None without weights.
    """

    as_of: np.datetime64
    outcomes: int = 0
    observed: float = 0.0
    expected: float = 0.0
    standard_error: float = 0.0
    contacts: int = 0
    excess: Mapping[str, float] | None = None
    roc_auc: float | None = None
    roc_auc_error: float | None = None
    shift_before: float = 0.0
    shift_now: float = 0.0
    effective_outcomes: float | None = None

    def to_record(self) -> dict[str, Any]:
        """The JSON form in the ledger's `responses`."""
        content = asdict(self) | {"as_of": str(self.as_of)}
        if self.effective_outcomes is None:
            del content["effective_outcomes"]
        return json.loads(json.dumps(content, default=float))

    @classmethod
    def from_record(cls, recorded: Mapping[str, Any]) -> Evidence | None:
        """The evidence in a row of the ledger's `responses`; None if the row measured nothing."""
        if not recorded:
            return None
        known = {name: recorded[name] for name in cls.__slots__ if name in recorded}
        return cls(**known | {"as_of": np.datetime64(recorded["as_of"], "D")})

    @property
    def sample(self) -> int:
        """The outcomes that limits count."""
        return self.outcomes if self.effective_outcomes is None else round(self.effective_outcomes)

    @property
    def log_ratio(self) -> float:
        """Log of observed / expected, with half a contact added to both so that zero is defined."""
        return math.log((self.observed + 0.5) / (self.expected + 0.5))

    @property
    def z(self) -> float:
        """Standard errors between observed and expected."""
        return (self.observed - self.expected) / max(self.standard_error, 1e-9)


@dataclass(frozen=True, slots=True)
class LimitComparison:
    """One number of a day beside its limit: the loop acts on it, and pages show it.

    `value` is observed / expected (whose limit also holds for its inverse), the largest excess of a column, or the
    upper bound of the AUC; None if the sample is below the minimum, which violates nothing. `severity` is signed and
    comparable between days.
    """

    kind: ViolationKind
    sample: int
    minimum: int
    limit: float
    value: float | None
    is_violated: bool
    severity: float
    sentence: str


@dataclass(frozen=True, slots=True)
class ResponseState:
    """What is kept between days; days are ISO dates.

    `attempted_on` is the day of the last fit, promoted or refused. `recent` holds the violated kinds of the latest
    days, oldest first; `severity` those of the episode's last fit, by kind; `unhelpful` counts fits in a row after
    which the violation was as bad as before. `reviewed_on` is the day of the last review of a model on probation.
    """

    first_deployed_on: str | None = None
    deployed_on: str | None = None
    attempted_on: str | None = None
    assessed_on: str | None = None
    recent: tuple[tuple[str, ...], ...] = ()
    quiet: int = 0
    episode_id: str = ""
    fits: int = 0
    severity: Mapping[str, float] | None = None
    unhelpful: int = 0
    has_searched: bool = False
    stopped_on: str | None = None
    is_on_probation: bool = False
    reviewed_on: str | None = None

    def closed(self) -> ResponseState:
        """The state after an episode: the next violation starts another one."""
        return replace(
            self, episode_id="", fits=0, severity=None, unhelpful=0, has_searched=False, stopped_on=None, quiet=0
        )

    def to_json(self) -> str:
        """JSON text, for the ledger and the replay's checkpoint."""
        return json.dumps({"schema_version": STATE_SCHEMA_VERSION, **asdict(self)}, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> ResponseState:
        """Read what `to_json` wrote; another schema version is a ValueError."""
        remedy = "reset it, it builds up again within days"
        content = checked_version(json.loads(text), STATE_SCHEMA_VERSION, "response state", remedy)
        return msgspec.convert(content, cls)


@dataclass(frozen=True, slots=True)
class Response:
    """What to do on a day, why, and the state to keep.

    `run_key` is unique per requested fit. `is_recalibrated` says that the intercept moved materially, which may
    accompany a refit; `is_alert` that people are notified: an episode began, or the loop stopped.
    `kinds` are the limits that were violated.
    """

    action: ResponseAction
    reasons: tuple[str, ...]
    state: ResponseState
    episode_id: str = ""
    run_key: str = ""
    is_recalibrated: bool = False
    is_alert: bool = False
    kinds: tuple[str, ...] = ()
