"""The training snapshot: out and back again unchanged, and closed to leaks."""

from dataclasses import replace

import numpy as np
import pytest

from bank_assets.contract.errors import LeakageError
from bank_assets.contract.uci import UCI
from bank_assets.core.features.contacts import PREFIX, WEIGHT, LearningData
from bank_assets_tests.world.contacts import FIRST, made_contacts

AS_OF = FIRST + np.timedelta64(20, "D")


@pytest.fixture(scope="module")
def data():
    return made_contacts(30, 5).learning_data(AS_OF)


def test_round_trip(data):
    back = LearningData.from_columns(data.to_columns(np.arange(len(data)).astype(str)), AS_OF, UCI)
    assert back.as_of == data.as_of
    for name, column in data.features.items():
        np.testing.assert_array_equal(back.features[name], column)
    for name in ("contact_dates", "known_on", "is_subscribed"):
        np.testing.assert_array_equal(getattr(back, name), getattr(data, name))


def test_only_weighted_contacts_have_a_column_of_weights(data):
    ids = np.arange(len(data)).astype(str)
    assert WEIGHT not in data.to_columns(ids)
    assert LearningData.from_columns(data.to_columns(ids), AS_OF, UCI).weights is None
    weights = np.where(data.is_subscribed, 1.0, 20.0)
    back = LearningData.from_columns(replace(data, weights=weights).to_columns(ids), AS_OF, UCI)
    np.testing.assert_array_equal(back.weights, weights)


def test_a_leak_cannot_be_written(data):
    leaking = replace(data, features={**data.features, "duration": np.zeros(len(data))})
    with pytest.raises(LeakageError, match="duration"):
        leaking.to_columns(np.arange(len(data)).astype(str))


def test_a_leak_cannot_be_read(data):
    columns = data.to_columns(np.arange(len(data)).astype(str))
    with pytest.raises(LeakageError, match="duration"):
        LearningData.from_columns({**columns, PREFIX + "duration": np.zeros(len(data))}, AS_OF, UCI)
