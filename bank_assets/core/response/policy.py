"""What the response policy works with: its policy, the evidence, the state between days, the answer.

What lives here: the values, their JSON form.
What must not: the decision (`core.response.assessment`), measuring (`core.response.evidence`).
Called by `core.response.assessment`, the response sensor and the replay.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final

import numpy as np

STATE_SCHEMA_VERSION: Final = 1


class ResponseAction(StrEnum):
    """What to do."""

    NONE = "none"
    RECALIBRATE = "recalibrate"
    RETRAIN = "retrain"
    SEARCH = "search"
    ALERT = "alert"


class ViolationKind(StrEnum):
    """What is violated."""

    CALIBRATION = "calibration"
    COVARIATES = "covariates"
    RANKING = "ranking"


@dataclass(frozen=True, slots=True)
class ResponsePolicy:
    """When to answer, and how. Chosen on the first year of the replay, reported on the rest (docs/adr/).

    Attributes:
        window_days: days looked back at.
        minimum_outcomes: matured outcomes of the model in force that calibration, and any refit, needs. Low on
            purpose: of 80 contacts in October 2008 60 % subscribed, and waiting for 200 cost 2,000 EUR.
        calibration_ratio: observed / expected, or its inverse, that counts as an effect.
        calibration_z: standard errors that make it certain; a day is one of hundreds, so 2 would alarm weekly.
        minimum_contacts: contacts that covariates need.
        covariate_excess: total variation of a column beyond sampling noise.
        minimum_ranked: outcomes that ranking needs.
        minimum_of_class: of them, subscribers and others each.
        ranking_floor: AUC whose upper bound (two standard errors) must not fall below it.
        k: days that must violate,
        n: of so many latest.
        cool_down_days: days between two fits.
        quiet_days: judged days without violation that end an episode.
        search_after: refits in a row that did not help before all candidates are compared, and before stopping.
        rest_days: days after a stop until the platform tries again by itself.
        review_days: days after the last fit or review until a model on probation is reviewed, whatever the evidence. A
            review that the gate refuses changes nothing and starts no cool-down: a fit of October 2008 that came ten
            days before the jump of that month would cost more than a review can give.
        material_shift: change of the intercept that counts as a recalibration, log-odds (5 % of the odds).
    """

    window_days: int = 28
    minimum_outcomes: int = 30
    calibration_ratio: float = 1.25
    calibration_z: float = 4.0
    minimum_contacts: int = 200
    covariate_excess: float = 0.12
    minimum_ranked: int = 200
    minimum_of_class: int = 20
    ranking_floor: float = 0.60
    k: int = 2
    n: int = 3
    cool_down_days: int = 10
    quiet_days: int = 5
    search_after: int = 3
    rest_days: int = 28
    review_days: int = 28
    material_shift: float = 0.05

    def __post_init__(self) -> None:
        if not 1 <= self.k <= self.n:
            raise ValueError(f"ResponsePolicy: expected 1 <= k <= n, found k={self.k}, n={self.n}.")
        if self.calibration_ratio <= 1.0 or self.cool_down_days < 1 or self.search_after < 1:
            raise ValueError(
                f"ResponsePolicy: expected calibration_ratio > 1, cool_down_days >= 1 and search_after >= 1, found "
                f"{self.calibration_ratio}, {self.cool_down_days} and {self.search_after}."
            )


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was measured on a day; None where there is too little to measure.

    Attributes:
        as_of: the as-of day.
        outcomes: matured outcomes of the model in force, in the window.
        observed: subscriptions among them.
        expected: sum of their unshifted probabilities.
        standard_error: of observed - expected, if the probabilities were right.
        contacts: contacts in the window of covariates.
        excess: excess total variation by column; empty if too few contacts.
        roc_auc: AUC of the model in force, or None.
        roc_auc_error: its standard error, or None.
        shift_before: intercept in force until now, log-odds.
        shift_now: intercept from the outcomes known on this day, log-odds.
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

    @classmethod
    def from_record(cls, recorded: Mapping[str, Any]) -> Evidence | None:
        """The evidence of a row of the ledger's `responses`; None for a row that measured nothing."""
        if not recorded:
            return None
        known = {name: recorded[name] for name in cls.__slots__ if name in recorded}
        return cls(**known | {"as_of": np.datetime64(recorded["as_of"], "D")})

    @property
    def log_ratio(self) -> float:
        """Log of observed / expected, half a contact added to both so that zero is defined."""
        return math.log((self.observed + 0.5) / (self.expected + 0.5))

    @property
    def z(self) -> float:
        """Standard errors between observed and expected."""
        return (self.observed - self.expected) / max(self.standard_error, 1e-9)


@dataclass(frozen=True, slots=True)
class LimitComparison:
    """One number of a day beside its limit. The loop acts on it and pages show it.

    Attributes:
        kind: what is compared.
        sample: outcomes or contacts that the number rests on.
        minimum: how many it takes to judge.
        value: observed / expected, the largest excess of a column, or the upper bound of the AUC; None if not measured.
        limit: of `value`; for observed / expected also its inverse.
        is_violated: whether the limit is broken; always false where the sample is too small.
        severity: signed size, comparable between days.
        sentence: with the numbers.
    """

    kind: ViolationKind
    sample: int
    minimum: int
    value: float | None
    limit: float
    is_violated: bool
    severity: float
    sentence: str


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that is not as it should be.

    Attributes:
        kind: what.
        severity: signed size, comparable between days.
        sentence: with the numbers.
    """

    kind: ViolationKind
    severity: float
    sentence: str


@dataclass(frozen=True, slots=True)
class ResponseState:
    """What is kept between days.

    Attributes:
        first_deployed_on: day of the first model, ISO; None before it.
        deployed_on: day since which the model in force decides.
        attempted_on: day of the last fit, promoted or refused.
        assessed_on: last day judged; the same day again changes nothing.
        recent: violated kinds of the latest days since deployment, oldest first.
        quiet: judged days without violation in a row.
        episode_id: the running episode, or "".
        fits: fits asked for in the episode.
        severity: severities at the last fit of the episode, by kind.
        unhelpful: fits in a row after which the violation was as bad as before.
        has_searched: whether the episode had its search.
        stopped_on: day of the stop, or None.
        is_on_probation: whether the model in force decides although no gate has opened for it yet.
        reviewed_on: day on which the gate was last asked again without any violation, or None.
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

    def to_json(self) -> str:
        """JSON text: a sensor's cursor, a checkpoint of the replay."""
        return json.dumps({"schema_version": STATE_SCHEMA_VERSION, **asdict(self)}, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> ResponseState:
        """Read it.

        Raises:
            ValueError: another schema version; reset the cursor, the state builds up again within days.
        """
        content = json.loads(text)
        version = content.pop("schema_version", None)
        if version != STATE_SCHEMA_VERSION:
            raise ValueError(
                f"response state: expected schema_version {STATE_SCHEMA_VERSION}, found {version!r}; "
                "reset it, it builds up again within days."
            )
        content["recent"] = tuple(tuple(kinds) for kinds in content["recent"])
        return cls(**content)


@dataclass(frozen=True, slots=True)
class Response:
    """The answer of a day.

    Attributes:
        action: what to do.
        reasons: sentences with the numbers.
        episode_id: the episode it belongs to, or "".
        run_key: unique per fit asked for, or "".
        is_recalibrated: whether the intercept moved materially (also true beside a refit).
        is_alert: whether a person is told: a new episode, or a stop.
        state: to be kept.
    """

    action: ResponseAction
    reasons: tuple[str, ...]
    episode_id: str
    run_key: str
    is_recalibrated: bool
    is_alert: bool
    state: ResponseState
