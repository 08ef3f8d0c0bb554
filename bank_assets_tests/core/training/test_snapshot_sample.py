"""A snapshot of a long history: bounded, unbiased, and fits draw from it what they would draw from all contacts."""

from dataclasses import replace

import numpy as np
import pytest

from bank_assets.core.training.folds import time_folds
from bank_assets.core.training.learning_sample import LARGEST_PERSON, permanent_numbers
from bank_assets.core.training.recipes import DEFAULT_HALF_LIFE_DAYS, rows_to_fit, sample_facts
from bank_assets.core.training.snapshot_sample import SAMPLES, rows_of_snapshot
from bank_assets_tests.world.contacts import FIRST, made_contacts

DAYS, LIMIT = 400, 150
AS_OF = FIRST + np.timedelta64(DAYS, "D")


@pytest.fixture(scope="module")
def every():
    contacts = made_contacts(DAYS, 20)
    persons = np.array([f"p{k // 3}" for k in range(len(contacts))], object)
    numbers = permanent_numbers(contacts.contact_ids, persons)
    return replace(contacts.learning_data(AS_OF), numbers=numbers, fit_rows=LIMIT)


def sampled(every, limit=LIMIT, numbers=None):
    numbers = every.numbers if numbers is None else numbers
    stands_for = rows_of_snapshot(every.contact_dates, every.known_on, numbers, every.as_of, limit)
    whole = replace(every, numbers=numbers, stands_for=stands_for, weights=stands_for, eligible=len(every))
    return whole.rows(stands_for > 0.0)


def test_every_fit_of_a_search_draws_the_rows_and_weights_that_it_would_draw_from_all(every):
    snapshot = sampled(every)
    assert len(snapshot) <= SAMPLES * (LIMIT + LARGEST_PERSON) < len(every)
    folds = time_folds(every.contact_dates, AS_OF)
    assert folds == time_folds(snapshot.contact_dates, AS_OF)
    for start in (*(fold.test_start for fold in folds), AS_OF):
        found = []
        for data in (snapshot, every):
            train = np.flatnonzero((data.contact_dates < start) & (data.known_on <= start))
            rows, weights = rows_to_fit(data, train, start, DEFAULT_HALF_LIFE_DAYS)
            found.append((data.contact_dates[rows], data.numbers[rows], data.features["age"][rows], weights))
        for one, other in zip(*found, strict=True):
            np.testing.assert_allclose(one.astype(float), other.astype(float), rtol=1e-12)
    assert sample_facts(snapshot) == sample_facts(every)


def test_rows_stand_for_all_contacts_of_each_time(every):
    """Over many numbers the mean of each estimate is the truth, within four standard errors."""
    late = every.contact_dates >= AS_OF - 90
    rng, found = np.random.default_rng(3), []
    for _ in range(300):
        stands_for = rows_of_snapshot(every.contact_dates, every.known_on, 1.0 - rng.random(len(every)), AS_OF, LIMIT)
        found.append([stands_for.sum(), stands_for[late].sum(), stands_for[every.is_subscribed].sum()])
    error = np.std(found, axis=0) / np.sqrt(len(found))
    truth = [len(every), late.sum(), every.is_subscribed.sum()]
    assert (np.abs(np.mean(found, axis=0) - truth) < 4.0 * error).all()


def test_a_fit_that_the_snapshot_was_not_drawn_for_weighs_back_what_it_lacks(every):
    rng, found, late = np.random.default_rng(4), [], AS_OF - 200
    for _ in range(200):
        snapshot = sampled(every, numbers=1.0 - rng.random(len(every)))
        rows, weights = rows_to_fit(snapshot, np.arange(len(snapshot)), AS_OF, np.inf)
        found.append(np.average(snapshot.contact_dates[rows] >= late, weights=weights))
    error = np.std(found) / np.sqrt(len(found))
    assert abs(np.mean(found) - (every.contact_dates >= late).mean()) < max(4.0 * error, 0.01)


def test_up_to_several_times_the_limit_all_contacts_are_kept(every):
    limit = -(-len(every) // SAMPLES)
    assert (rows_of_snapshot(every.contact_dates, every.known_on, every.numbers, AS_OF, limit) == 1.0).all()
    kept = rows_of_snapshot(every.contact_dates, every.known_on, every.numbers, AS_OF, limit - 1)
    assert (kept == 0.0).any()
