"""What a bounded learning set costs in AUC: one JSON line. `python -m benchmarks.learning_rows --rows 10000000`.

Simulated banks of a million contacts each fill the rows, so that features are computed part by part. The default recipe
is fitted as of a day with 85 % of the rows before it, on all of them and on samples of `--limits` rows, drawn several
times by different salts; AUC and log loss are of the 28 days from then on. For the cost in profit, replay the real
file with a low limit: `BANK_LEARNING_ROWS=10000 python -m bank_assets replay --policies platform --seed 0`.
"""

from __future__ import annotations

import argparse
import gc
import json
import time
from dataclasses import replace

import numpy as np

from bank_assets.contract.uci import UCI
from bank_assets.core.features.contacts import LEARNING_ROWS, Contacts, LearningData, frame_from_deliveries
from bank_assets.core.features.feature_set import FeatureSet
from bank_assets.core.quality import metrics
from bank_assets.core.training.learning_sample import permanent_numbers
from bank_assets.core.training.recipes import Recipe, encode, encoded_names, fit_encoded, rows_to_fit
from bank_assets.simulator.simulator import simulate

PART_ROWS = 1_000_000
TRAINED_SHARE, TESTED_DAYS = 0.85, 28
FEATURES = FeatureSet.of(UCI)


def simulated(rows: int, seed: int) -> Contacts:
    """One simulated bank, with outcomes known on the day after the call."""
    frame = simulate(rows=rows, seed=seed)
    columns = {column.source: frame[column.source].to_numpy() for column in UCI.payload}
    dates = frame["contact_date"].to_numpy().astype("datetime64[D]")
    ids = np.array([f"{seed}/{row}" for row in range(len(frame))], object)
    won = (frame[UCI.target.source] == "yes").to_numpy(bool)
    return Contacts(ids, frame_from_deliveries(columns, UCI), dates, dates + np.timedelta64(1, "D"), won, UCI)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=PART_ROWS)
    parser.add_argument("--limits", type=int, nargs="*", default=[10_000, 50_000, LEARNING_ROWS])
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    n_parts = -(-arguments.rows // PART_ROWS)
    parts, X, at = [], np.empty((arguments.rows + n_parts, len(encoded_names(FEATURES))), np.float32), 0
    for part in range(n_parts):
        contacts = simulated(arguments.rows // n_parts, arguments.seed + part)
        X[at : at + len(contacts)] = encode(contacts.features(), FEATURES)
        at += len(contacts)
        parts.append((contacts.contact_ids, contacts.contact_dates, contacts.is_subscribed))
        gc.collect()
    ids, dates, won = (np.concatenate(column) for column in zip(*parts, strict=True))
    as_of = np.sort(dates)[int(len(dates) * TRAINED_SHARE)]
    train = np.flatnonzero(dates < as_of)
    test = np.flatnonzero((dates >= as_of) & (dates < as_of + np.timedelta64(TESTED_DAYS, "D")))
    data = LearningData({}, dates, dates + np.timedelta64(1, "D"), won, as_of, UCI)
    recipe = Recipe()
    fits = []
    for limit, salt in [(None, 0), *((limit, salt) for limit in arguments.limits for salt in range(arguments.draws))]:
        numbers = permanent_numbers(ids, salt=str(salt)) if limit else None
        started = time.process_time()
        rows, weights = rows_to_fit(replace(data, numbers=numbers, fit_rows=limit), train, as_of, recipe.half_life_days)
        estimator = fit_encoded(recipe, X[rows], won[rows], weights)
        seconds = time.process_time() - started
        proba = np.concatenate([estimator.predict_proba(X[some])[:, 1] for some in np.array_split(test, n_parts)])
        auc = metrics.roc_auc(won[test], proba)
        loss = metrics.log_loss(won[test], proba)
        fits.append({"limit": limit, "rows": len(rows), "roc_auc": auc, "log_loss": loss, "cpu_seconds": seconds})
    sizes = {"rows": len(dates), "tested": len(test), "as_of": str(as_of)}
    print(json.dumps({"benchmark": "learning_rows", **sizes, "fits": fits}))


if __name__ == "__main__":
    main()
