"""A bounded learning set: unbiased, deterministic, whole persons, and nothing below the limit."""

import time
from dataclasses import replace

import numpy as np
import pytest

from bank_assets.contract.uci import UCI
from bank_assets.core.economics.economics import Economics
from bank_assets.core.features.contacts import LearningData
from bank_assets.core.features.feature_set import FeatureSet
from bank_assets.core.model.bundle import BundleParts, decision_document, model_card
from bank_assets.core.training.folds import predict_folds, resampled_fold, time_folds
from bank_assets.core.training.learning_sample import LARGEST_PERSON, bounded, draw, permanent_numbers
from bank_assets.core.training.recipes import Recipe, encode, fit_recipe, recency_weights, rows_to_fit, sample_facts
from bank_assets_tests.world.bundles import LINEAGE, RANGES
from bank_assets_tests.world.contacts import FIRST, made_contacts

AS_OF = FIRST + np.timedelta64(60, "D")
LIMIT = 500
HALF_LIFE = 15.0


@pytest.fixture(scope="module")
def contacts():
    return made_contacts(60, 40)


@pytest.fixture(scope="module")
def data(contacts):
    return bounded(contacts.learning_data(AS_OF), LIMIT, contacts.contact_ids)


def ids(n, prefix="c"):
    return np.array([f"{prefix}{k}" for k in range(n)], object)


@pytest.mark.parametrize("limit", [10, 60, 150])
def test_weighted_sums_are_unbiased_whatever_is_summed(limit):
    """Over many salts the mean of each estimate is the sum, within four standard errors."""
    rng = np.random.default_rng(1)
    persons = ids(80)[rng.integers(0, 80, 200)]
    weights = 0.5 ** rng.uniform(0.0, 8.0, 200)
    summed = np.column_stack([np.ones(200), rng.random(200) < 0.1, rng.normal(size=200)])
    found = []
    for salt in range(1_500):
        rows, inverse = draw(weights, permanent_numbers(ids(200), persons, str(salt)), limit)
        assert len(rows) <= limit
        found.append((weights[rows] * inverse) @ summed[rows])
    error = np.std(found, axis=0) / np.sqrt(len(found))
    assert np.abs(np.mean(found, axis=0) - weights @ summed) == pytest.approx(np.zeros(3), abs=float(4 * error.max()))


def test_persons_stay_together():
    persons = ids(300)[np.random.default_rng(2).integers(0, 300, 900)]
    weights = 0.5 ** np.linspace(8.0, 0.0, 900)
    rows, inverse = draw(weights, permanent_numbers(ids(900), persons), 400)
    taken = np.isin(np.arange(900), rows)
    assert set(persons[taken]).isdisjoint(persons[~taken])
    assert 400 - 20 < len(rows) <= 400
    assert (inverse >= 1.0).all()


def test_an_id_of_everybody_is_no_person():
    crowd = np.where(np.arange(1_000) < LARGEST_PERSON + 1, "0", ids(1_000))
    numbers = permanent_numbers(ids(1_000), crowd)
    assert len(np.unique(numbers)) == 1_000
    assert len(draw(np.ones(1_000), numbers, 50)[0]) == 50
    blank = permanent_numbers(ids(5), np.array(["", None, "p", "p ", "q"], object))
    assert len(np.unique(blank)) == 4, "nobody is named: the contact is its own person"


def test_a_new_delivery_changes_few_rows():
    weights, numbers = np.ones(2_000), permanent_numbers(ids(2_000))
    before, after = (set(draw(weights[:n], numbers[:n], LIMIT)[0]) for n in (1_960, 2_000))
    assert len(before & after) >= 0.95 * LIMIT


def test_a_fit_uses_at_most_the_limit_and_the_same_rows_each_time(data):
    every = np.arange(len(data))
    rows, weights = rows_to_fit(data, every, AS_OF, HALF_LIFE)
    again, _ = rows_to_fit(data, every, AS_OF, HALF_LIFE)
    assert len(rows) == LIMIT
    assert (rows == again).all()
    assert weights.mean() == pytest.approx(1.0)
    assert (np.diff(rows) > 0).all(), "in time order, on which fits depend"
    by_hand = replace(data.rows(rows), numbers=None, fit_rows=None)
    one, other = (fit_recipe(Recipe("logistic_regression"), each) for each in (data, by_hand))
    X = encode(data.features, FeatureSet.of(UCI))
    assert not np.allclose(one.predict_proba(X), other.predict_proba(X)), "weighted back, not fitted as it is"
    assert sample_facts(data) == {"limit": LIMIT, "eligible": 2_400, "drawn": LIMIT, "effective": LIMIT}


def test_folds_fit_on_samples_of_their_own_and_test_on_every_row(data):
    folds = time_folds(data.contact_dates, data.as_of)
    of = resampled_fold(data)
    assert [len(of("none", fold, HALF_LIFE, 0)[1]) for fold in folds] == [
        min(LIMIT, int(fold.train_mask(data.contact_dates, data.known_on).sum())) for fold in folds
    ]
    found = predict_folds(Recipe("logistic_regression", half_life_days=HALF_LIFE), data, folds, of, time.monotonic)
    tested = sum(int(fold.test_mask(data.contact_dates).sum()) for fold in folds)
    assert int((~np.isnan(found.calibrated)).sum()) == tested > 4 * LIMIT


def test_below_the_limit_everything_is_as_without(contacts):
    plain = contacts.learning_data(AS_OF)
    assert bounded(plain, len(plain), contacts.contact_ids) is plain
    assert list(plain.to_columns(contacts.contact_ids)) == list(
        bounded(plain, 10_000, contacts.contact_ids).to_columns(contacts.contact_ids)
    )
    assert sample_facts(plain) == {}
    limited = replace(plain, numbers=permanent_numbers(contacts.contact_ids), fit_rows=len(plain))
    rows, weights = rows_to_fit(limited, np.arange(len(plain)), AS_OF, HALF_LIFE)
    assert len(rows) == len(plain)
    assert weights.tobytes() == recency_weights(plain.contact_dates, AS_OF, HALF_LIFE).tobytes()


def test_the_card_names_the_sample(data):
    parts = BundleParts(Recipe(), [], RANGES, Economics(), 0.3, {}, replace(LINEAGE, sample=sample_facts(data)))
    assert "\nFitted on 500 of them, drawn by customer and recency (limit 500, effective 500).\n" in model_card(parts)
    assert decision_document(parts)["training"]["sample"]["eligible"] == 2_400
    whole = replace(parts, lineage=LINEAGE)
    assert "Fitted on" not in model_card(whole)
    assert "sample" not in decision_document(whole)["training"]


def test_the_snapshot_keeps_the_sample(data, contacts):
    columns = data.to_columns(contacts.contact_ids)
    read = LearningData.from_columns(columns, AS_OF, UCI)
    assert read.fit_rows == LIMIT
    of = [rows_to_fit(each, np.arange(len(each)), AS_OF, HALF_LIFE)[0] for each in (read, data)]
    assert (of[0] == of[1]).all()
