"""The charts of a model, and those of a candidate as one HTML page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from bank_assets.core.arrays import FloatArray
from bank_assets.core.quality import metrics
from bank_assets.core.quality.objective import PROFIT, Cohort
from bank_assets.reports.charts import Chart, Marker, Series
from bank_assets.reports.page import render

POINTS: Final = 60

_TEMPLATE: Final = """<h1>{{ title }}</h1>
<p class="quiet">Calibrated probabilities out of time.</p>
<div class="grid two">{% for one in all %}<div class="card">{{ charts.chart(one) }}</div>{% endfor %}</div>
"""


def calibration_chart(expected: Sequence[float], rates: Sequence[Series]) -> Chart:
    """Subscription rates by predicted probability, beside the line on which both agree."""
    return Chart(
        "calibration",
        "Calibration: subscription rate by predicted probability; on the dotted line they agree",
        "predicted probability",
        "subscription rate",
        expected,
        [*rates, Series("perfect", expected, style="reference")],
        "pct",
        "pct",
    )


def profit_chart(shares: Sequence[float], profits: Sequence[Series], markers: Sequence[Marker] = ()) -> Chart:
    """Profits by share of contacts called."""
    title = "Profit by share of contacts called, the best first"
    return Chart("profit", title, "share called", "profit, EUR", shares, profits, "eur", "pct", markers)


def candidate_page(title: str, proba: FloatArray, cohort: Cohort) -> str:
    """Draw a candidate's calibrated probabilities (n,) against the outcomes of a cohort."""
    observed, w = cohort.observed, cohort.w
    order = np.argsort(-proba, kind="stable")
    hits, calls = np.cumsum((w * observed)[order]), np.cumsum(w[order])
    at = np.unique(np.linspace(0, len(order) - 1, POINTS).astype(np.int64))
    false_alarms = ((calls - hits) / max(float(w[~observed].sum()), 1.0))[at].tolist()
    found = (hits / max(float(w[observed].sum()), 1.0))[at].tolist()
    bins = cohort.calibration(proba)
    rates = Series("candidate", [one.rate for one in bins])
    gains = np.cumsum((w * cohort.profit(np.ones(len(order), bool)))[order])
    all_charts = [
        Chart(
            "roc",
            f"ROC: AUC {metrics.roc_auc(observed, proba, w):.3f}",
            "false positive rate",
            "true positive rate",
            false_alarms,
            [Series("candidate", found), Series("chance", false_alarms, style="reference")],
            "ratio",
            "ratio",
        ),
        Chart(
            "precision-recall",
            f"Precision by recall: average precision {metrics.average_precision(observed, proba, w):.3f}",
            "recall",
            "precision",
            found,
            [Series("candidate", (hits / calls)[at].tolist())],
            "ratio",
            "ratio",
        ),
        calibration_chart([one.mean_proba for one in bins], [rates]),
        profit_chart(
            (calls / w.sum())[at].tolist(),
            [Series("candidate", gains[at].tolist())],
            [Marker(float(w[cohort.calls(PROFIT, proba, 0.0)].sum() / w.sum()), "calls that pay")],
        ),
    ]
    return render(_TEMPLATE, title=title, all=all_charts)
