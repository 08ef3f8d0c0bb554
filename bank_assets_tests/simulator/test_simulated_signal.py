"""A model trained on simulated contacts works on the real file and the other way round, without a leak."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from lightgbm import LGBMClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from bank_assets.contract.uci import UCI
from bank_assets.simulator.simulator import simulate
from bank_assets.sources.uci import is_pinned

pytestmark = pytest.mark.slow
FLOOR, LEAK_CEILING = 0.74, 0.88
COLUMNS = [*UCI.payload_columns, "day", "month"]


def inputs(frame):
    return pd.DataFrame({
        name: pd.Categorical(frame[name].astype(str), categories=list(UCI.by_source[name].categories)).codes
        if UCI.by_source[name].categories else frame[name].to_numpy()
        for name in COLUMNS
    })  # fmt: skip


def answers(frame):
    return (frame["y"] == "yes").to_numpy()


def model():
    return LGBMClassifier(
        n_estimators=150, learning_rate=0.06, min_child_samples=40, n_jobs=1, verbose=-1, random_state=0
    )


@pytest.fixture(scope="module")
def simulated():
    return simulate(rows=45_211, seed=23)


@pytest.fixture(scope="module")
def real():
    path = Path(os.environ.get("BANK_SOURCE", ""))
    if not path.is_file() or not is_pinned(path):
        pytest.skip("BANK_SOURCE is not the path of the UCI file")
    return pd.read_csv(path, sep=";")


def test_learnt_on_simulated_contacts_it_holds_on_real_ones(simulated, real):
    fitted = model().fit(inputs(simulated), answers(simulated))
    assert roc_auc_score(answers(real), fitted.predict_proba(inputs(real))[:, 1]) >= FLOOR


def test_learnt_on_real_contacts_it_holds_on_simulated_ones(simulated, real):
    fitted = model().fit(inputs(real), answers(real))
    assert roc_auc_score(answers(simulated), fitted.predict_proba(inputs(simulated))[:, 1]) >= FLOOR


def test_without_the_answers_signal_the_floor_is_not_reached(simulated, real):
    shuffled = np.random.default_rng(5).permutation(answers(simulated))
    fitted = model().fit(inputs(simulated), shuffled)
    assert roc_auc_score(answers(real), fitted.predict_proba(inputs(real))[:, 1]) < FLOOR


def test_five_folds_without_duration_are_neither_noise_nor_a_leak(simulated):
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    X, y = inputs(simulated), answers(simulated)
    score = roc_auc_score(y, cross_val_predict(model(), X, y, cv=folds, method="predict_proba")[:, 1])
    assert FLOOR <= score <= LEAK_CEILING
    leaked = X.assign(duration=simulated["duration"].to_numpy())
    score = roc_auc_score(y, cross_val_predict(model(), leaked, y, cv=folds, method="predict_proba")[:, 1])
    assert score > LEAK_CEILING
