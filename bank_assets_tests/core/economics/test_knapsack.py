"""The choice under two limits against brute force, its limits, its ties and its speed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bank_assets.core.economics import knapsack
from bank_assets.core.economics.knapsack import select

ITEMS = st.lists(st.tuples(st.integers(1, 60), st.integers(1, 40)), min_size=0, max_size=9)


def brute_force(profit, cost, budget, capacity):
    best = 0
    for code in range(1 << len(profit)):
        taken = np.array([(code >> i) & 1 for i in range(len(profit))], dtype=bool)
        if cost[taken].sum() <= budget and taken.sum() <= capacity:
            best = max(best, int(profit[taken].sum()))
    return best


@settings(max_examples=300, deadline=None)
@given(items=ITEMS, budget=st.integers(0, 200), capacity=st.integers(0, 10), scale=st.sampled_from([1, 100, 1_000_003]))
def test_selection_equals_brute_force(items, budget, capacity, scale):
    profit = np.array([p * scale for p, _ in items], dtype=np.int64)
    cost = np.array([c for _, c in items], dtype=np.int64)
    selection = select(profit, cost, budget, capacity)
    assert selection.is_exact
    assert cost[selection.is_taken].sum() <= budget
    assert selection.is_taken.sum() <= capacity
    assert profit[selection.is_taken].sum() == brute_force(profit, cost, budget, capacity)


def dynamic_programme(profit, cost, budget):
    best = np.zeros(budget + 1, dtype=np.int64)
    for p, c in zip(profit, cost, strict=True):
        best[c:] = np.maximum(best[c:], best[:-c] + p)
    return int(best[-1])


@pytest.mark.parametrize("seed", range(5))
def test_selection_of_hundreds_equals_the_textbook_dynamic_programme(seed):
    rng = np.random.default_rng(seed)
    profit, cost = rng.integers(1, 10_000_000, 400), rng.integers(100, 1_500, 400)
    budget = int(cost.sum() * 0.3)
    selection = select(profit, cost, budget, 400)
    assert selection.is_exact
    assert profit[selection.is_taken].sum() == dynamic_programme(profit, cost, budget)


def test_greedy_by_ratio_would_be_wrong_here():
    # by ratio the first (7/6) goes in and leaves no room for another; best are the other two
    selection = select(np.array([7, 5, 5]), np.array([6, 5, 5]), 10, 3)
    assert selection.is_taken.tolist() == [False, True, True]


def test_ties_go_to_the_earlier_item():
    profit, cost = np.array([10, 10, 10, 7, 7]), np.array([5, 5, 5, 3, 3])
    assert select(profit, cost, 8, 5).is_taken.tolist() == [True, False, False, True, False]


@pytest.mark.parametrize("kind", ["cents", "whole_eur", "narrow"])
@pytest.mark.parametrize("is_capped", [False, True])
def test_a_hundred_thousand_items_are_exact_in_a_second(kind, is_capped):
    rng = np.random.default_rng(7)
    n = 100_000
    cost = {
        "cents": rng.integers(100, 1_500, n),
        "whole_eur": rng.integers(1, 15, n) * 100,
        "narrow": rng.integers(480, 520, n),
    }[kind]
    profit = (rng.beta(1, 6, n) * 60e6 - cost * 1e4).astype(np.int64)
    profit, cost = profit[profit > 0], cost[profit > 0]
    budget = int(cost.sum() * 0.4)
    capacity = int(select(profit, cost, budget, n).is_taken.sum() * 0.99) if is_capped else n
    selection = select(profit, cost, budget, capacity)
    assert selection.is_exact
    of_cost, of_call = knapsack.prices_of(profit, cost, budget, capacity)
    upper = of_cost * budget + of_call * capacity + np.maximum(profit - of_cost * cost - of_call, 0).sum()
    assert profit[selection.is_taken].sum() <= upper + 1
    assert upper - profit[selection.is_taken].sum() < 1_000_000  # within one EUR of the relaxation


def test_state_limit_is_reported_with_a_proven_gap(monkeypatch):
    monkeypatch.setattr(knapsack, "STATE_LIMIT", 50)
    rng = np.random.default_rng(3)
    profit, cost = rng.integers(1, 10_000, 300), rng.integers(100, 1_500, 300)
    budget = int(cost.sum() * 0.3)
    selection = select(profit, cost, budget, 300)
    best = dynamic_programme(profit, cost, budget)
    assert not selection.is_exact
    assert cost[selection.is_taken].sum() <= budget
    assert profit[selection.is_taken].sum() <= best <= profit[selection.is_taken].sum() + selection.gap + 1e-6
