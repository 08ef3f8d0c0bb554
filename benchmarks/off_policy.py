"""Coverage of off-policy intervals: `BANK_SOURCE=<bank-full.csv> python -m benchmarks.off_policy`, one JSON line.

Lists are drawn from each day's real contacts by several designs, at four values of a subscription, `--seeds` times. On
each month and quarter, the interval of three policies (everyone, half the threshold, the champion of the month before)
is compared with what they would have earned. Simulated windows add other rates. On the same draws: the plain normal
interval, Jeffreys' with the observed design effect, and the model as control variate.
"""

from __future__ import annotations

import argparse
import json
import os
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from scipy import special, stats
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from bank_assets.contract.uci import UCI
from bank_assets.core.economics.exploration import LearningBudget, draw
from bank_assets.core.economics.holdout import holdout_mask
from bank_assets.core.features.feature_set import FeatureSet
from bank_assets.core.model.calibration import recalibrated_day_by_day
from bank_assets.core.quality.off_policy import LEVEL, Estimate, LoggedCalls, policy_value
from bank_assets.core.training.recipes import encode
from benchmarks.history import real_contacts

COST, VALUES = 5.0, ("25", "50", "100", "2 % of the balance")
FIRST_MONTHS = 3  # to learn from, before the first list
DESIGNS = {  # share explored, smallest number of explorers a day, hold-out, whether proportional to the probability
    "equal": (0.05, 8, 0.0, False),
    "hold-out 10 %": (0.05, 8, 0.1, False),
    "proportional": (0.05, 8, 0.0, True),
    "share by weekday": (None, 4, 0.0, False),
    "no minimum": (0.05, 0, 0.0, False),
}
METHODS = ("ours", "normal", "design_effect", "control_variate")
RATES = (0.003, 0.01, 0.05, 0.2, 0.5)
N_SIMULATED = 60


def propensities(day, is_best, proba, design):
    """Probability of each contact to be chosen, before the hold-out: a list a day, best calls certain."""
    share, least, _, is_proportional = design
    chance, cents = is_best.astype(float), np.full(len(day), 100 * int(COST))
    for today in np.unique(day):
        budget = LearningBudget((0.02, 0.05, 0.1, 0.15, 0.3)[today % 5] if share is None else share, least)
        others = np.flatnonzero((day == today) & ~is_best)
        reserve = budget.reserve(cents[day == today], None, None)
        chance[others], _ = budget.inclusion(reserve, cents[others], proba[others] if is_proportional else None)
    return chance


def drawn(seed, day, chance, holdout):
    """Who is called by the lists of one seed."""
    names, called = np.arange(len(day)).astype(str), np.zeros(len(day), bool)
    for today in np.unique(day):
        at = np.flatnonzero(day == today)
        called[at] = draw(chance[at], names[at], names[at], f"{seed} {today}")
        called[at] &= ~holdout_mask(names[at], f"{seed} {today}", holdout)
    return called


def other_intervals(logged, would_call, proba):
    """Profit by other methods: normal, by the variance of the draw alone, and with the model as control variate."""
    wanted, p = logged.rows(would_call), proba[would_call]
    cost = wanted.cost_eur.sum()
    called, rest = wanted.rows(wanted.is_called), wanted.rows(~wanted.is_called)
    p_called, w = p[wanted.is_called], 1.0 / called.propensity
    v, y = called.value_eur, called.is_subscribed
    reach, spread = rest.value_eur.sum(), w * (w - 1.0)
    known, z = (v * y).sum() - cost, special.ndtri((1.0 + LEVEL) / 2.0)

    def normal(value, residual, quantile):
        half = quantile * np.sqrt((spread * residual**2).sum())
        return Estimate(value, value - half, value + half)

    weight = (w - 1.0) * v
    rate = (weight * y).sum() / weight.sum()
    variance = (spread * (v * (y - rate)) ** 2).sum() / reach**2
    size = rate * (1.0 - rate) / variance if variance > 0.0 else len(v)
    ends = special.betaincinv(rate * size + 0.5, (1.0 - rate) * size + 0.5, [(1.0 - LEVEL) / 2.0, (1.0 + LEVEL) / 2.0])
    by_model = (rest.value_eur * p[~wanted.is_called]).sum()
    difference = known + by_model + ((w - 1.0) * v * (y - p_called)).sum()
    t = stats.t.ppf((1.0 + LEVEL) / 2.0, max(int((w > 1.0).sum()) - 1, 1))
    return {
        "normal": normal(known + ((w - 1.0) * v * y).sum(), v * y, z),
        "design_effect": Estimate(known + reach * rate, *(known + reach * ends)),
        "control_variate": normal(difference, v * (y - p_called), t),
    }


def judged(logged, would_call, proba, outcome):
    """One window: how it was answered and, where it was estimated, whether each method covered the truth."""
    truth = float(np.where(outcome, logged.value_eur, 0.0)[would_call].sum() - logged.cost_eur[would_call].sum())
    answer = policy_value(logged, would_call)
    if answer.reason:
        return {"answer": "out_of_reach" if answer.out_of_reach else "too_little"}
    if not answer.not_called:
        assert np.isclose(answer.profit_eur.value, truth)
        return {"answer": "exact"}
    found = {"ours": answer.profit_eur} | other_intervals(logged, would_call, proba)
    return {
        "answer": "estimated",
        "subscribed": answer.subscribed,
        "error": (answer.profit_eur.value - truth) / (answer.profit_eur.high - answer.profit_eur.low),
        **{name: (one.low - 1e-6 <= truth <= one.high + 1e-6, one.high - one.low) for name, one in found.items()},
    }


def figures(rows):
    """Shares of windows by answer, and of the estimated ones coverage and mean width (EUR) of each method."""
    answers = [row["answer"] for row in rows]
    estimated = [row for row in rows if row["answer"] == "estimated"]
    shares = {name: round(answers.count(name) / len(rows), 3) for name in ("exact", "estimated", "too_little")}
    found = {"windows": len(rows), **shares}
    if not estimated:
        return found
    n_subscribed = np.array([row["subscribed"] for row in estimated])
    found["none_subscribed"] = round(float((n_subscribed == 0).mean()), 3)
    found["mean_error_in_widths"] = round(float(np.mean([row["error"] for row in estimated])), 3)
    for name in METHODS:
        covered, width = np.array([row[name] for row in estimated], float).T
        found[name] = {"coverage": round(float(covered.mean()), 3), "mean_width": round(float(width.mean()), 1)}
        if name == "ours":
            chosen = covered[n_subscribed >= 5]
            found["ours_if_5_subscribed"] = round(float(chosen.mean()), 3) if len(chosen) else None
    return found


def predictions(contacts):
    """Probabilities of the champion, a logistic regression fitted each month, and of the one of the month before."""
    rows, months = encode(contacts.features(), FeatureSet.of(UCI)), contacts.contact_dates.astype("datetime64[M]")
    rows = np.nan_to_num(np.asarray(rows, dtype=float))
    proba, former = np.full((2, len(contacts)), np.nan)
    estimator = None
    for month in np.unique(months)[FIRST_MONTHS:]:
        past, today, before = contacts.known_as_of(month.astype("datetime64[D]")), months == month, estimator
        estimator = make_pipeline(StandardScaler(), LogisticRegression(max_iter=200))
        estimator.fit(rows[past], contacts.is_subscribed[past])
        proba[today] = estimator.predict_proba(rows[today])[:, 1]
        former[today] = (before or estimator).predict_proba(rows[today])[:, 1]
    days = np.unique(contacts.contact_dates[~np.isnan(proba)])
    return (recalibrated_day_by_day(contacts.scored(one), days) for one in (proba, former))


def real_windows(n_seeds):
    """Judged windows by design, policy and value, and all of them: months and quarters of the real contacts."""
    contacts = real_contacts()
    proba, former = predictions(contacts)
    at = np.flatnonzero(~np.isnan(proba))
    at = at[np.argsort(contacts.contact_dates[at], kind="stable")]
    proba, former, outcome = proba[at], former[at], contacts.is_subscribed[at]
    day, month = contacts.contact_dates[at].astype(int), contacts.contact_dates[at].astype("datetime64[M]").astype(int)
    periods = {"months": month, "quarters": month // 3}
    windows = [(kind, np.flatnonzero(of == one)) for kind, of in periods.items() for one in np.unique(of)]
    tallies = {}
    for name in VALUES:
        balance = np.clip(0.02 * contacts.frame["balance"][at], 10.0, 200.0)
        value = np.full(len(at), float(name)) if name.isdigit() else balance
        cost = np.full(len(at), COST)
        policies = {
            "everyone": np.ones(len(at), bool),
            "half the threshold": proba * value > COST / 2.0,
            "previous champion": former * value > COST,
        }
        for design, settings in DESIGNS.items():
            chance = propensities(day, proba * value > COST, proba, settings)
            for seed in range(n_seeds):
                called = drawn(f"{seed} {name}", day, chance, settings[2])
                logged = LoggedCalls(chance * (1.0 - settings[2]), called, outcome & called, cost, value)
                for policy, would_call in policies.items():
                    for kind, rows in windows:
                        found = judged(logged.rows(rows), would_call[rows], proba[rows], outcome[rows])
                        for key in ("all", kind, f"design {design}", f"policy {policy}", f"value {name}"):
                            tallies.setdefault(key, []).append(found)
    return tallies


def simulated_windows(n_seeds):
    """Judged windows by subscription rate: windows of 30 to 3,000 contacts and several designs, of calling everyone."""
    tallies = {}
    for rate in RATES:
        tally = tallies.setdefault(f"simulated rate {rate}", [])
        for number in range(N_SIMULATED):
            rng = np.random.default_rng([number, 7])
            n = int(30 * 100 ** rng.random())
            day = np.sort(rng.integers(0, rng.integers(1, 21), n))
            proba = np.minimum(0.95, rate * rng.lognormal(-0.125, 0.5, n))
            outcome, is_best = rng.random(n) < proba, proba > np.quantile(proba, 0.6)
            share, least, holdout, is_proportional = tuple(DESIGNS.values())[number % len(DESIGNS)]
            chance = propensities(day, is_best, proba, (share, least, holdout, is_proportional))
            for seed in range(n_seeds):
                called = drawn(f"{seed} {number}", day, chance, holdout)
                money = np.full(n, COST), np.full(n, 50.0)
                logged = LoggedCalls(chance * (1.0 - holdout), called, outcome & called, *money)
                tally.append(judged(logged, np.ones(n, bool), proba, outcome))
    return tallies


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=20)
    n_seeds = parser.parse_args().seeds
    began = time.process_time()
    tallies = real_windows(n_seeds) | simulated_windows(n_seeds)
    printed = {"benchmark": "off_policy", "seeds": n_seeds, "level": LEVEL}
    printed |= {name: figures(rows) for name, rows in tallies.items()}
    print(json.dumps(printed | {"cpu_seconds": round(time.process_time() - began)}))


if __name__ == "__main__":
    main()
