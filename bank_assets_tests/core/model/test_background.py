"""The background of explanations: synthetic contacts, typical and repeatable."""

import json

import numpy as np
import pytest

from bank_assets.contract.uci import UCI
from bank_assets.core.model.explanations import (
    BACKGROUND_ROWS,
    ExplainError,
    build_background,
)
from bank_assets_tests.core.model.explained import FEATURE_SET, N, make_features, rows


@pytest.fixture(scope="module")
def features():
    return make_features()


def test_background_is_synthetic_typical_and_repeatable(features):
    background = build_background(features, FEATURE_SET)
    assert {len(values) for values in background.values()} == {BACKGROUND_ROWS}
    assert json.loads(json.dumps(background)) == background
    assert np.mean(background["age"]) == pytest.approx(features["age"].mean(), rel=0.05)
    assert abs(background["housing"].count("yes") / BACKGROUND_ROWS - (features["housing"] == "yes").mean()) < 0.1
    shuffled = np.random.default_rng(3).permutation(N)
    assert build_background(rows(features, shuffled), FEATURE_SET) == background
    customers = set(zip(*(features[name].tolist() for name in UCI.payload_columns), strict=True))
    assert not customers & set(zip(*(background[name] for name in UCI.payload_columns), strict=True))


def test_background_has_no_outcome_of_a_campaign_that_never_was(features):
    background = build_background(features, FEATURE_SET)
    for days, outcome in zip(background["pdays"], background["poutcome"], strict=True):
        assert (days == -1) == (outcome == "unknown")
    assert 0 < background["pdays"].count(-1.0) < BACKGROUND_ROWS


def test_background_of_few_or_no_contacts(features):
    assert len(build_background(rows(features, slice(0, 3)), FEATURE_SET)["age"]) == 3
    with pytest.raises(ExplainError, match="contacts"):
        build_background(rows(features, slice(0, 0)), FEATURE_SET)
    with pytest.raises(ExplainError, match="zeal"):
        build_background({**features, "zeal": features["age"]}, FEATURE_SET)
