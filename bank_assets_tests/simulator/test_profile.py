"""The committed profile matches the code, holds only aggregates, and is reproduced by its script from the real file."""

import json
import os
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from bank_assets.simulator import profile as shape
from bank_assets.simulator.profile import PROFILE_PATH, SimulatorProfile, epoch_of, load_profile
from bank_assets.sources.uci import UCI_SHA256, is_pinned
from scripts.fit_answer import EPOCH_TERMS, MAIN_TERMS, MINIMUM_TABLE_ROWS, _intercept
from scripts.fit_profile import MINIMUM_CELL_ROWS, dump_profile, fit_profile, read_contacts, suppressed


@pytest.fixture(scope="module")
def profile():
    return load_profile()


def test_the_profile_is_small_and_names_its_source(profile):
    assert PROFILE_PATH.stat().st_size < 100_000
    assert profile.source_sha256 == UCI_SHA256
    assert profile.rows.sum() == 45_211


def test_the_tables_have_the_shapes_the_code_expects(profile):
    months = len(profile.months)
    for link in shape.LINKS:
        contexts = int(np.prod([shape.SIZES[parent] for parent in link.parents]))
        assert profile.links[link.column].shape == (contexts, link.size)
        assert profile.margins[link.column].shape == (months, link.size)
    assert {name: len(values) for name, values in profile.main_terms.items()} == MAIN_TERMS
    for name in EPOCH_TERMS:
        assert profile.epoch_terms[name].shape == (len(shape.EPOCHS), shape.SIZES[name])
    assert profile.balance_knots.shape[0] == len(shape.BALANCE_EDGES) + 1
    assert profile.previous_shares.shape == (shape.UNKNOWN, len(shape.PREVIOUS_BINS))
    assert profile.duration_knots.shape[:2] == (len(shape.EPOCHS), 2)
    assert profile.pdays_knots.shape[:2] == (months, 2)


def test_no_share_is_based_on_fewer_rows_than_the_minimum(profile):
    for name, margins in profile.margins.items():
        for rows, shares in zip(profile.rows, margins, strict=True):
            # a small month borrows its neighbours' rows, so it rests on at least a table's minimum
            smallest = shares[shares > 0].min() * max(rows, MINIMUM_TABLE_ROWS)
            assert smallest >= MINIMUM_CELL_ROWS * 0.999 or rows < MINIMUM_TABLE_ROWS, name
    for rows, shares in zip(profile.rows, profile.weekday_shares, strict=True):
        counts = shares * rows
        rare = np.unique(np.round(counts[(counts > 0.1) & (counts < MINIMUM_CELL_ROWS - 0.01)], 2))
        assert len(rare) <= 1  # days under the minimum share their rows evenly


def test_small_counts_are_suppressed():
    np.testing.assert_array_equal(suppressed(np.array([0, 1, 4, 5, 900])), [0, 0, 0, 5, 900])


def test_the_profile_survives_its_file(profile, tmp_path):
    path = tmp_path / "profile.json"
    path.write_bytes(dump_profile(profile))
    assert path.read_bytes() == PROFILE_PATH.read_bytes()


def test_a_profile_of_another_release_is_refused(tmp_path):
    path = tmp_path / "profile.json"
    path.write_text(json.dumps(json.loads(PROFILE_PATH.read_text()) | {"schema_version": 0}))
    with pytest.raises(ValueError, match="expected schema_version 1, found 0; fit it again"):
        load_profile(path)


def test_epochs_begin_with_their_first_month():
    assert [epoch_of(m) for m in ("2001-01", "2008-05", "2008-06", "2008-07", "2010-11")] == [0, 0, 0, 1, 5]


def test_the_intercept_gives_the_rate():
    log_odds = np.linspace(-3, 1, 1_001)
    moved = log_odds + _intercept(log_odds, 0.37)
    assert np.mean(1 / (1 + np.exp(-moved))) == pytest.approx(0.37, abs=1e-9)


def test_only_the_pinned_file_may_be_fitted(tmp_path):
    path = tmp_path / "bank-full.csv"
    path.write_text("age;y\n")
    with pytest.raises(SystemExit, match="expected the UCI file"):
        read_contacts(path)


@pytest.mark.slow
def test_fitting_the_real_file_gives_the_committed_profile(profile, tmp_path):
    source = Path(os.environ.get("BANK_SOURCE", ""))
    if not source.is_file() or not is_pinned(source):
        pytest.skip("BANK_SOURCE is not the path of the UCI file")
    path = tmp_path / "profile.json"
    path.write_bytes(dump_profile(fit_profile(source)))
    fitted = load_profile(path)
    for field in fields(SimulatorProfile):
        committed, again = getattr(profile, field.name), getattr(fitted, field.name)
        if isinstance(committed, dict):
            assert committed.keys() == again.keys()
            pairs = [(committed[key], again[key]) for key in committed]
        elif isinstance(committed, tuple) and isinstance(committed[0], np.ndarray):
            pairs = list(zip(committed, again, strict=True))
        elif isinstance(committed, np.ndarray):
            pairs = [(committed, again)]
        else:
            assert committed == again
            continue
        for one, other in pairs:  # five digits are kept; another machine may round the last one differently
            np.testing.assert_allclose(one, other, rtol=2e-4, atol=1e-6, err_msg=field.name)
