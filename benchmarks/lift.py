"""Coverage of the lift against a hold-out: `python -m benchmarks.lift`, one JSON line.

`--lists` lists of each kind are planned from simulated contacts and called, with a known rate without a call. For each
kind: lists with a number, how often the 95 % intervals hold the known effect in subscriptions and in EUR, their mean
width, and the same for the plain normal interval. Then the exact coverage of our interval and of others over a grid of
rates and group sizes, false alarms of the sample-ratio check, and how many of three kinds of broken draws it finds.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep

from bank_assets.contract.uci import UCI
from bank_assets.core.economics.economics import ColumnAmount, ConstantAmount, Economics
from bank_assets.core.economics.exploration import LearningBudget
from bank_assets.core.economics.holdout import lift_test_size
from bank_assets.core.economics.planner import PlanSettings, plan_calls
from bank_assets.core.quality.intervals import LEVEL, Z, difference
from bank_assets.core.quality.lift import FROM_NOTHING
from bank_assets.core.quality.read_out import Attribution, ListResults, read_out

DAY = np.datetime64("2010-05-03")
COVERED = Attribution(30, DAY + 60)

RATES = (0.0, 0.001, 0.003, 0.005, 0.01, 0.02, 0.05, 0.12, 0.3)  # without a call
RISES = (0.0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)  # by the call
SIZES = tuple((out, called) for out, called in product((20, 50, 100, 200), (60, 200, 600, 2_000)) if out <= called)
"""Customers held out and called."""
NEGLIGIBLE = 1e-5  # counts that are less likely are left out


@dataclass(frozen=True)
class Kind:
    """How lists are made: contacts, mean probability with a call, hold-out share, lists pooled into one read-out."""

    contacts: int = 2_000
    rate: float = 0.12
    holdout: float = 0.1
    pooled: int = 1
    without: float = 0.4  # of the probability with a call
    spread: float = 0.0  # of the values, as a log-normal's deviation
    follows: float = 0.0  # how strongly values rise with the probability


KINDS = {
    "usual": Kind(),
    "values by row": Kind(spread=0.7),
    "values that rise with the probability": Kind(spread=0.5, follows=0.7),
    "small": Kind(contacts=1_000, rate=0.15),
    "rare": Kind(contacts=8_000, rate=0.03),
    "no effect": Kind(without=1.0),
    "nobody without a call": Kind(without=0.0),
    "half held out": Kind(contacts=800, holdout=0.5),
    "four pooled, other shares": Kind(contacts=600, pooled=4),
}


def simulated(kind: Kind, rng: np.random.Generator, name: str) -> tuple[ListResults, np.ndarray]:
    """One list with its outcomes, and the known rise of each row's probability, (n,)."""
    n, holdout = kind.contacts, kind.holdout
    if kind.pooled > 1:
        holdout = rng.choice([0.05, 0.1, 0.2, 0.5])
    probability = rng.beta(1.5, 1.5 / kind.rate - 1.5, n)
    value = np.exp(rng.normal(4.0, kind.spread, n)) * (probability / kind.rate) ** kind.follows
    frame = {"value": np.maximum(value, 1.0), "customer_id": np.arange(n).astype(str)}
    economics = Economics(ConstantAmount(3.0), ColumnAmount("value"))
    settings = PlanSettings(economics, holdout_share=float(holdout), learning=LearningBudget(0.02, 8))
    plan = plan_calls(frame["customer_id"], probability, frame, UCI, settings, name)
    without = probability * kind.without
    is_subscribed = rng.random(n) < np.where(plan.is_called, probability, without)
    rows = ListResults(
        np.char.add(f"{name} ", plan.contact_id),
        plan.reason,
        np.full(n, DAY),
        plan.probability,
        plan.propensity,
        plan.cost_eur,
        plan.value_eur,
        np.full(n, float(holdout)),
        plan.is_called,
        np.where(plan.is_called, plan.cost_eur, 0.0),
        plan.is_called,
        np.where(is_subscribed, DAY + rng.integers(0, 30, n), np.datetime64("NaT")),
    )
    return rows, probability - without


def judged(kind: Kind, number: int, seed: int) -> dict[str, object]:
    """One read-out, and whether its intervals hold the known effect."""
    rng = np.random.default_rng([seed, number])
    parts, rises = zip(*(simulated(kind, rng, f"{seed} {number} {k}") for k in range(kind.pooled)), strict=True)
    rows, rise = ListResults.joined(parts), np.concatenate(rises)
    answer, called = read_out(rows, COVERED), rows.is_called
    lift, found = answer.lift, {"alarm": answer.ratio.is_broken, "reason": answer.lift.reason.partition(":")[0]}
    if lift.profit_eur is None:
        return found
    profit = float((rows.value_eur * rise - rows.cost_eur)[called].sum())
    truths = {"subscriptions": (float(rise[called].sum()), lift.subscriptions), "eur": (profit, lift.profit_eur)}
    found |= {name: (one.low <= true <= one.high, one.high - one.low) for name, (true, one) in truths.items()}
    rate, rate_without = lift.called_subscribed / lift.called, lift.held_out_subscribed / lift.held_out
    half = Z * np.sqrt(rate * (1.0 - rate) / lift.called + rate_without * (1.0 - rate_without) / lift.held_out)
    truth = float(rise[called].mean())
    found["normal"] = (abs(rate - rate_without - truth) <= half, 2.0 * lift.called * half)
    return found


def figures(answers: list[dict[str, object]]) -> dict[str, object]:
    """Coverage and mean width of the intervals, and how many lists have one."""
    numbers = [one for one in answers if "eur" in one]
    shown = {"lists": len(answers), "with_number": len(numbers), "alarms": sum(bool(one["alarm"]) for one in answers)}
    for name in ("subscriptions", "eur", "normal"):
        if any(name in one for one in numbers):
            covered, width = np.array([one[name] for one in numbers if name in one], float).T
            shown[name] = {"coverage": round(float(covered.mean()), 3), "mean_width": round(float(width.mean()), 1)}
    return shown


def ours(found: np.ndarray, n: int, found_without: np.ndarray, n_without: int) -> tuple[np.ndarray, np.ndarray]:
    """The ends of our interval for each pair of counts."""
    pairs = np.broadcast_arrays(found, found_without)
    ends = [difference(x / n, n, y / n_without, n_without) for x, y in zip(*map(np.ravel, pairs), strict=True)]
    low, high = np.array([(one.low, one.high) for one in ends]).T
    return low.reshape(pairs[0].shape), high.reshape(pairs[0].shape)


def theirs(method: str) -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    """The same by statsmodels."""
    return lambda *counts: confint_proportions_2indep(*counts, method=method, compare="diff")


def exact_coverage() -> dict[str, object]:
    """Coverage of each method over the grid, and over the part of it where a read-out has a number (`shown`).

    Least and most, the shares of the grid below 93 and above 97 %, and the most held-out customers that subscribe on
    average where it is above 97 %.
    """
    methods = {"ours": ours, **{name: theirs(name) for name in ("newcomb", "agresti-caffo", "wald")}}
    found: dict[str, list[float]] = {name: [] for name in methods}
    cells = []
    for rate, rise, (held_out, called) in product(RATES, RISES, SIZES):
        needed = lift_test_size(FROM_NOTHING, max(rate + rise, 1e-6), holdout_share=held_out / (held_out + called))
        cells.append((held_out * rate, held_out >= needed[0] and called >= needed[1]))
        counts, masses = [], []
        for n, p in ((called, rate + rise), (held_out, rate)):
            mass = stats.binom.pmf(np.arange(n + 1), n, p)
            counts.append(np.flatnonzero(mass > NEGLIGIBLE))
            masses.append(mass[counts[-1]])
        mass = np.outer(masses[0], masses[1])
        for name, method in methods.items():
            low, high = method(counts[0][:, None], called, counts[1][None, :], held_out)
            is_covered = (low <= rise + 1e-12) & (high >= rise - 1e-12)
            found[name].append(float(mass[is_covered].sum() / mass.sum()))
    expected, is_shown = np.array(cells).T
    shown: dict[str, object] = {"cells": len(cells), "cells_shown": int(is_shown.sum())}
    for name, one in found.items():
        for part, at in ((name, is_shown >= 0), (f"{name} shown", is_shown > 0)):
            covered, mean = np.array(one)[at], expected[at]
            shares = {"below_93": (covered < 0.93).mean(), "above_97": (covered > 0.97).mean()}
            values = {"least": covered.min(), "most": covered.max(), **shares}
            values["without_a_call_above_97"] = mean[covered > 0.97].max(initial=0.0)
            shown[part] = {key: round(float(value), 3) for key, value in values.items()}
    return shown


def alarms(n_lists: int, seed: int) -> dict[str, float]:
    """Share of lists at which the sample-ratio check fails: of correct draws, and of three kinds of broken ones."""
    found = dict.fromkeys(("correct", "half of the held out lost", "others added", "the least promising held out"), 0)
    for number in range(n_lists):
        rng = np.random.default_rng([seed, 1, number])
        rows, _ = simulated(Kind(), rng, f"{seed} ratio {number}")
        is_held_out = rows.is_held_out
        chosen = np.flatnonzero(rows.is_assigned | is_held_out)
        least = chosen[np.argsort(rows.probability[chosen])][: int(is_held_out.sum() * 1.5)]
        worst = np.where(
            np.isin(np.arange(len(is_held_out)), rng.permutation(least)[: is_held_out.sum()]), "held_out", ""
        )
        worst = np.where((worst == "") & np.isin(np.arange(len(worst)), chosen), "worth_calling", worst)
        broken = {
            "correct": rows,
            "half of the held out lost": rows.rows(~is_held_out | (rng.random(len(is_held_out)) < 0.5)),
            "others added": replace(rows, reason=np.where(rows.reason == "not_worth_calling", "held_out", rows.reason)),
            "the least promising held out": replace(rows, reason=worst),
        }
        for name, one in broken.items():
            found[name] += read_out(one, COVERED).ratio.is_broken
    return {name: round(n / n_lists, 4) for name, n in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--lists", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    began = time.process_time()
    kinds = {
        name: figures([judged(kind, number, given.seed) for number in range(given.lists)])
        for name, kind in KINDS.items()
    }
    printed = {"benchmark": "lift", "level": LEVEL, **kinds, "any_rates": exact_coverage()}
    printed["sample_ratio_alarms"] = alarms(given.lists, given.seed)
    print(json.dumps(printed | {"cpu_seconds": round(time.process_time() - began)}))


if __name__ == "__main__":
    main()
