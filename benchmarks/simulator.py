"""Speed and signal of the simulator: `BANK_SOURCE=<bank-full.csv> python -m benchmarks.simulator`, one JSON line.

Reports rows per second of one thread for generating columns and for writing them as CSV, and the AUC of LightGBM
without duration: five folds on each side, simulated → real and real → simulated (null without the real file).
"""

from __future__ import annotations

import json
import os
import statistics
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
from lightgbm import LGBMClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from bank_assets.contract.uci import UCI
from bank_assets.simulator.profile import load_profile
from bank_assets.simulator.simulator import csv_of, scale_for_rows, simulate, simulate_chunks
from bank_assets.sources.uci import is_pinned

ROWS = 2_000_000
ROUNDS = 5
COLUMNS = [*UCI.payload_columns, "day", "month"]


def generate_rows_per_second() -> float:
    """Median over rounds; chunks are dropped as they come, so memory stays flat."""
    profile = load_profile()
    scale = scale_for_rows(profile, ROWS)
    speeds = []
    for seed in range(ROUNDS):
        began = time.perf_counter()
        rows = sum(len(chunk) for chunk in simulate_chunks(profile, scale=scale, seed=seed))
        speeds.append(rows / (time.perf_counter() - began))
    return statistics.median(speeds)


def csv_rows_per_second() -> float:
    """Writing alone, from frames at hand."""
    frame = simulate(rows=ROWS // 4, seed=1)
    began = time.perf_counter()
    csv_of(frame)
    return len(frame) / (time.perf_counter() - began)


def inputs(frame: pd.DataFrame) -> pd.DataFrame:
    """Columns known before the call, categories as codes of the contract."""
    columns = {}
    for name in COLUMNS:
        categories = UCI.by_source[name].categories
        values = frame[name].astype(str) if categories else frame[name]
        columns[name] = pd.Categorical(values, categories=list(categories)).codes if categories else values.to_numpy()
    return pd.DataFrame(columns)


def model() -> LGBMClassifier:
    return LGBMClassifier(
        n_estimators=200, learning_rate=0.05, min_child_samples=40, n_jobs=1, verbose=-1, random_state=0
    )


def five_folds(X: pd.DataFrame, y: np.ndarray) -> float:
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    return roc_auc_score(y, cross_val_predict(model(), X, y, cv=folds, method="predict_proba")[:, 1])


def carried_over(X: pd.DataFrame, y: np.ndarray, X_other: pd.DataFrame, y_other: np.ndarray) -> float:
    return roc_auc_score(y_other, model().fit(X, y).predict_proba(X_other)[:, 1])


def main() -> None:
    simulated = simulate(rows=45_211, seed=23)
    X, y = inputs(simulated), (simulated["y"] == "yes").to_numpy()
    path = Path(os.environ.get("BANK_SOURCE", ""))
    result: dict[str, float | int | None] = {
        "generate_rows_per_second_per_core": round(generate_rows_per_second()),
        "csv_rows_per_second": round(csv_rows_per_second()),
        "auc_simulated_5_fold": round(five_folds(X, y), 4),
        "auc_real_5_fold": None, "auc_simulated_to_real": None, "auc_real_to_simulated": None,
    }  # fmt: skip
    if path.is_file() and is_pinned(path):
        real = pd.read_csv(path, sep=";")
        X_real, y_real = inputs(real), (real["y"] == "yes").to_numpy()
        result["auc_real_5_fold"] = round(five_folds(X_real, y_real), 4)
        result["auc_simulated_to_real"] = round(carried_over(X, y, X_real, y_real), 4)
        result["auc_real_to_simulated"] = round(carried_over(X_real, y_real, X, y), 4)
    print(json.dumps({"benchmark": "simulator", "rows": ROWS, **result}))


if __name__ == "__main__":
    main()
