"""Simulator arithmetic: alias tables draw their probabilities; raking meets the margin, keeps odds ratios."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bank_assets.simulator.month_model import AliasTable, rake


def tables(seed, contexts, size):
    rng = np.random.default_rng(seed)
    table = rng.random((contexts, size)) + 1e-3
    return table / table.sum(axis=1, keepdims=True)


def exact_shares(alias, contexts, size):
    """The distribution an alias table draws, from a fine even grid of uniforms."""
    grid = ((np.arange(200_000) + 0.5) / 200_000).astype(np.float32)
    return np.array([np.bincount(alias.draw(grid, row), minlength=size) for row in range(contexts)]) / len(grid)


@given(st.integers(0, 10_000), st.integers(1, 6), st.integers(1, 15))
def test_alias_tables_draw_their_probabilities(seed, contexts, size):
    table = tables(seed, contexts, size)
    np.testing.assert_allclose(exact_shares(AliasTable(table), contexts, size), table, atol=2e-4)


def test_a_category_of_probability_zero_is_never_drawn():
    table = np.array([[0.0, 1.0, 0.0], [0.3, 0.0, 0.7]])
    shares = exact_shares(AliasTable(table), 2, 3)
    assert (shares[table == 0] == 0).all()


def test_each_row_draws_from_its_own_context():
    alias = AliasTable(np.eye(3))
    context = np.array([2, 0, 1, 1])
    np.testing.assert_array_equal(alias.draw(np.array([0.1, 0.99, 0.5, 0.0], dtype=np.float32), context), context)


def test_the_largest_uniform_stays_inside_the_table():
    almost_one = np.array([np.nextafter(np.float32(1), np.float32(0))])
    assert AliasTable(tables(1, 1, 13)).draw(almost_one, 0)[0] < 13


@given(st.integers(0, 10_000), st.integers(1, 6), st.integers(2, 6))
def test_raking_meets_the_margin_and_keeps_odds_ratios(seed, contexts, size):
    links = tables(seed, contexts, size)
    weights, target = tables(seed + 1, 1, contexts)[0], tables(seed + 2, 1, size)[0]
    raked = rake(links, weights, target)
    np.testing.assert_allclose(raked.sum(axis=1), 1)
    np.testing.assert_allclose(weights @ raked, target, atol=1e-6)

    def odds(table):
        return table[:, :-1] * table[:1, -1:] / (table[:, -1:] * table[:1, :-1])

    np.testing.assert_allclose(odds(raked), odds(links), rtol=1e-6)


def test_a_margin_of_zero_stays_zero():
    raked = rake(tables(3, 2, 3), np.array([0.5, 0.5]), np.array([0.4, 0.0, 0.6]))
    assert (raked[:, 1] == 0).all()
