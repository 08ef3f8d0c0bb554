"""Tomek links by a k-d tree: imbalanced-learn removes the same rows, ties and equal rows included."""

import os
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from imblearn.over_sampling import SMOTE
from imblearn.pipeline import make_pipeline
from imblearn.under_sampling import TomekLinks
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from bank_assets.core.features.feature_set import FeatureSet
from bank_assets.core.training.folds import time_folds
from bank_assets.core.training.recipes import encode
from bank_assets.core.training.tomek import TreeTomekLinks, tomek_links
from bank_assets.sources.uci import is_pinned


def kept(sampler, X, y, strategy):
    sampler = sampler(sampling_strategy=strategy)
    sampler.fit_resample(X, y)
    return sampler.sample_indices_


def assert_same(X, y):
    for strategy in ("auto", "all"):
        np.testing.assert_array_equal(kept(TreeTomekLinks, X, y, strategy), kept(TomekLinks, X, y, strategy))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 20), st.sampled_from([2, 4, 1_000]), st.floats(0.1, 0.5))
def test_the_same_rows_with_ties_and_equal_rows(seed, columns, values, share):
    rng = np.random.default_rng(seed)
    X = rng.integers(0, values, (120, columns)).astype(float)
    y = rng.random(120) < share
    y[:2] = True, False
    assert_same(X, y)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 20), st.booleans())
def test_the_same_rows_after_smote_whichever_class_was_rare(seed, columns, is_rare_true):
    rng = np.random.default_rng(seed)
    X, y = rng.normal(size=(200, columns)), (np.arange(200) < 40) == is_rare_true
    assert_same(*SMOTE(k_neighbors=5, random_state=seed).fit_resample(X, y))


def test_a_link_is_mutual():
    X = np.array([[0.0], [1.0], [1.9], [10.0], [10.4]])
    is_rare = np.array([True, False, True, False, False])
    assert tomek_links(X, is_rare).tolist() == [[2, 1]]  # 0 is near 1, but 2 is nearer


def test_it_is_a_sampler_of_a_pipeline():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(400, 3)), rng.random(400) < 0.2
    models = [
        make_pipeline(StandardScaler(), s(), LogisticRegression()).fit(X, y) for s in (TreeTomekLinks, TomekLinks)
    ]
    assert np.array_equal(models[0][-1].coef_, models[1][-1].coef_)


def folds_of_the_real_file():
    """Scaled training rows and outcomes of each fold."""
    source = Path(os.environ.get("BANK_SOURCE", ""))
    if not source.is_file() or not is_pinned(source):
        pytest.skip("BANK_SOURCE is not the path of the UCI file")
    from benchmarks.history import real_contacts

    contacts = real_contacts()
    as_of = contacts.contact_dates.max() + 1
    data = contacts.learning_data(as_of)
    encoded = encode(data.features, FeatureSet.of(data.contract))
    for fold in time_folds(data.contact_dates, as_of):
        train = fold.train_mask(data.contact_dates, data.known_on)
        yield fold, StandardScaler().fit_transform(encoded[train]), data.is_subscribed[train]


@pytest.mark.slow
@pytest.mark.parametrize("folds", [1, pytest.param(None, marks=pytest.mark.soak)])
def test_the_same_rows_on_folds_of_the_real_file(folds):
    with threadpool_limits(2):
        for fold, X, y in islice(folds_of_the_real_file(), folds):
            assert np.array_equal(kept(TreeTomekLinks, X, y, "auto"), kept(TomekLinks, X, y, "auto")), fold


@pytest.mark.soak
def test_the_same_rows_after_smote():
    """Three times as many rows, nine times as long a search."""
    with threadpool_limits(2):
        _, X, y = next(folds_of_the_real_file())
        X, y = SMOTE(random_state=1).fit_resample(X, y)
        assert np.array_equal(kept(TreeTomekLinks, X, y, "all"), kept(TomekLinks, X, y, "all"))
