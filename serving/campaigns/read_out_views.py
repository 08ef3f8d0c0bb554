"""From read-outs to their pages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from bank_assets.core.quality.intervals import LEVEL, Estimate
from bank_assets.core.quality.lift import Lift
from bank_assets.core.quality.other_policies import OtherPolicy
from bank_assets.core.quality.read_out import ReadOut
from bank_assets.core.words import pct, whole
from bank_assets.ledger.campaigns import CampaignList
from bank_assets.reports.formats import count, eur, number
from serving.campaigns.read_out import REPORT_DAYS, Report
from serving.campaigns.read_out_view_models import CampaignReportView, ListLine, PolicyLine, ReadOutView
from serving.web.view_models import BAD, GOOD, PLAIN, WATCH, Notice, Tile

NO_ROWS: Final = (
    "No read-out: expected the rows of the list on record, found none; it is empty, or an earlier release made it."
)

ALL_MADE: Final = "exact: all these calls were made"


def read_out_view(heading: str, found: ReadOut | None, days: int, policies: Sequence[OtherPolicy] = ()) -> ReadOutView:
    """Arrange a read-out; `days` is the attribution window."""
    if found is None:
        return ReadOutView(heading, NO_ROWS, [], [], [], [])
    lines = [_policy(one) for one in policies]
    if policies and found.everyone is not None:
        lines.insert(0, _policy(OtherPolicy("everyone", "Calling everyone", found.everyone)))
    return ReadOutView(heading, found.lift.sentence, _notices(found), _tiles(found), lines, _facts(found, days))


def _policy(one: OtherPolicy) -> PolicyLine:
    value = one.value
    if value is None:
        return PolicyLine(one.text, "n/a", "n/a", one.reason)
    profit = "n/a" if value.profit_eur is None else eur(value.profit_eur.value)
    return PolicyLine(one.text, count(value.calls), profit, value.reason or value.basis or ALL_MADE)


def report_view(report: Report, days: int) -> CampaignReportView:
    """Arrange the report over lists."""
    n = len(report.lists) - len(report.apart)
    heading = "One list" if n == 1 else f"{count(n)} lists together"
    one = None if report.pooled is None else read_out_view(heading, report.pooled, days)
    left = ", ".join(f"{count(some)} {why}" for why, some in Counter(report.apart.values()).items())
    of = f"the {count(len(report.lists))} lists" if len(report.lists) != 1 else "1 list"
    pool = f"Pooled: {count(n)} of {of} made and called within {REPORT_DAYS} days."
    pool += f" Left out: {left}." if left else ""
    return CampaignReportView(one, pool, [_line(kept, found) for kept, found in report.lists])


def _line(kept: CampaignList, found: ReadOut) -> ListLine:
    made = found.made
    cells = [count(made.calls), count(made.subscriptions), eur(made.cost_eur), eur(made.profit_eur)]
    return ListLine(f"/campaign/lists/{kept.id}", kept.name, kept.created_at, cells, found.lift.sentence)


def _notices(found: ReadOut) -> list[Notice]:
    notices = []
    if found.lift.is_assumed:
        text = (
            "No subscriptions from the bank's books are on record, and in this data only called customers have an "
            "outcome: all that the calls brought counts as caused by them."
        )
        notices.append(Notice(WATCH, "Assumes that nobody subscribes without a call", text))
    if found.ratio.is_broken:
        notices.append(Notice(BAD, "The draw is broken", found.ratio.reason))
    if found.breaches:
        text = "They count as held out, so the effect is understated. Tell the call centre whom not to call."
        notices.append(Notice(WATCH, _called_all_the_same(found.breaches), text))
    return notices


def _called_all_the_same(n: int) -> str:
    return f"{count(n)} held-out customer{' was' if n == 1 else 's were'} called"


def _tiles(found: ReadOut) -> list[Tile]:
    made, explored, forecast, everyone = found.made, found.explored, found.forecast, found.everyone
    so_far = "" if everyone else "so far; "
    note, tone = "no forecast to compare it with", PLAIN
    if forecast is not None:
        is_final = everyone is not None and made.calls > 0  # what nobody called by is neither inside nor outside
        where = "" if not is_final else "inside " if found.is_as_forecast else "outside "
        note = f"{so_far}forecast {eur(forecast.value)}; {where}{eur(forecast.low)} to {eur(forecast.high)}"
        tone = PLAIN if not is_final else GOOD if found.is_as_forecast else WATCH
    tiles = [
        Tile("Calls made", count(made.calls), f"of {count(found.planned)} planned"),
        Tile("Subscriptions", count(made.subscriptions), f"{so_far}of called customers"),
        Tile("Cost of the calls", eur(made.cost_eur)),
        Tile("Realised profit", eur(made.profit_eur), note, tone),
        *_effect(found.lift),
        Tile(
            "Exploration",
            eur(explored.profit_eur, signed=True),
            f"{count(explored.calls)} calls for {eur(explored.cost_eur)}, {count(explored.subscriptions)} subscribed",
        ),
        *_taught(found),
    ]
    if everyone is not None:
        value = "n/a" if everyone.profit_eur is None else eur(everyone.profit_eur.value)
        tiles.append(Tile("Calling everyone", value, everyone.basis))
    return tiles


def _taught(found: ReadOut) -> list[Tile]:
    explored = found.explored
    if not explored.calls:
        return []
    outcomes, stand_for = count(explored.outcomes), count(explored.stand_for)
    weight = f"they tell as much as {count(explored.effective)} of equal weight"
    return [Tile("What exploration taught", outcomes, f"outcomes for {stand_for} outside the best calls; {weight}")]


def _effect(lift: Lift) -> list[Tile]:
    if lift.subscriptions is None or lift.profit_eur is None:
        title, _, _ = lift.reason.partition(":")
        more = f"{count(lift.more)} more customers needed" if lift.more else ""
        return [Tile("Caused by calling", title.lower(), more)]
    tone = PLAIN if lift.may_be_chance else GOOD if lift.profit_eur.value > 0.0 else WATCH
    return [
        Tile("Subscriptions caused", number(lift.subscriptions.value, digits=1), _ends(lift.subscriptions, lift)),
        Tile("Profit caused", eur(lift.profit_eur.value), _ends(lift.profit_eur, lift, "EUR"), tone),
    ]


def _ends(one: Estimate, lift: Lift, unit: str = "") -> str:
    if lift.is_assumed:
        return "all that calls brought"
    return f"{whole(one.low)} to {whole(one.high)} {unit}".strip() + f" at {pct(LEVEL, 0)}"


def _facts(found: ReadOut, days: int) -> list[str]:
    lift = found.lift
    facts = [f"A subscription counts from the planned day of the call to {days} days after it."]
    if lift.rate is not None:
        facts.append(
            f"Of {count(lift.called)} customers to call, {count(lift.called_subscribed)} subscribed "
            f"({pct(lift.called_subscribed / max(lift.called, 1))}); of {count(lift.held_out)} held out at random, "
            f"{count(lift.held_out_subscribed)} ({pct(lift.held_out_subscribed / lift.held_out)})."
        )
        facts.append("All are compared as they were drawn, whether or not the call was made.")
    return facts
