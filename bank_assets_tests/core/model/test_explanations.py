"""Explanations of a real bundle: exact sums, the same numbers every time, the right reasons, in words."""

import json
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bank_assets.contract.uci import UCI
from bank_assets.core.features.contacts import LearningData
from bank_assets.core.model.explanations import (
    BACKGROUND_ROWS,
    ORDERS_PER_ROW,
    Explainer,
    ExplainError,
    build_background,
    fixed_order,
    global_importance,
)
from bank_assets.core.model.reasons import GROUP_LABELS, OTHERS, label_of, reasons_of
from bank_assets.core.model.scorer import Scorer, expit
from bank_assets.core.training.export import to_onnx
from bank_assets.core.training.recipes import Recipe, fit_recipe
from bank_assets_tests.core.model.explained import FEATURE_SET, N, make_features, rows

CALIBRATOR = [{"kind": "affine", "slope": 0.9, "intercept": 0.1}]


def make_files(graph, features, **changes):
    decision = {
        "schema_version": 1,
        "features": [
            {"name": n, "kind": FEATURE_SET.kind_of(n), "group": FEATURE_SET.groups[n]} for n in FEATURE_SET.names
        ],
        "calibrator": CALIBRATOR,
        "ranges": {"probability": [0, 1], "low": [0, 1], "high": [0, 1]},
        "background": build_background(features, FEATURE_SET),
        **changes,
    }
    files = {"model.onnx": graph, "reference_profile.json": b"{}", "model_card.md": b""}
    return {**files, "decision.json": json.dumps(decision).encode()}


@pytest.fixture(scope="module")
def features():
    return make_features()


@pytest.fixture(scope="module")
def graph(features):
    log_odds = (
        -2.5
        + 2.5 * (features["poutcome"] == "success")
        - 0.8 * (features["housing"] == "yes")
        + 1.5 * features["subscription_rate_7d"]
        + 0.02 * (features["age"] - 50)
    )
    outcome = np.random.default_rng(1).random(N) < expit(log_odds)
    dates = np.datetime64("2009-01-01") + np.arange(N) // 40
    data = LearningData(features, dates, dates + 1, outcome, dates[-1] + 1, UCI)
    return to_onnx(fit_recipe(Recipe("lightgbm"), data), FEATURE_SET, "lightgbm")


@pytest.fixture(scope="module")
def scorer(graph, features):
    return Scorer(make_files(graph, features))


@pytest.fixture(scope="module")
def explainer(scorer):
    return Explainer(scorer)


def test_contributions_add_up_to_the_score(scorer, explainer, features):
    sample = rows(features, slice(0, 60))
    explanation = explainer.explain(sample)
    assert explanation.probability.tolist() == scorer.score(sample).probability.tolist()
    total = explanation.base_probability + explanation.probability_contributions.sum(axis=1)
    assert np.abs(total - explanation.probability).max() < 1e-12
    total = explanation.base_log_odds + explanation.log_odds_contributions.sum(axis=1)
    assert np.abs(total - explanation.log_odds).max() < 1e-12


CONTACT = st.fixed_dictionaries(
    {
        name: st.sampled_from((*FEATURE_SET.categories_of(name), "never seen"))
        if name in FEATURE_SET.category
        else st.one_of(st.floats(-1e4, 1e5, width=32), st.just(float("nan")))
        for name in FEATURE_SET.names
    }
)


@settings(max_examples=40, deadline=None)
@given(CONTACT)
def test_sums_are_exact_for_any_contact(explainer, contact):
    one = {
        name: np.array([value], dtype=object if name in FEATURE_SET.category else float)
        for name, value in contact.items()
    }
    explanation = explainer.explain(one)
    total = explanation.base_probability + explanation.probability_contributions.sum()
    assert abs(total - explanation.probability[0]) < 1e-6


def test_explanation_does_not_depend_on_the_batch_or_the_run(graph, explainer, features):
    together = explainer.explain(rows(features, slice(0, 20)))
    other = Explainer(Scorer(make_files(graph, features)))
    for row in range(20):
        alone = other.explain(rows(features, slice(row, row + 1)))
        assert alone.probability_contributions[0].tolist() == together.probability_contributions[row].tolist()


def test_a_background_row_is_explained_like_any_other(explainer, scorer):
    background = {n: np.array(v[:1], dtype=object) for n, v in scorer.decision["background"].items()}
    explanation = explainer.explain(background)
    assert explanation.base_probability + explanation.probability_contributions.sum() == pytest.approx(
        explanation.probability[0], abs=1e-12
    )


def test_what_the_model_ignores_contributes_nothing_and_what_it_uses_leads(explainer, features):
    importance = global_importance(explainer, features)
    assert next(iter(importance)) == "poutcome"
    assert importance["default"] < 0.1 * importance["poutcome"]
    assert set(importance) == set(FEATURE_SET.groups.values())
    assert list(importance.values()) == sorted(importance.values(), reverse=True)


def test_contributions_have_the_sign_of_the_effect(explainer, features):
    explanation = explainer.explain(rows(features, slice(0, 300)))
    poutcome = explanation.groups.index("poutcome")
    is_success = features["poutcome"][:300] == "success"
    assert (explanation.probability_contributions[is_success, poutcome] > 0.1).all()
    assert (explanation.probability_contributions[~is_success, poutcome] < 0).all()
    housing = explanation.groups.index("housing")
    has_loan = features["housing"][:300] == "yes"
    assert explanation.log_odds_contributions[has_loan, housing].mean() < 0
    assert explanation.log_odds_contributions[~has_loan, housing].mean() > 0


def exact_shapley(scorer, contact, groups):
    """Shapley values by all subsets of a few groups, on the same background."""
    from itertools import combinations
    from math import factorial

    background = scorer.decision["background"]
    names, n_rows = sorted(set(groups.values())), len(background["age"])

    def value(members):
        mixed = {
            name: np.array(
                [contact[name][0]] * n_rows if groups[name] in members else background[name],
                dtype=object if name in FEATURE_SET.category else float,
            )
            for name in FEATURE_SET.names
        }
        return scorer.score(mixed).probability.mean()

    result = {}
    for name in names:
        others = [g for g in names if g != name]
        result[name] = sum(
            factorial(size)
            * factorial(len(names) - size - 1)
            / factorial(len(names))
            * (value({*chosen, name}) - value(set(chosen)))
            for size in range(len(names))
            for chosen in combinations(others, size)
        )
    return result


def test_two_groups_equal_the_exact_shapley_values(scorer, features):
    # with two groups the order and its reverse are all orders, so the sample is exact
    groups = {name: "previous" if name in ("pdays", "previous", "poutcome") else "rest" for name in FEATURE_SET.names}
    explainer = Explainer(scorer, groups)
    for row in range(5):
        contact = rows(features, slice(row, row + 1))
        exact = exact_shapley(scorer, contact, groups)
        found = dict(zip(explainer.groups, explainer.explain(contact).probability_contributions[0], strict=True))
        assert found == pytest.approx(exact, abs=1e-9)


def test_fifteen_groups_come_near_the_exact_values_of_five(scorer, features):
    groups = {
        n: n if n in ("poutcome", "housing", "age", "subscription_rate_7d") else "rest" for n in FEATURE_SET.names
    }
    explainer = Explainer(scorer, groups)
    errors = []
    for row in range(6):
        contact = rows(features, slice(row, row + 1))
        exact = exact_shapley(scorer, contact, groups)
        found = dict(zip(explainer.groups, explainer.explain(contact).probability_contributions[0], strict=True))
        errors += [abs(found[name] - exact[name]) for name in exact]
    assert np.mean(errors) < 0.01


def test_one_explanation_is_one_call_of_the_graph_without_steps_that_change_nothing(scorer, features, monkeypatch):
    explainer, batches = Explainer(scorer), []
    score = scorer.raw_probability
    monkeypatch.setattr(scorer, "raw_probability", lambda batch: batches.append(batch) or score(batch))
    explainer.explain(rows(features, slice(0, 1)))
    (batch,) = batches
    n_steps = 2 * BACKGROUND_ROWS * ORDERS_PER_ROW * len(explainer.groups)
    assert 1 < len(batch["age"]) < n_steps


def test_no_contact_gives_an_empty_explanation(explainer, features):
    explanation = explainer.explain(rows(features, slice(0, 0)))
    assert explanation.probability_contributions.shape == (0, len(explanation.groups))
    assert set(global_importance(explainer, rows(features, slice(0, 0))).values()) == {0.0}


def test_missing_feature_is_named(explainer, features):
    with pytest.raises(ExplainError, match="poutcome"):
        explainer.explain({n: c[:1] for n, c in features.items() if n != "poutcome"})


@pytest.mark.parametrize(
    "background", [{}, {"age": [1.0]}, {**{n: [0.0] for n in FEATURE_SET.names}, "age": [1.0, 2.0]}]
)
def test_bundle_without_usable_background_is_refused(graph, features, background):
    with pytest.raises(ExplainError, match="background"):
        Explainer(Scorer(make_files(graph, features, background=background)))


def test_fixed_order_is_the_same_on_any_machine():
    assert fixed_order(0, "order", 0, n=5) == FIRST_ORDER
    assert sorted(fixed_order(1, "x", n=50)) == list(range(50))


FIRST_ORDER = [4, 2, 1, 3, 0]


def test_reasons_say_what_is_true_and_add_up(explainer, features):
    row = int(np.flatnonzero(features["poutcome"] == "success")[0])
    explanation = explainer.explain(rows(features, slice(row, row + 1)))
    values = {name: column[row] for name, column in features.items()}
    reasons = reasons_of(explanation, 0, values, UCI, limit=4)
    assert reasons[0].group == "poutcome"
    points = reasons[0].probability_contribution * 100
    assert reasons[0].sentence == f"Previous campaign was a success raises the probability by {points:.1f} points."
    assert [r.group for r in reasons].index(OTHERS) == 4
    total = explanation.base_probability + sum(reason.probability_contribution for reason in reasons)
    assert total == pytest.approx(explanation.probability[0], abs=1e-12)
    assert len(reasons_of(explanation, 0, values, UCI)) == len(explanation.groups)
    assert json.loads(json.dumps(asdict(reasons[0])))["group"] == "poutcome"


@pytest.mark.parametrize(
    ("group", "value", "label"),
    [
        ("age", 41.0, "Age 41"),
        ("balance", -1_234, "Yearly balance of -1,234 EUR"),
        ("campaign", 1, "First contact of this campaign"),
        ("campaign", 3, "Contact number 3 of this campaign"),
        ("pdays", -1, "Never contacted in an earlier campaign"),
        ("pdays", 90, "Last contacted 90 days ago"),
        ("previous", 0, "No contact before this campaign"),
        ("previous", 1, "1 contact before this campaign"),
        ("previous", 2, "2 contacts before this campaign"),
        ("job", "blue-collar", "Job: blue-collar"),
        ("poutcome", "failure", "Previous campaign was a failure"),
        ("month", "may", "Month: may"),
        ("new_feature", 3, "New feature: 3"),
    ],
)
def test_labels(group, value, label):
    assert label_of(group, {group: value}, UCI) == label


def test_every_group_and_category_has_words():
    for group in set(FEATURE_SET.groups.values()):
        assert group in UCI.payload_columns or group in GROUP_LABELS
    for name in FEATURE_SET.category:
        labels = [label_of(name, {name: value}, UCI) for value in UCI.by_source[name].categories]
        assert len(set(labels)) == len(labels)
    assert label_of("call_list_of_the_day", {}, UCI) == GROUP_LABELS["call_list_of_the_day"]


def test_contribution_of_nothing_is_not_called_an_effect(explainer, features):
    explanation = explainer.explain(rows(features, slice(0, 1)))
    sentences = [r.sentence for r in reasons_of(explanation, 0, {n: c[0] for n, c in features.items()}, UCI)]
    assert not any("by 0.0 points" in sentence for sentence in sentences)
