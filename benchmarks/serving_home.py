"""The data of `benchmarks.serving`: a home with two versions, and the peers' pipeline.

Peers get the champion's recipe, refitted as an sklearn pipeline of one-hot columns and LightGBM.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from bank_assets.contract.uci import UCI
from bank_assets.core.economics.economics import Economics
from bank_assets.core.features.contacts import Contacts, LearningData
from bank_assets.core.features.feature_set import FeatureSet
from bank_assets.core.model.bundle import BundleParts, ModelLineage, bundle_files, observed_ranges
from bank_assets.core.model.calibration import fit_affine
from bank_assets.core.training.export import to_onnx
from bank_assets.core.training.recipes import Recipe, encode, fit_recipe, recency_weights
from bank_assets.ledger import states
from bank_assets.ledger.engine import open_ledger
from bank_assets.store.registration import register
from bank_assets.store.registry import Registry
from benchmarks.history import real_contacts

FEATURE_SET = FeatureSet.of(UCI)

RECIPE = Recipe("lightgbm", seed=1)


def prepare(home: Path) -> dict[str, Any]:
    """A home with two registered versions, a published state, and the peers' pipeline."""
    import joblib
    import pandas as pd
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    contacts: Contacts = real_contacts()
    dates, y = contacts.contact_dates, contacts.is_subscribed
    history, features = contacts.history(), contacts.features()
    as_of = dates.max() + np.timedelta64(1, "D")
    data = LearningData(features, dates, contacts.known_on, y, as_of, UCI)
    registry = Registry(f"sqlite:///{home / 'mlflow.db'}", (home / "mlartifacts").as_uri(), home / "models")
    for version in (1, 2):
        estimator = fit_recipe(Recipe(RECIPE.algorithm, seed=version), data)
        raw = estimator.predict_proba(encode(features, FEATURE_SET))[:, 1]
        parts = BundleParts(
            RECIPE, [fit_affine(raw, y)], {"probability": [0.0, 1.0], "low": [0.0, 0.9], "high": [0.1, 1.0]},
            Economics(), 0.3, {}, ModelLineage(str(as_of), "0" * 64, len(y), "uci", True, "run", "revision", UCI),
            observed_ranges(features, UCI))  # fmt: skip
        run = registry.client.create_run(registry.experiment_id())
        files = bundle_files(to_onnx(estimator, FEATURE_SET, RECIPE.algorithm), parts, {})
        register(registry, files, run_id=run.info.run_id, kind="first",
                          as_of=str(as_of))  # fmt: skip
    registry.set_alias("champion", "1")
    engine = open_ledger(f"sqlite:///{home / 'ledger.db'}")
    state = history.state(as_of)
    states.publish(engine, str(as_of), state.to_dict())
    engine.dispose()

    frame = pd.DataFrame({name: features[name] for name in FEATURE_SET.names})
    encoder = ColumnTransformer([("category", OneHotEncoder(handle_unknown="ignore"), list(FEATURE_SET.category)),
                                 ("number", "passthrough", list(FEATURE_SET.numeric))])  # fmt: skip
    from lightgbm import LGBMClassifier

    peer = make_pipeline(encoder, LGBMClassifier(random_state=1, verbosity=-1, n_jobs=1, **RECIPE.parameters))
    peer.fit(frame, y, lgbmclassifier__sample_weight=recency_weights(dates, as_of, RECIPE.half_life_days))
    rows = [{name: _plain(contacts.frame[name][row]) for name in UCI.payload_columns} for row in range(len(y))]
    example = rows[-1]
    joblib.dump(peer, home / "peer.joblib")
    joblib.dump({"as_of": {**state.rates, **state.typical_plan}, "example": example}, home / "constants.joblib")
    joblib.dump(list(FEATURE_SET.names), home / "columns.joblib")
    import mlflow.sklearn

    mlflow.sklearn.save_model(peer, str(home / "peer_model"), serialization_format="cloudpickle")
    return {"rows": rows, "example": {**example, "contact_date": str(as_of)}, "features": frame.iloc[-1:],
            "state": state, "as_of": as_of, "registry": registry}  # fmt: skip


def _plain(value: Any) -> Any:
    return value if isinstance(value, str) else int(value)


def pipeline_milliseconds(home: Path, made: dict[str, Any]) -> dict[str, float]:
    """What one pandas row costs in each pipeline that a peer could serve, in process."""
    import joblib
    import pandas as pd
    from sklearn.base import clone
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.pipeline import make_pipeline

    recipe, constants = joblib.load(home / "peer.joblib"), joblib.load(home / "constants.joblib")
    columns = joblib.load(home / "columns.joblib")
    frame = pd.DataFrame(made["rows"][-10_000:]).assign(**constants["as_of"])[columns]
    y = frame["poutcome"].eq("success") | frame["balance"].gt(3_000)  # any outcome will do: only the time counts
    encoder = clone(recipe[0])
    candidates = {
        "the recipe": clone(recipe),
        "the recipe, calibrated over 5 folds": CalibratedClassifierCV(recipe, cv=5),
        "forest of 200 trees, all cores": make_pipeline(
            encoder, RandomForestClassifier(200, n_jobs=-1, random_state=1)
        ),
    }
    found = {}
    for name, pipeline in candidates.items():
        pipeline.fit(frame, y)
        took = []
        for _ in range(50):
            started = time.perf_counter()
            pipeline.predict_proba(pd.DataFrame([{**constants["as_of"], **constants["example"]}])[columns])
            took.append(time.perf_counter() - started)
        found[name] = float(np.median(took)) * 1e3
    return found
