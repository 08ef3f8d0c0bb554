"""A refit is refused for what it learned from, and for nothing else: unchanged, spoiled and repaired histories."""

import dataclasses
import json

import numpy as np
import pytest

from bank_assets.contract.uci import UCI
from bank_assets.core.promotion import refit_guard
from bank_assets.core.promotion.gates import REFIT, refit_gate
from bank_assets.core.promotion.refit_guard import AgainstChampion, RegressionPolicy, against_champion
from bank_assets.core.training.challenger import fit_deployment, graph_scorer
from bank_assets.core.training.learning_sample import bounded
from bank_assets.core.training.recipes import Recipe
from bank_assets_tests.world.contacts import FIRST, made_contacts

CHAMPION_AS_OF = FIRST + 85
TODAY = FIRST + 105
RECIPES = ("lightgbm", "logistic_regression")


@pytest.fixture(scope="module")
def contacts():
    return made_contacts(140, 60)


def fitted(algorithm, contacts, as_of):
    fit = fit_deployment(Recipe(algorithm), contacts.learning_data(as_of))
    return graph_scorer(fit.graph, fit.recipe, UCI)


@pytest.fixture(scope="module", params=RECIPES)
def champion(request, contacts):
    return fitted(request.param, contacts, CHAMPION_AS_OF)


def of_other_customers(contacts, first, last):
    """The same contacts, but a wrong join gave them each other's outcomes between two days."""
    mixed = np.flatnonzero((contacts.contact_dates >= FIRST + first) & (contacts.contact_dates < FIRST + last))
    outcomes = contacts.is_subscribed.copy()
    outcomes[mixed] = np.random.default_rng(5).permutation(outcomes[mixed])
    return dataclasses.replace(contacts, is_subscribed=outcomes)


def compared(champion, contacts, today=TODAY, champion_as_of=CHAMPION_AS_OF) -> AgainstChampion:
    data = contacts.learning_data(today)
    recipe = Recipe.from_dict(champion.decision["recipe"])
    proba = champion.raw_probability(data.features)
    return against_champion(recipe, data, champion_as_of, proba, lambda raw: raw, seed=1)


def test_an_unchanged_history_gives_the_champion_itself(champion, contacts):
    found = compared(champion, contacts)
    assert not found.is_worse
    (row,) = found.fits.values()
    assert row["gain"] == pytest.approx(0.0, abs=1e-6)
    assert row["start"] == str(CHAMPION_AS_OF)
    assert row["rows"] == 1_200


def test_months_delivered_again_with_the_outcomes_of_other_customers_are_worse(champion, contacts):
    found = compared(champion, of_other_customers(contacts, 0, 60))
    assert found.is_worse
    assert len(found.fits) == 2, "seen at the champion's day and again at the latest one"
    assert all(row["gain"] < -0.01 * row["log_loss_champion"] for row in found.fits.values())
    assert all(f"before {row['start']} has a log loss of 0." in found.sentence for row in found.fits.values())
    first = found.fits[str(CHAMPION_AS_OF)]
    assert f"P(worse) = {first['P_worse']:.3f}" in found.sentence
    assert first["P_worse"] >= 0.95
    assert AgainstChampion(**json.loads(json.dumps(dataclasses.asdict(found)))) == found


def test_the_guards_on_rows_it_learned_from_would_have_let_it_pass(champion, contacts):
    spoiled = of_other_customers(contacts, 0, 60)
    fit = fit_deployment(Recipe.from_dict(champion.decision["recipe"]), spoiled.learning_data(TODAY))
    assert refit_gate(fit.guard_raw, fit.guard_observed, fit.parity).is_promoted
    against = compared(champion, spoiled)
    verdict = refit_gate(fit.guard_raw, fit.guard_observed, fit.parity, against=against)
    assert (verdict.kind, verdict.is_promoted, verdict.reasons) == (REFIT, False, (against.sentence,))
    assert verdict.evidence["against_champion"]["is_worse"]


@pytest.mark.parametrize("algorithm", RECIPES)
def test_good_months_since_outweigh_a_spoiled_beginning(algorithm, contacts):
    early = FIRST + 25
    champion = fitted(algorithm, contacts, early)
    found = compared(champion, of_other_customers(contacts, 0, 20), FIRST + 139, early)
    assert found.fits[str(early)]["P_worse"] >= 0.95
    assert len(found.fits) == 2
    assert not found.is_worse


def test_what_may_be_chance_is_no_ground_for_a_refusal(champion, contacts, monkeypatch):
    spoiled, today = of_other_customers(contacts, 0, 60), CHAMPION_AS_OF + 7
    assert compared(champion, spoiled, today).is_worse
    for limits in (RegressionPolicy(confidence=1.01), RegressionPolicy(tolerance=0.5)):
        monkeypatch.setattr(refit_guard, "LIMITS", limits)
        assert not compared(champion, spoiled, today).is_worse


def test_fits_on_samples_are_guarded_alike(contacts):
    def sampled(history, as_of):
        return bounded(history.learning_data(as_of), 1_500, history.contact_ids[history.known_as_of(as_of)])

    fit = fit_deployment(Recipe("logistic_regression"), sampled(contacts, CHAMPION_AS_OF))
    champion = graph_scorer(fit.graph, fit.recipe, UCI)

    def found(history):
        data = sampled(history, TODAY)
        proba = champion.raw_probability(data.features)
        return against_champion(fit.recipe, data, CHAMPION_AS_OF, proba, lambda raw: raw, seed=1)

    (row,) = found(contacts).fits.values()
    assert row["gain"] == pytest.approx(0.0, abs=1e-6), "the same rows are drawn again"
    assert row["rows"] == 1_200, "and compared on every contact since"
    assert found(of_other_customers(contacts, 0, 60)).is_worse


@pytest.mark.parametrize("days", [0, 3])
def test_too_few_contacts_since_are_no_ground_for_a_refusal(champion, contacts, days):
    found = compared(champion, of_other_customers(contacts, 0, 60), CHAMPION_AS_OF + days)
    assert not found.is_worse
    assert f"{60 * days} contacts since 2020-03-26, the champion's day, are too few" in found.sentence
    assert found.fits == {}


def test_a_history_that_is_gone_is_no_ground_for_a_refusal(champion, contacts):
    found = compared(champion, contacts.rows(contacts.contact_dates >= CHAMPION_AS_OF))
    assert not found.is_worse
    assert "0 contacts before 2020-03-26 are too few to fit" in found.sentence
