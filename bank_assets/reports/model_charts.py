"""Charts of a candidate: ROC, precision-recall, calibration, profit over the threshold.

What lives here: PNG bytes from arrays. What must not: metrics (`core.metrics`), files.
Called by the training and evaluation assets.
"""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray

from bank_assets.core import metrics
from bank_assets.core.arrays import FloatArray
from bank_assets.core.economics import Economics


def candidate_chart(title: str, proba: FloatArray, observed: NDArray[np.bool_], economics: Economics) -> bytes:
    """Four panels about one candidate's out-of-time predictions.

    Args:
        title: name of the candidate.
        proba: calibrated probabilities, (n,).
        observed: outcomes, (n,).
        economics: cost and value for the profit panel.

    Returns:
        A PNG image.
    """
    from matplotlib.figure import Figure

    order = np.argsort(-proba, kind="stable")
    hits = np.cumsum(observed[order])
    calls = np.arange(1, len(order) + 1)
    figure = Figure(figsize=(9, 6.4), layout="constrained")
    figure.suptitle(title)
    roc, curve, calibration, profit = figure.subplots(2, 2).ravel()
    roc.plot((calls - hits) / max(int((~observed).sum()), 1), hits / max(int(observed.sum()), 1))
    roc.plot([0, 1], [0, 1], linestyle=":", color="grey")
    roc.set(
        title=f"ROC, AUC {metrics.roc_auc(observed, proba):.3f}",
        xlabel="false positive rate",
        ylabel="true positive rate",
    )
    curve.plot(hits / max(int(observed.sum()), 1), hits / calls)
    curve.set(
        title=f"Precision-recall, AP {metrics.average_precision(observed, proba):.3f}",
        xlabel="recall",
        ylabel="precision",
        ylim=(0, 1),
    )
    bins = metrics.calibration_table(observed, proba)
    calibration.plot([0, 1], [0, 1], linestyle=":", color="grey")
    calibration.plot([b.mean_proba for b in bins], [b.rate for b in bins], marker="o")
    calibration.set(title="Calibration", xlabel="mean probability", ylabel="subscription rate")
    gains = hits * economics.value_eur - calls * economics.cost_eur
    profit.plot(calls / len(calls), gains)
    cut = float((proba > economics.threshold).mean())
    profit.axvline(cut, linestyle=":", color="grey")
    profit.set(title=f"Profit, EUR (dotted: break-even {economics.threshold:.2f})", xlabel="share of contacts called")
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=80)
    return image.getvalue()
