"""The drift report: what moved between a reference and a window, as values for people and programs.

What lives here: levels, statuses, roles, `ColumnDrift`, `LabelRate`, `DriftReport` and its JSON form.
What must not: thresholds and comparisons (`drift`), plots and pages (`bank_assets.reports`).
Called by `drift`, reports, sensors and the response policy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final

from bank_assets.core.drift.profile import NUMERIC, Profile
from bank_assets.core.drift.statistics import wilson_interval

DRIFT_SCHEMA_VERSION: Final = 1


class Level(StrEnum):
    """How far something moved."""

    NONE = "none"
    MODERATE = "moderate"
    HEAVY = "heavy"


LEVELS: Final = (Level.NONE, Level.MODERATE, Level.HEAVY)
"""Levels from lowest to highest."""


SHADES: Final = ((0.25, "much"), (0.10, "some"))
"""Share of contacts that moved, from which a table shades a column: for the eye, no limit of anything."""


def shade(effect: float | None) -> str:
    """`some` or `much` by the size of an effect, else ""."""
    return next((name for least, name in SHADES if effect is not None and effect >= least), "")


def worst(*levels: Level) -> Level:
    """The highest of the levels; none for no level."""
    return max(levels, key=LEVELS.index, default=Level.NONE)


class DriftStatus(StrEnum):
    """Whether the report carries a verdict."""

    OK = "ok"
    REFERENCE_MISSING = "reference_missing"
    TOO_FEW_ROWS = "too_few_rows"


class DriftRole(StrEnum):
    """What a column's drift means."""

    INPUT = "input"
    """Known before the call: its drift can break the model, so it makes the overall level."""
    MONITORED = "monitored"
    """Known only after the call: listed when drifted, but no model input, so it makes no overall level."""
    CALENDAR = "calendar"
    """Moves by definition: statistics are reported, never a verdict."""


@dataclass(frozen=True, slots=True)
class ColumnDrift:
    """Drift of one column; statistics that cannot be computed are None.

    Attributes:
        column: delivery name.
        kind: "numeric" or "category".
        role: input, monitored or calendar.
        level: verdict; none for calendar columns and reports without verdict.
        reason: the statistic that made the verdict, with its value and threshold; "" for none.
        psi: population stability index (numeric: point mass split off).
        ks_distance: KS distance of all values (numeric).
        ks_p_value: its p-value, for information (numeric).
        ks_distance_rest: KS distance with the point mass split off (numeric; equals ks_distance without a point mass).
        total_variation: (category).
        weight: share of contacts that the values compared are, the smaller of both sides; effects are judged times
            this share.
        point_mass: the value split off, or None.
        point_mass_reference: its share in the reference.
        point_mass_current: its share in the current window.
        missing_reference: share of missing values in the reference.
        missing_current: share of missing values in the current window.
        rows_reference: values compared in the reference, point mass split off.
        rows_current: values compared in the current window, point mass split off.
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
    def effect(self) -> float | None:
        """Headline number in [0, 1] for charts: share of contacts that moved.

        The larger of the point mass's shift and the weighted D or total variation; None if nothing was compared.
        """
        distance = self.ks_distance_rest if self.kind == NUMERIC else self.total_variation
        shifts = [] if distance is None else [distance * self.weight]
        if self.point_mass_reference is not None and self.point_mass_current is not None:
            shifts.append(abs(self.point_mass_reference - self.point_mass_current))
        return max(shifts, default=None)


@dataclass(frozen=True, slots=True)
class LabelRate:
    """Subscription rate among known outcomes of one side.

    Attributes:
        known: contacts whose outcome is known.
        subscribed: of these, how many subscribed.
        rate: subscribed / known, None without known outcomes.
        low: lower end of the Wilson interval, None likewise.
        high: upper end, None likewise.
    """

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


@dataclass(frozen=True, slots=True)
class DriftReport:
    """What moved between a reference and the current window.

    Attributes:
        status: ok, or why there is no verdict.
        message: one sentence for people: what was found, and what to do without a verdict.
        level: highest level of the input columns.
        drifted_columns: input and monitored columns above level none, furthest first.
        columns: every column, in contract order.
        label_level: how far the subscription rate moved; apart from `level`, because it asks for another answer.
        label_reference: subscription rate of the reference.
        label_current: subscription rate of the current window.
        reference_name: where the reference comes from, for people.
        reference_span: days of the reference.
        current_span: days of the current window.
        rows_reference: contacts in the reference.
        rows_current: contacts in the current window.
        reference_overlaps: the current window shares days with the reference, so drift looks smaller than it is.
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
        """JSON-ready form: equal to what reading its JSON gives."""
        document: dict[str, Any] = plain({"schema_version": DRIFT_SCHEMA_VERSION, **asdict(self)})
        return document

    @staticmethod
    def from_dict(document: Mapping[str, Any]) -> DriftReport:
        """Read what `to_dict` wrote.

        Raises:
            ValueError: another schema version.
        """
        fields = dict(document)
        version = fields.pop("schema_version", None)
        if version != DRIFT_SCHEMA_VERSION:
            raise ValueError(
                f"drift report: expected schema_version {DRIFT_SCHEMA_VERSION}, found {version!r}; "
                f"materialize drift_report again with this release."
            )
        fields["status"] = DriftStatus(fields["status"])
        fields["level"], fields["label_level"] = Level(fields["level"]), Level(fields["label_level"])
        fields["drifted_columns"] = tuple(fields["drifted_columns"])
        fields["columns"] = tuple(
            ColumnDrift(
                **part
                | {
                    "role": DriftRole(part["role"]),
                    "level": Level(part["level"]),
                    "new_values": tuple(part["new_values"]),
                }
            )
            for part in fields["columns"]
        )
        fields["label_reference"] = LabelRate(**fields["label_reference"])
        fields["label_current"] = LabelRate(**fields["label_current"])
        return DriftReport(**fields)


def plain(value: Any) -> Any:
    """The same value as dictionaries, lists, strings and numbers only, equal to what reading its JSON gives."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, StrEnum) else value
