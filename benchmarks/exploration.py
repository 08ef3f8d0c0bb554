"""What designs of exploration earn on the first part of the real history.

`BANK_SOURCE=<bank-full.csv> python -m benchmarks.exploration [--designs …] [--values …] [--seeds 8] [--processes 2]`
prints one JSON line per run; profits are realised EUR, explored calls paid for; the log loss is that of all contacts.

The loop is the platform's, with its default recipe, refitted without gates, searches and conversion to ONNX: a replay
of nine months takes seconds, and designs differ by more than gates do. `full` learns every outcome.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import cache, partial
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from scipy.special import logit, ndtr
from threadpoolctl import threadpool_limits

from bank_assets.contract.uci import UCI
from bank_assets.core.arrays import FloatArray
from bank_assets.core.economics.economics import Economics
from bank_assets.core.economics.exploration import EXPLORATION_SCORE, LearningBudget
from bank_assets.core.features.contacts import Contacts, LearningData
from bank_assets.core.features.feature_set import FeatureSet
from bank_assets.core.model.ranges import band_of
from bank_assets.core.model.scorer import Scores, apply_ranges, expit
from bank_assets.core.model.scorer import logit as log_odds
from bank_assets.core.response.loop import Assessment, after_verdict
from bank_assets.core.training.recipes import encode, fit_encoded, recency_weights
from bank_assets.replay.platform import PlatformReplay
from bank_assets.replay.policies import Rows
from bank_assets.replay.replay import walk
from bank_assets.replay.trace import Trace
from bank_assets.replay.world import HISTORY_MONTHS, ReplaySettings, World
from benchmarks.history import real_contacts

LAST_DAY = np.datetime64("2009-05-31")
COST = 5.0
Z = 1.645  # from the middle of a 90 % range to its end


class Offer(NamedTuple):
    """What a design sees of a day's list; arrays are (n,)."""

    as_of: np.datetime64
    rows: Rows
    world: World
    trace: Trace

    @property
    def proba(self) -> FloatArray:
        """Probabilities of the list."""
        return self.trace.proba[self.rows]

    @property
    def distance(self) -> FloatArray:
        """Distance to break-even, log-odds; negative below."""
        break_even = self.world.settings.economics.single_break_even
        return np.asarray(log_odds(self.proba) - logit(break_even))

    @property
    def width(self) -> FloatArray:
        """Width of the range, log-odds; 1 before the first model."""
        low, high = (log_odds(end[self.rows]) for end in (self.trace.low, self.trace.high))
        return np.nan_to_num(high - low, nan=1.0)


def near(offer: Offer) -> FloatArray:
    """Halves with every 0.7 of distance to break-even."""
    return np.exp(-np.abs(offer.distance))


def cheap(offer: Offer) -> FloatArray:
    """Variance of the outcome by what a call is expected to lose."""
    proba, economics = offer.proba, offer.world.settings.economics
    loss = np.maximum(-economics.expected_profit(proba, {}), 0.0) + 0.1 * COST
    return np.sqrt(proba * (1.0 - proba) / loss)


def thompson(offer: Offer) -> FloatArray:
    """Probability that a call pays, if the range is a normal one in log-odds."""
    return np.maximum(ndtr(offer.distance / (offer.width / (2.0 * Z))), 1e-3)


def stale(offer: Offer) -> FloatArray:
    """Days since an outcome of the same band of probability and kind of telephone was learned."""
    world, trace = offer.world, offer.trace
    segment = band_of(np.nan_to_num(trace.proba, nan=0.05)) * 2 + (world.frame["contact"] == "unknown")
    known = world.known(offer.as_of)
    last = {one: world.dates[known & (segment == one)].max(initial=world.dates[0]) for one in np.unique(segment)}
    return np.asarray([(offer.as_of - last[one]).astype(np.float64) for one in segment[offer.rows]])


def losing(offer: Offer, score: Callable[[Offer], FloatArray] | None = None) -> LearningBudget:
    """As many explorers as should lose what four calls cost, or 2 % of calling the whole list; at least eight."""
    profit = offer.world.settings.economics.expected_profit(offer.proba, {})
    others = profit <= 0.0
    if not others.any():
        return LearningBudget(minimum=8)
    loss = np.average(-profit[others], weights=None if score is None else score(offer)[others])
    most = COST * max(4.0, 0.02 * len(profit))
    return LearningBudget(minimum=max(8, int(min(most / max(float(loss), 1e-9), others.sum()))))


class Design(NamedTuple):
    """How much to explore, where, and which weights fits give to called contacts."""

    learning: LearningBudget | Callable[[Offer], LearningBudget]
    score: Callable[[Offer], FloatArray] | None = None
    fit: Callable[[FloatArray], FloatArray] = np.ones_like


BASE = LearningBudget(0.05, 8)
DESIGNS = {
    "full": Design(LearningBudget()),
    "no exploration": Design(LearningBudget()),
    "3 %": Design(LearningBudget(0.03)),
    "5 %": Design(LearningBudget(0.05)),
    "10 %": Design(LearningBudget(0.10)),
    "2 %, at least 8": Design(LearningBudget(0.02, 8)),
    "3 %, at least 8": Design(LearningBudget(0.03, 8)),
    "5 %, at least 4": Design(LearningBudget(0.05, 4)),
    "5 %, at least 8": Design(BASE),
    "10 %, at least 8": Design(LearningBudget(0.10, 8)),
    "near break-even": Design(BASE, near),
    "width of the range": Design(BASE, lambda offer: offer.width),
    "days since the segment was called": Design(BASE, stale),
    "Thompson": Design(BASE, thompson),
    "loss of 4 calls or 2 %": Design(losing),
    "loss of 4 calls or 2 %, cheap ones": Design(partial(losing, score=cheap), cheap),
    "fits weighted": Design(BASE, fit=np.asarray),
    "fits weighted up to 5": Design(BASE, fit=partial(np.minimum, 5.0)),
    "fits weighted by roots": Design(BASE, fit=np.sqrt),
}


class _Fitted:
    """Stands for a `Scorer`, without the graph."""

    def __init__(self, estimator: Any, data: LearningData, ranges: Any) -> None:
        self._estimator, self._features, self._ranges = estimator, FeatureSet.of(data.contract), ranges
        self.decision: dict[str, Any] = {"calibrator": []}

    def score(self, features: Any, *, log_odds_shift: float = 0.0) -> Scores:
        raw = self._estimator.predict_proba(encode(features, self._features))[:, 1]
        proba = expit(log_odds(raw) + log_odds_shift)
        return Scores(proba, *apply_ranges(proba, self._ranges), raw)


class QuickPlatform(PlatformReplay):
    """The platform with a design of exploration; every fit is promoted."""

    def __init__(self, design: Design, settings: ReplaySettings) -> None:
        super().__init__("platform", settings)
        self._design = design

    def _score(self, as_of: np.datetime64, rows: Rows, world: World, trace: Trace) -> None:
        super()._score(as_of, rows, world, trace)
        offer, (learning, score, _) = Offer(as_of, rows, world, trace), self._design
        if score is not None:
            world.frame.setdefault(EXPLORATION_SCORE, np.ones(len(world)))[rows] = score(offer)
        if not isinstance(learning, LearningBudget):
            self._settings = replace(self._settings, learning=learning(offer))

    def settle(self, requested: Assessment) -> bool:
        """Refit the default recipe."""
        self._requested, day = None, requested.day
        data = self._world.learning_data(day)
        weights = recency_weights(data.contact_dates, day, self._recipe.half_life_days)
        weights = weights if data.weights is None else weights * self._design.fit(data.weights)
        encoded = encode(data.features, FeatureSet.of(data.contract))
        estimator = fit_encoded(self._recipe, encoded, data.is_subscribed, weights / weights.mean())
        self.counts.trainings += 1
        self._response = after_verdict(self._response, str(day), is_promoted=True)
        self._scorer = _Fitted(estimator, data, self._ranges(day))
        self._compare_with(day, self._world)
        return True


@cache
def _contacts() -> Contacts:
    warnings.filterwarnings("ignore")
    return real_contacts()


def run(name: str, value: float, seed: int) -> dict[str, Any]:
    """Figures of one design."""
    design, contacts = DESIGNS[name], _contacts()
    contacts = replace(contacts, frame=dict(contacts.frame))
    feedback = "full" if name == "full" else "called"
    first = np.datetime64(UCI.month_after(HISTORY_MONTHS))
    economics = Economics.constant(COST, value)
    settings = ReplaySettings(economics, first, LAST_DAY, feedback=feedback, seed=seed)
    if isinstance(design.learning, LearningBudget):
        settings = replace(settings, learning=design.learning)
    world, policy = World(contacts, settings), QuickPlatform(design, settings)
    trace = Trace.empty(len(world))
    with threadpool_limits(1):
        for _ in walk(policy, world, trace):
            pass
    profit, explored = world.profit(trace.called), trace.explored & world.is_decided
    months = world.dates.astype("datetime64[M]")
    by_month = {
        str(m): float(profit[world.is_decided & (months == m)].sum()) for m in np.unique(months[world.is_decided])
    }
    y, proba = world.outcomes_for_the_judge, np.clip(trace.proba, 1e-4, 1.0 - 1e-4)
    losses = -np.log(np.where(y, proba, 1.0 - proba))
    return {
        "design": name, "value": value, "seed": seed, "profit_eur": sum(by_month.values()),
        "log_loss": float(losses[world.is_decided].mean()),
        "explored": int(explored.sum()), "exploration_profit_eur": float(profit[explored].sum()),
        "calls": int(trace.called.sum()), "trainings": policy.counts.trainings, "months": by_month,
    }  # fmt: skip


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--designs", nargs="+", choices=DESIGNS, default=list(DESIGNS))
    parser.add_argument("--values", nargs="+", type=float, default=[25.0, 50.0, 100.0])
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    jobs = [
        (name, value, seed)
        for seed, name, value in product(range(arguments.seeds), arguments.designs, arguments.values)
    ]
    with ProcessPoolExecutor(arguments.processes) as pool:
        for result in pool.map(run, *zip(*jobs, strict=True)):
            print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
