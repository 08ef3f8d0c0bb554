"""The drift report: what moved between a reference and a window, as values for people and programs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final

import msgspec
import numpy as np

from bank_assets.core.arrays import BoolArray, FloatArray, checked_version, effective_size
from bank_assets.core.drift.profile import NUMERIC, Profile
from bank_assets.core.drift.statistics import wilson_interval

DRIFT_SCHEMA_VERSION: Final = 1


class Level(StrEnum):
    """How far something moved, from lowest to highest."""

    NONE = "none"
    MODERATE = "moderate"
    HEAVY = "heavy"


LEVELS: Final = tuple(Level)

SHADES: Final = ((0.25, "much"), (0.10, "some"))
"""Shares of contacts that moved from which a table shades a cell; they are no limits."""


def worst(*levels: Level) -> Level:
    """The highest of the levels; none for no level."""
    return max(levels, key=LEVELS.index, default=Level.NONE)


def level_of(effect: float, limits: tuple[float, float]) -> Level:
    """The level of an effect by its (moderate, heavy) limits; none for NaN."""
    moderate, heavy = limits
    return Level.HEAVY if effect >= heavy else Level.MODERATE if effect >= moderate else Level.NONE


class DriftStatus(StrEnum):
    """Whether the report carries a verdict."""

    OK = "ok"
    REFERENCE_MISSING = "reference_missing"
    TOO_FEW_ROWS = "too_few_rows"


class DriftRole(StrEnum):
    """What a column's drift means."""

    INPUT = "input"  # known before the call: it can break the model, so it makes the overall level
    MONITORED = "monitored"  # known only after the call: listed, but it does not make the overall level
    CALENDAR = "calendar"  # moves by definition: statistics without a verdict


@dataclass(frozen=True, slots=True)
class ColumnDrift:
    """Drift of one column; statistics that cannot be computed are None.

    "Compared" values leave out the point mass: the value of a numeric column that stands for "none".

    Attributes:
        kind: "numeric" or "category".
        level: verdict; none for calendar columns and reports without verdict.
        reason: the statistic that made the verdict, with its value and threshold; "" for none.
        psi: population stability index of the compared values.
        ks_distance: KS distance of all values (numeric).
        ks_p_value: its p-value, for information (numeric).
        ks_distance_rest: KS distance of the compared values (numeric).
        total_variation: share of contacts that changed category (category).
        weight: share of contacts that the compared values are, the smaller of both sides; effects are judged times
            this.
        point_mass_reference: its share in the reference; the current share likewise.
        missing_reference: share of missing values in the reference; the current share likewise.
        rows_reference: compared values in the reference; the current number likewise.
        new_values: categories of the current window that the reference does not have.
    """

    column: str
    kind: str
    role: DriftRole
    level: Level
    reason: str
    psi: float | None = None
    ks_distance: float | None = None
    ks_p_value: float | None = None
    ks_distance_rest: float | None = None
    total_variation: float | None = None
    weight: float = 0.0
    point_mass: int | None = None
    point_mass_reference: float | None = None
    point_mass_current: float | None = None
    missing_reference: float = 0.0
    missing_current: float = 0.0
    rows_reference: int = 0
    rows_current: int = 0
    new_values: tuple[str, ...] = ()

    @property
    def distance(self) -> float | None:
        """Distance of the compared values: KS (numeric) or total variation (category)."""
        return self.ks_distance_rest if self.kind == NUMERIC else self.total_variation

    @property
    def shade(self) -> str:
        """`some` or `much` by the size of the effect, else an empty text."""
        return next((name for least, name in SHADES if self.effect is not None and self.effect >= least), "")

    @property
    def effect(self) -> float | None:
        """Share of contacts that moved, in [0, 1], for charts; None if nothing was compared.

        The larger of the point mass's shift and the weighted KS distance or total variation.
        """
        shifts = [] if self.distance is None else [self.distance * self.weight]
        if self.point_mass_reference is not None and self.point_mass_current is not None:
            shifts.append(abs(self.point_mass_reference - self.point_mass_current))
        return max(shifts, default=None)


@dataclass(frozen=True, slots=True)
class LabelRate:
    """Subscription rate among known outcomes, with the ends of its Wilson interval; None without known outcomes."""

    known: int
    subscribed: int
    rate: float | None
    low: float | None
    high: float | None

    @staticmethod
    def of(profile: Profile, confidence: float) -> LabelRate:
        """From the counts of the target column."""
        known, subscribed = profile.known_outcomes, profile.subscribed
        if not known:
            return LabelRate(0, 0, None, None, None)
        low, high = wilson_interval(subscribed, known, confidence)
        return LabelRate(known, subscribed, subscribed / known, low, high)

    @staticmethod
    def weighted(is_subscribed: BoolArray, weights: FloatArray, confidence: float) -> LabelRate:
        """From known outcomes with weights, (n,): the rate of all contacts, and effective counts."""
        size = effective_size(weights)
        if not size:
            return LabelRate(0, 0, None, None, None)
        rate = float(np.average(is_subscribed, weights=weights))
        return LabelRate(round(size), round(size * rate), rate, *wilson_interval(size * rate, size, confidence))


@dataclass(frozen=True, slots=True)
class DriftReport:
    """What moved between a reference and the current window.

    Attributes:
        status: ok, or why there is no verdict.
        message: one sentence for people: what was found, and what to do without a verdict.
        level: highest level of the input columns.
        drifted_columns: input and monitored columns above level none, furthest first.
        columns: every column, in contract order.
        label_level: how far the subscription rate moved; apart from `level`, because it needs another response.
        reference_overlaps: the window shares days with the reference, so drift looks smaller than it is.
        last_day: last day of the current window (ISO), None if empty: the data time of the report.
    """

    status: DriftStatus
    message: str
    level: Level
    drifted_columns: tuple[str, ...]
    columns: tuple[ColumnDrift, ...]
    label_level: Level
    label_reference: LabelRate
    label_current: LabelRate
    reference_name: str
    reference_span: str
    current_span: str
    rows_reference: int
    rows_current: int
    reference_overlaps: bool
    last_day: str | None

    def to_dict(self) -> dict[str, Any]:
        """JSON form, equal to what reading its JSON gives."""
        return plain({"schema_version": DRIFT_SCHEMA_VERSION, **asdict(self)})

    @staticmethod
    def from_dict(document: Mapping[str, Any]) -> DriftReport:
        """Read what `to_dict` wrote; another schema version is a ValueError."""
        remedy = "materialize drift_report again with this release"
        content = checked_version(document, DRIFT_SCHEMA_VERSION, "drift report", remedy)
        return msgspec.convert(content, DriftReport)


def plain(document: Mapping[str, Any]) -> dict[str, Any]:
    """The same document as reading its JSON gives: dictionaries, lists, strings and numbers only."""
    return json.loads(json.dumps(document))
