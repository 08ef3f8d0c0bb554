"""Time and precision of explanations: `BANK_SOURCE=<bank-full.csv> python -m benchmarks.explain` prints one JSON line.

The default recipe is fitted on the whole real history. Ours explains one contact at a time from the bundle alone. The
peer is LightGBM's TreeSHAP (`pred_contrib`) on the encoded row, which explains the raw log-odds of that one algorithm
and needs the training library. Precision is the mean absolute difference, in percentage points, from an explanation
with 25 times as many orders on the same background.
"""

from __future__ import annotations

import json
import os
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from bank_assets.contract.uci import UCI
from bank_assets.core.features.contacts import LearningData
from bank_assets.core.features.feature_set import FeatureSet
from bank_assets.core.model.explanations import Explainer, build_background
from bank_assets.core.model.scorer import Scorer
from bank_assets.core.training.export import to_onnx
from bank_assets.core.training.recipes import Recipe, encode, fit_recipe
from benchmarks.history import real_contacts

FEATURE_SET = FeatureSet.of(UCI)

CONTACTS = 300
MORE_ORDERS = 25


def scorer_of(graph: bytes, background: dict) -> Scorer:
    decision = {
        "schema_version": 1,
        "features": [
            {"name": n, "kind": FEATURE_SET.kind_of(n), "group": FEATURE_SET.groups[n]} for n in FEATURE_SET.names
        ],
        "calibrator": [{"kind": "affine", "slope": 1.0, "intercept": 0.0}],
        "ranges": {"probability": [0, 1], "low": [0, 1], "high": [0, 1]},
        "background": background,
    }
    files = {"model.onnx": graph, "decision.json": json.dumps(decision).encode()}
    return Scorer({**files, "reference_profile.json": b"{}", "model_card.md": b""})


def milliseconds(call, features, rows) -> list[float]:
    times = []
    for row in rows:
        one = {name: column[row : row + 1] for name, column in features.items()}
        began = time.perf_counter()
        call(one)
        times.append(1e3 * (time.perf_counter() - began))
    return times


def main() -> None:
    contacts = real_contacts()
    features = contacts.features()
    as_of = contacts.contact_dates.max() + np.timedelta64(1, "D")
    data = LearningData(features, contacts.contact_dates, contacts.known_on, contacts.is_subscribed, as_of, UCI)
    estimator = fit_recipe(Recipe("lightgbm"), data)
    graph = to_onnx(estimator, FEATURE_SET, "lightgbm")
    began = time.perf_counter()
    background = build_background(features, FEATURE_SET)
    background_seconds = time.perf_counter() - began
    scorer = scorer_of(graph, background)
    explainer = Explainer(scorer)
    rows = np.linspace(0, len(contacts) - 1, CONTACTS).astype(int)
    ours = milliseconds(explainer.explain, features, rows)
    peer = milliseconds(
        lambda one: estimator.predict_proba(encode(one, FEATURE_SET), pred_contrib=True), features, rows
    )
    sample = {name: column[rows] for name, column in features.items()}
    explanation = explainer.explain(sample)
    total = explanation.base_probability + explanation.probability_contributions.sum(axis=1)
    few = rows[:: CONTACTS // 30]
    coarse = explainer.explain({name: column[few] for name, column in features.items()})
    fine = Explainer(scorer, orders_per_row=MORE_ORDERS).explain(
        {name: column[few] for name, column in features.items()}
    )
    difference = np.abs(coarse.probability_contributions - fine.probability_contributions)
    print(
        json.dumps(
            {
                "benchmark": "explain",
                "contacts": CONTACTS,
                "background_rows": len(background["age"]),
                "groups": len(explainer.groups),
                "ours_ms_p50": round(float(np.median(ours)), 2),
                "ours_ms_p95": round(float(np.quantile(ours, 0.95)), 2),
                "lightgbm_pred_contrib_ms_p50": round(float(np.median(peer)), 2),
                "largest_error_of_the_sum": float(np.abs(total - explanation.probability).max()),
                "base_probability": round(explanation.base_probability, 4),
                "mean_probability": round(float(scorer.score(features).probability.mean()), 4),
                "mean_error_points": round(100 * float(difference.mean()), 3),
                "mean_contribution_points": round(100 * float(np.abs(fine.probability_contributions).mean()), 3),
                "background_seconds": round(background_seconds, 2),
            }
        )
    )


if __name__ == "__main__":
    main()
