"""What the pipeline and the loop of the demo home reported."""

import json
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from sqlalchemy import Engine

from bank_assets.core.alerts.alert import Alert, Occurrence
from bank_assets.core.alerts.catalogue import gate_failed, loop_responded, model_judged
from bank_assets.core.economics.economics import Economics
from bank_assets.core.response.assessment import respond, violations
from bank_assets.core.response.loop import after_verdict
from bank_assets.core.response.policy import Evidence, ResponsePolicy, ResponseState
from bank_assets.ledger import responses
from bank_assets.reports.retraining_page import Retraining

RETRAINING = Retraining(
    kind="recipe",
    is_promoted=True,
    as_of="2009-11-01",
    old_name="version 1",
    old_recipe="logistic_regression/none",
    new_name="version 2",
    new_recipe="lightgbm/none",
    requested_because=("AUC 0.551, upper bound 0.598 (floor 0.6)", "3 fits in a row did not help"),
    basis="Both recipes were fitted on what was known before each of these contacts: neither had seen them.",
    gate_reasons=("P(profit gain > 0) = 0.97 on 1,310 contacts", "F1 and calibration not worse"),
    source="simulated",
    drift_page="2010-11.html",
)


MEASURED = Evidence(
    np.datetime64("2010-11-16"), outcomes=120, observed=55.0, expected=30.1, standard_error=4.9, contacts=500,
    excess={"balance": 0.04},
)  # fmt: skip


EFFECT = (
    "On 1,310 contacts from 2009-05-01 to 2009-05-28 the new model would have earned 640 EUR more than the old model, "
    "which chance does not explain: 9,840 against 9,200 EUR, 90 % interval of the difference +110 to +1,190 EUR."
)


def demo_alerts(at: datetime) -> list[Alert]:
    """A few alerts of the hours before a moment, oldest first."""
    early, late = ((at - timedelta(hours=hours)).isoformat(timespec="seconds") for hours in (9, 2))
    return [
        loop_responded(
            Occurrence(early, as_of="2010-11-16"), answer="retrain", has_violations=True, reasons=[],
            evidence=MEASURED, economics=Economics(), seq=4, episode_id="e1",
        ),
        model_judged(
            Occurrence(late, "6a1f0c9e-run", "2009-06-01"), row_id=3, gate="recipe", is_promoted=True,
            from_version="1", to_version="2", effect=EFFECT, reasons=["P(profit gain > 0) = 0.97 on 1,310 contacts"],
            report="/reports/retraining/v2.html",
        ),
        gate_failed(
            Occurrence(late, "77b2d0aa-run"), "raw_contacts", "no_delivery_is_refused",
            "No file lies in the refusal folder.", ["2010-11-03.csv"], "run-2",
        ),
    ]  # fmt: skip


RUN_SUMMARY: dict[str, Any] = {
    "source": "simulated: 16,000 contacts from the committed profile",
    "rows_raw": 16_000,
    "rows_contacts": 15_991,
    "rows_rejected": 9,
    "validation_passed": True,
    "drift": {"columns_drifted": ["balance", "poutcome"], "month": "2010-11"},
    "candidates": [
        {"algorithm": "lightgbm", "sampler": "none", "roc_auc": 0.741, "average_precision": 0.512, "f1": 0.49,
         "brier": 0.121, "profit_eur": 21_480.0, "mlflow_run_id": "run-2"},
        {"algorithm": "logistic_regression", "sampler": "none", "roc_auc": 0.722, "average_precision": 0.487,
         "f1": 0.47, "brier": 0.126, "profit_eur": 20_905.0, "mlflow_run_id": "run-1"},
        {"algorithm": "random_forest", "sampler": "smote", "roc_auc": 0.733, "average_precision": 0.498, "f1": 0.48,
         "brier": 0.124, "profit_eur": 21_090.0, "mlflow_run_id": "run-3"},
    ],
    "champion": {"version": "2", "algorithm": "lightgbm", "sampler": "none", "reason": "log loss"},
    "call_list_rows": 120,
    "seconds": {"total": 212.4},
}  # fmt: skip


def judge_days(engine: Engine) -> None:
    """Days that the loop judged: quiet, recalibrated, one beyond its limits that a refit answered, and quiet again."""
    at = [np.datetime64("2010-11-13") + day for day in range(5)]
    found = [
        Evidence(at[0], 20, 6.0, 5.1, 2.0, contacts=150),
        Evidence(at[1], 80, 25.0, 24.0, 4.1, 420, {"balance": 0.05, "job": 0.02}, shift_before=0.0, shift_now=0.07),
        Evidence(at[2], 220, 93.0, 51.0, 6.0, 460, {"balance": 0.16, "job": 0.02}, 0.66, 0.03, 0.07, 0.08),
        Evidence(at[3], 230, 96.0, 52.0, 6.1, 480, {"balance": 0.17, "job": 0.02}, 0.65, 0.03, 0.08, 0.09),
        Evidence(at[4], 40, 12.0, 12.5, 3.0, 500, {"balance": 0.04, "job": 0.03}, shift_before=0.09, shift_now=0.09),
    ]
    state = ResponseState("2009-03-01", "2009-06-01", "2009-06-01")
    for seq, evidence in enumerate(found, start=1):
        answer = respond(state, evidence)
        responses.append(
            engine,
            seq=seq,
            as_of=str(evidence.as_of),
            action=answer.action,
            kinds=[str(one.kind) for one in violations(evidence, ResponsePolicy())],
            episode_id=answer.episode_id,
            run_key=answer.run_key,
            is_recalibrated=answer.is_recalibrated,
            is_alert=answer.is_alert,
            reasons=answer.reasons,
            evidence=json.loads(json.dumps(asdict(evidence) | {"as_of": str(evidence.as_of)}, default=float)),
            shift=evidence.shift_now,
            promotion_id=3,
            state=answer.state.to_json(),
        )
        state = after_verdict(answer.state, str(evidence.as_of), is_promoted=True) if answer.run_key else answer.state
