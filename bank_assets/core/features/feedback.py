"""Which outcomes teach, and with which weight, in a bank that calls by its lists.

Whoever is not called has no outcome, so an outcome stands for all contacts that its list might have called instead: its
weight is the inverse of the probability that a list called it. Outcomes that no list explains teach nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bank_assets.core.arrays import BoolArray, DayArray, FloatArray, IntArray

FULL: Final = "full"
"""Every outcome teaches: that of a feed that was called in full."""
CALLED: Final = "called"
"""Outcomes teach by the lists that called their contacts."""
FEEDBACKS: Final = (FULL, CALLED)
FOLLOWED_SHARE: Final = 0.5
"""Below this share of calls made, a list tells little about whom it would have called, and its outcomes teach nothing.

Best calls and explorers count separately: a call centre that leaves out the explorers hides all that they stand for."""
MINIMUM_DUE: Final = 10
"""Calls due in such a group before its share is judged."""
PERSON_DAYS: Final = np.timedelta64(30, "D")
"""Days after the planned one in which a call under another contact id is taken for the call that a list planned."""
_DAY: Final = np.timedelta64(1, "D")


class Origin(StrEnum):
    """Where an outcome comes from; the first two teach."""

    CALLED_IN_FULL = "called_in_full"  # from before the first list
    CALLED_BY_LIST = "called_by_list"
    AMBIGUOUS_PERSON = "ambiguous_person"  # on a list by person alone, who has several calls or rows there
    ON_NO_LIST = "on_no_list"  # single decisions, and calls outside any list
    NOT_CHOSEN = "not_chosen"  # called although its list had not chosen it
    NOT_FOLLOWED = "not_followed"  # its list was not followed
    BEFORE_ITS_CALL = "before_its_call"  # no result of the call
    NO_PROPENSITY = "no_propensity"  # its list states no probability in (0, 1]


APART: Final = {
    Origin.AMBIGUOUS_PERSON: "of persons with several calls that their list may have planned",
    Origin.ON_NO_LIST: "of contacts that were on no list",
    Origin.NOT_CHOSEN: "of contacts that their list had not chosen",
    Origin.NOT_FOLLOWED: "of lists that were not followed",
    Origin.BEFORE_ITS_CALL: "from before the call",
    Origin.NO_PROPENSITY: "of lists that state no probability of the call",
}
"""Origins of outcomes that teach nothing, in plain words."""


@dataclass(frozen=True, slots=True)
class ListDesign:
    """A call list as a random sample; contacts are distinct, each array (n,).

    Lists of one `list_id` are versions of one draw, in the order of `as_of`, the day that a list was made for, and of
    `made_at`, wall time (ISO). `is_called` are the best calls and the explorers; `propensity` is NaN for contacts
    that a rule excludes; days are those planned for the calls. `customer_ids` are "" where no person is named.
    `on_record` is the id by which a report of a call names this version.
    """

    list_id: str
    as_of: np.datetime64
    made_at: str
    contact_ids: NDArray[Any]
    contact_dates: DayArray
    propensity: FloatArray
    is_called: BoolArray
    is_explored: BoolArray
    customer_ids: NDArray[Any] | None = None
    on_record: str = ""


@dataclass(frozen=True, slots=True)
class Feedback:
    """Counts of outcomes by their origin, of those that more than one list taught, and of the lists' calls.

    `explored` are the calls of explorers that were made. Without any, a bank learns nothing of those it does not call.
    """

    outcomes: dict[Origin, int] = field(default_factory=dict)
    on_two_lists: int = 0
    calls_due: int = 0
    calls_made: int = 0
    explored: int = 0

    @property
    def n_taught(self) -> int:
        """Outcomes that teach."""
        return sum(self.outcomes.values()) - sum(self.apart.values())

    @property
    def apart(self) -> dict[str, int]:
        """Outcomes that teach nothing, by plain words of their origin."""
        return {text: self.outcomes[origin] for origin, text in APART.items() if self.outcomes.get(origin)}


def feedback_of(
    contact_ids: NDArray[Any],
    contact_dates: DayArray,
    arrived_on: DayArray,
    designs: Sequence[ListDesign],
    as_of: np.datetime64 | None = None,
    customer_ids: NDArray[Any] | None = None,
    called_by: NDArray[Any] | None = None,
) -> tuple[FloatArray | None, FloatArray | None, Feedback]:
    """Weigh outcomes by the lists that called their contacts, (n,); `arrived_on` is NaT without an outcome.

    Returns the weights and propensities of `Contacts`, and what they rest on. A contact id links a contact to a list;
    where no list knows it, the person does, "" in `customer_ids` if nobody is named. The version that called counts, by
    its `on_record` in `called_by`, "" if unknown, else the last one made before the call. Different lists are drawn
    independently, so a contact on several is called with the probability that at least one chooses it; a call by one
    is neither made nor due for the others. Contacts from before the first list were called in full. Calls planned
    before `as_of` are due, by default all up to the last contact.
    """
    has_outcome, n = ~np.isnat(arrived_on), len(contact_ids)
    latest = contact_dates.max() + _DAY if n else np.datetime64("NaT")
    today = latest if as_of is None else min(latest, as_of)
    designs = [one for one in designs if one.as_of < today]
    if not designs:
        return None, None, Feedback({Origin.CALLED_IN_FULL: int(has_outcome.sum())})
    listed, is_ambiguous = _Listed.of(contact_ids, contact_dates, customer_ids, called_by, designs)
    due = listed.due(today, contact_dates)
    made = due & (listed.at >= 0) & has_outcome[listed.at]
    is_followed = (listed.at >= 0) & _followed(listed, due, made, len(designs))[listed.version]

    is_listed, is_chosen, is_odd, is_barred = (np.zeros(n, bool) for _ in range(4))
    chance, missed, is_listed[listed.at[listed.at >= 0]] = np.zeros(n), np.ones(n), True
    at, p, is_called = listed.at[is_followed], listed.propensity[is_followed], listed.is_called[is_followed]
    is_chosen[at[is_called]] = True
    by_rule = ~is_called & np.isnan(p)
    is_barred[at[by_rule]], p = True, np.where(by_rule, 0.0, p)
    is_odd[at[~(((p > 0.0) | ~is_called & (p == 0.0)) & (p <= 1.0))]] = True
    n_lists, chance[at] = np.bincount(at, minlength=n), p
    np.multiply.at(missed, at, 1.0 - p)
    chance[n_lists > 1] = 1.0 - missed[n_lists > 1]

    found = {
        Origin.CALLED_IN_FULL: contact_dates < min(design.as_of for design in designs),
        Origin.BEFORE_ITS_CALL: arrived_on < contact_dates,
        Origin.AMBIGUOUS_PERSON: is_ambiguous,
        Origin.ON_NO_LIST: ~is_listed,
        Origin.NOT_FOLLOWED: n_lists == 0,
        Origin.NOT_CHOSEN: ~is_chosen,
        Origin.NO_PROPENSITY: is_odd,
        Origin.CALLED_BY_LIST: np.ones(n, bool),
    }
    origins = list(found)
    origin = np.select(list(found.values()), range(len(origins)))
    counts = np.bincount(origin[has_outcome], minlength=len(origins)).tolist()
    teaches = origin == origins.index(Origin.CALLED_BY_LIST)
    weights = np.where(origin == origins.index(Origin.CALLED_IN_FULL), 1.0, 0.0)
    weights[teaches] = 1.0 / chance[teaches]
    is_judged = (teaches | (origin == origins.index(Origin.NOT_CHOSEN))) & ~(is_barred & (chance == 0.0))
    propensity = np.where(is_judged, chance, np.where(weights > 0.0, 1.0, np.nan))
    numbers = (has_outcome & teaches & (n_lists > 1), due, made, made & listed.is_explored)
    return weights, propensity, Feedback(dict(zip(origins, counts, strict=True)), *(int(one.sum()) for one in numbers))


@dataclass(frozen=True, slots=True)
class _Listed:
    """Rows of all lists, the version that called or the last one before the call.

    `at` is the contact's row or -1; `is_by_another` says that its outcome names the call of another list.
    """

    version: IntArray
    at: IntArray
    called_on: DayArray  # planned where there is no contact
    propensity: FloatArray
    is_called: BoolArray
    is_explored: BoolArray
    is_by_another: BoolArray

    def due(self, today: np.datetime64, contact_dates: DayArray) -> BoolArray:
        """Calls that should have been made, in months of contacts."""
        month, months = self.called_on.astype("datetime64[M]"), np.unique(contact_dates.astype("datetime64[M]"))
        return self.is_called & ~self.is_by_another & (self.called_on < today) & np.isin(month, months)

    @classmethod
    def of(
        cls,
        contact_ids: NDArray[Any],
        contact_dates: DayArray,
        customer_ids: NDArray[Any] | None,
        called_by: NDArray[Any] | None,
        designs: Sequence[ListDesign],
    ) -> tuple[_Listed, BoolArray]:
        """The rows, and which contacts are on a list by a person who does not identify them, (n,)."""
        ordered = sorted(designs, key=lambda one: (one.as_of, one.made_at))
        names = {one.list_id: at for at, one in enumerate(ordered)}

        def column(name: str) -> Any:
            return np.concatenate([getattr(one, name) for one in ordered])

        version = np.repeat(np.arange(len(ordered)), [len(one.contact_ids) for one in ordered])
        known, code = np.unique(column("contact_ids").astype(np.str_), return_inverse=True)
        ids = contact_ids.astype(np.str_)
        order = np.argsort(ids)
        row = order[np.searchsorted(ids, known, sorter=order).clip(max=len(ids) - 1)]
        at_of, is_ambiguous = np.where(ids[row] == known, row, -1), np.zeros(len(ids), bool)
        if customer_ids is not None:
            persons = np.full(len(known), "", object)
            persons[code] = np.concatenate([_persons(one) for one in ordered])
            planned = np.zeros(len(known), "datetime64[D]")
            planned[code] = column("contact_dates")
            is_other = (customer_ids != "") & ~np.isin(ids, known)
            is_ambiguous = _link_persons(at_of, persons, planned, np.where(is_other, customer_ids, ""), contact_dates)
        at = at_of[code]
        called_on = np.where(at >= 0, contact_dates[at], column("contact_dates"))
        is_made = np.array([one.as_of for one in ordered])[version] <= called_on
        of_record = np.array([one.on_record for one in ordered], object)[version]
        named = np.full(len(ids), "", object) if called_by is None else called_by
        is_named = is_made & (at >= 0) & (of_record != "") & (named[at] == of_record)
        is_by_another = (at >= 0) & ~is_named & np.isin(at, at[is_named])
        rows = np.flatnonzero(is_made)[::-1]
        rows = rows[np.argsort(~is_named[rows], kind="stable")]
        draw = np.array([names[one.list_id] for one in ordered])[version] * len(known) + code
        kept = rows[np.unique(draw[rows], return_index=True)[1]]
        facts = (column(name) for name in ("propensity", "is_called", "is_explored"))
        return cls(*(part[kept] for part in (version, at, called_on, *facts, is_by_another))), is_ambiguous


def _persons(design: ListDesign) -> NDArray[Any]:
    named = design.customer_ids
    return np.full(len(design.contact_ids), "", object) if named is None else named.astype(object)


def _link_persons(
    at: IntArray, persons: NDArray[Any], planned: DayArray, customer_ids: NDArray[Any], contact_dates: DayArray
) -> BoolArray:
    """Give listed contacts that never arrived, -1 in `at`, the only other contact of their person near the planned day.

    `persons` and `planned` are of the listed contacts; `customer_ids`, (n,), are "" for contacts that are on a list.
    Returns which contacts fit several listed ones, or share one with others, (n,).
    """
    wanted, others = np.flatnonzero((at < 0) & (persons != "")), np.flatnonzero(customer_ids != "")
    others = others[np.argsort(customer_ids[others].astype(np.str_), kind="stable")]
    names, sought = customer_ids[others].astype(np.str_), persons[wanted].astype(np.str_)
    first, end = np.searchsorted(names, sought), np.searchsorted(names, sought, side="right")
    listed = np.repeat(wanted, end - first)
    contact = others[np.arange(len(listed)) - np.repeat(np.cumsum(end - first) - end, end - first)]
    is_near = np.abs(contact_dates[contact] - planned[listed]) <= PERSON_DAYS
    listed, contact = listed[is_near], contact[is_near]
    is_one = (np.bincount(listed, minlength=len(at))[listed] == 1) & (
        np.bincount(contact, minlength=len(customer_ids))[contact] == 1
    )
    at[listed[is_one]] = contact[is_one]
    is_ambiguous = np.zeros(len(customer_ids), bool)
    is_ambiguous[contact[~is_one]] = True
    return is_ambiguous


def _followed(listed: _Listed, due: BoolArray, made: BoolArray, n_versions: int) -> BoolArray:
    """Which versions of lists were followed, (n_versions,): enough of the best calls and of the explorers were made."""
    group = 2 * listed.version + listed.is_explored
    n_due, n_made = (np.bincount(group[rows], minlength=2 * n_versions).reshape(-1, 2) for rows in (due, made))
    is_short = (n_due >= MINIMUM_DUE) & (n_made < FOLLOWED_SHARE * n_due)
    return np.asarray(~is_short.any(axis=1) & (n_made.sum(axis=1) > 0))
