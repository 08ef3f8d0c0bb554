"""Made-up features of contacts, to be explained."""

import numpy as np

from bank_assets.contract.uci import UCI
from bank_assets.core.features.feature_set import FeatureSet

FEATURE_SET = FeatureSet.of(UCI)
N = 4_000


def make_features(n=N, seed=0):
    rng = np.random.default_rng(seed)
    features = {
        name: rng.choice(np.array(FEATURE_SET.categories_of(name), dtype=object), n)
        if name in FEATURE_SET.category
        else rng.uniform(0, 1, n)
        for name in FEATURE_SET.names
    }
    was_contacted = rng.random(n) < 0.3
    features["age"] = rng.integers(18, 90, n).astype(float)
    features["balance"] = rng.normal(1_000, 800, n).round()
    features["campaign"] = rng.integers(1, 8, n).astype(float)
    features["pdays"] = np.where(was_contacted, rng.integers(1, 400, n), -1).astype(float)
    features["previous"] = np.where(was_contacted, rng.integers(1, 5, n), 0).astype(float)
    features["poutcome"] = np.where(was_contacted, rng.choice(["failure", "success"], n), "unknown").astype(object)
    return features


def rows(features, index):
    return {name: column[index] for name, column in features.items()}
