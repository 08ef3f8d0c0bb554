"""Every gate of a model, from its training set to its scores, can turn red."""

from types import SimpleNamespace

import dagster as dg
import numpy as np
import pyarrow as pa

from bank_assets.checks import (
    evaluation,
    features,
    promotion,
    scoring,
    training,
)
from bank_assets.contract.uci import UCI
from bank_assets.core.features.contacts import PREFIX
from bank_assets.core.features.feature_set import FeatureSet
from bank_assets.settings import Settings
from bank_assets_tests.checks.checked import green, put, red

FEATURE_SET = FeatureSet.of(UCI)


def snapshot(warehouse, *, extra=None, known_after=1):
    n = 400
    days = np.datetime64("2008-01-01") + np.arange(n)
    columns = {
        "contact_id": [str(k) for k in range(n)],
        "contact_date": days,
        "known_on": days + np.timedelta64(known_after, "D"),
        "is_subscribed": np.arange(n) % 3 == 0,
    }
    for name in FEATURE_SET.names:
        columns[PREFIX + name] = (
            [FEATURE_SET.categories_of(name)[0]] * n if name in FEATURE_SET.category else np.ones(n)
        )
    put(
        warehouse,
        "training_set",
        "all",
        columns | (extra or {}),
        {"as_of": str(days[-1] + np.timedelta64(2, "D")), "rare": []},
    )


def test_a_leaking_column_is_refused(warehouse):
    snapshot(warehouse)
    green(features.training_set_has_no_leakage_column(warehouse, Settings()))
    snapshot(warehouse, extra={PREFIX + "duration": np.ones(400)})
    red(features.training_set_has_no_leakage_column(warehouse, Settings()))


def test_rows_from_the_future_are_refused(warehouse):
    snapshot(warehouse)
    green(features.folds_do_not_overlap_in_time(warehouse, Settings()))
    snapshot(warehouse, known_after=30)
    red(features.folds_do_not_overlap_in_time(warehouse, Settings()))


def candidates(warehouse, *, auc=0.78, run="r", seed=True, seconds=1.0):
    recipe = {"algorithm": "lightgbm", "sampler": "none", **({"seed": 1} if seed else {})}
    put(
        warehouse,
        "candidates",
        "lightgbm",
        {"raw.none": [0.1]},
        {
            "snapshot": "s",
            "results": {
                "lightgbm/none": {
                    "recipe": recipe,
                    "metrics": {"roc_auc": auc, "fit_seconds": seconds},
                    "mlflow_run_id": run,
                }
            },
        },
    )


def test_training_gates(warehouse):
    reproducible, no_leak, fast = training.checks_of("lightgbm")
    candidates(warehouse)
    for check in (reproducible, no_leak, fast):
        green(check(warehouse))
    candidates(warehouse, auc=0.93)
    red(no_leak(warehouse))
    candidates(warehouse, run="")
    red(reproducible(warehouse))
    candidates(warehouse, seed=False)
    red(reproducible(warehouse))
    candidates(warehouse, seconds=1_000.0)
    red(fast(warehouse), dg.AssetCheckSeverity.WARN)


def challenger(warehouse, *, parity=1e-7, auc=0.75, slope_is_broken=False, findings=()):
    rng = np.random.default_rng(0)
    proba = rng.uniform(0.1, 0.9, 3_000)
    observed = rng.uniform(size=3_000) < (0.5 if slope_is_broken else proba)
    put(
        warehouse,
        "challenger",
        "all",
        {"proba": proba, "is_subscribed": observed},
        {
            "parity": parity,
            "headline": {"roc_auc": auc, "version": "1"},
            "fairness": {"status": "within_limits", "findings": list(findings)},
        },
    )


def test_evaluation_gates(warehouse):
    challenger(warehouse)
    green(evaluation.onnx_graph_equals_estimator(warehouse))
    green(evaluation.challenger_shows_no_leak(warehouse))
    green(evaluation.challenger_is_calibrated(warehouse))
    challenger(warehouse, parity=2e-5, auc=0.9, slope_is_broken=True)
    red(evaluation.onnx_graph_equals_estimator(warehouse))
    red(evaluation.challenger_shows_no_leak(warehouse))
    red(evaluation.challenger_is_calibrated(warehouse), dg.AssetCheckSeverity.WARN)


def test_an_unfair_champion_is_hinted(warehouse):
    challenger(warehouse)
    green(promotion.champion_treats_groups_within_limits(warehouse))
    challenger(
        warehouse, findings=[{"column": "age", "group": "60+", "measure": "selection_rate", "is_exceeded": True}]
    )
    red(promotion.champion_treats_groups_within_limits(warehouse), dg.AssetCheckSeverity.WARN)


def test_an_alias_that_does_not_read_back_blocks(warehouse, home):
    from bank_assets.ledger import promotions
    from bank_assets.resources.ledger import LedgerResource

    ledger = LedgerResource(url=f"sqlite:///{home.home / 'ledger.db'}")
    promotions.record(
        ledger.engine,
        kind="first",
        decision="promoted",
        from_version=None,
        to_version="3",
        reasons=["r"],
        evidence={},
        actor="test",
        as_of="2009-01-01",
    )

    def registry(version):
        return SimpleNamespace(by_alias=lambda alias: SimpleNamespace(version=version))

    judge = promotion.champion_alias_reads_back.op.compute_fn.decorated_fn
    green(judge(warehouse, ledger, registry("3")))
    red(judge(warehouse, ledger, registry("2")))


def scored(warehouse, proba, *, delivered=2, versions=("1", "1"), low=None, name="a"):
    put(
        warehouse,
        "batch_scores",
        name,
        {
            "contact_id": ["a", "b"],
            "probability": proba,
            "probability_low": low or [0.0, 0.0],
            "probability_high": [1.0, 1.0],
            "model_version": pa.array(versions, pa.string()),
        },
        {"delivered": delivered, "n_rejected": 0},
    )


def test_scoring_gates(warehouse):
    scored(warehouse, [0.2, 0.3])
    for check in (
        scoring.probabilities_lie_between_zero_and_one,
        scoring.every_campaign_row_is_scored_or_refused,
        scoring.scores_name_their_model_version,
        scoring.scores_have_not_moved,
    ):
        green(check(warehouse))
    scored(warehouse, [0.2, 1.3], delivered=3, versions=("1", None))
    red(scoring.probabilities_lie_between_zero_and_one(warehouse))
    red(scoring.every_campaign_row_is_scored_or_refused(warehouse))
    red(scoring.scores_name_their_model_version(warehouse))
    scored(warehouse, [0.2, 0.3], low=[0.25, 0.0])
    red(scoring.probabilities_lie_between_zero_and_one(warehouse))
    scored(warehouse, [0.9, 0.9], name="b")
    red(scoring.scores_have_not_moved(warehouse), dg.AssetCheckSeverity.WARN)
