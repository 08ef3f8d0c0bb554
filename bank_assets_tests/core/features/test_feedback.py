"""Which outcomes teach: of a history called in full by 1, of lists by their propensities, others not at all."""

from dataclasses import replace

import numpy as np
import pytest

from bank_assets.core.features.feedback import Feedback, ListDesign, Origin, feedback_of

DAY = np.timedelta64(1, "D")
FIRST = np.datetime64("2020-02-01", "D")
CALLED = FIRST + 5 * DAY
TODAY = FIRST + 20 * DAY
NOT = np.datetime64("NaT", "D")


def design(*rows, list_id="a list", as_of=FIRST, made_at="1", on_record=""):
    """Rows of (contact, propensity, what the list did with it)."""
    ids, propensity, done = zip(*rows, strict=True)
    days, done = np.full(len(rows), CALLED), np.asarray(done)
    is_explored = done == "explored"
    return ListDesign(
        list_id, as_of, made_at, np.asarray(ids), days, np.asarray(propensity, float), is_explored | (done == "best"),
        is_explored, on_record=on_record,
    )  # fmt: skip


def taught(designs, ids="a", *, called_on=CALLED, arrived_on=CALLED, called_by=None):
    """Weights, and the origins of the outcomes."""
    ids = np.asarray(list(ids), dtype=object)
    days, arrived = np.full(len(ids), called_on), np.full(len(ids), arrived_on)
    named = None if called_by is None else np.asarray(called_by, dtype=object)
    weights, _, found = feedback_of(ids, days, arrived, designs, TODAY, None, named)
    return weights.tolist(), {origin for origin, n in found.outcomes.items() if n}, found


@pytest.mark.parametrize(
    ("designs", "weight", "origin"),
    [
        ([design(("a", 1.0, "best"))], 1.0, Origin.CALLED_BY_LIST),
        ([design(("a", 0.05, "explored"))], 20.0, Origin.CALLED_BY_LIST),
        ([design(("a", 0.9, "best"), ("b", 0.9, "not"))], 1 / 0.9, Origin.CALLED_BY_LIST),
        ([design(("b", 1.0, "best"))], 0.0, Origin.ON_NO_LIST),
        ([design(("a", 0.05, "not"), ("b", 1.0, "best"))], 0.0, Origin.NOT_CHOSEN),
        ([design(("a", 0.0, "not"), ("b", 1.0, "best"))], 0.0, Origin.NOT_CHOSEN),
        ([design(("a", np.nan, "best"))], 0.0, Origin.NO_PROPENSITY),
        ([design(("a", 0.0, "best"))], 0.0, Origin.NO_PROPENSITY),
        ([design(("a", -0.1, "best"))], 0.0, Origin.NO_PROPENSITY),
        ([design(("a", 1.1, "best"))], 0.0, Origin.NO_PROPENSITY),
    ],
)
def test_an_outcome_teaches_by_the_list_that_called_its_contact(designs, weight, origin):
    weights, origins, _ = taught(designs, "ab" if origin is Origin.NOT_CHOSEN else "a")
    assert weights[0] == pytest.approx(weight)
    assert origin in origins


def test_propensities_tell_who_could_have_been_called_from_who_could_not():
    """On a list: explored, not drawn, out of its reach, excluded by a rule; on none; on two, excluded by one; best."""
    rows = [("a", 0.05, "explored"), ("b", 0.05, "not"), ("c", 0.0, "not"), ("d", np.nan, "not"), ("f", 0.2, "best")]
    other = design(("f", np.nan, "not"), ("g", 1.0, "best"), list_id="other")
    ids, days = np.asarray(list("abcdefg"), object), np.full(7, CALLED)
    arrived_on = np.where(np.isin(ids, ["a", "f", "g"]), days, NOT)
    weights, propensity, _ = feedback_of(ids, days, arrived_on, [design(*rows), other], TODAY)
    assert weights == pytest.approx([20.0, 0.0, 0.0, 0.0, 0.0, 5.0, 1.0])
    assert propensity == pytest.approx([0.05, 0.05, 0.0, np.nan, np.nan, 0.2, 1.0], nan_ok=True)


def test_before_the_first_list_everybody_was_called():
    days, ids = np.array([FIRST - DAY, CALLED, CALLED]), np.array(["a", "b", "c"])
    weights, _, found = feedback_of(ids, days, days, [design(("a", 0.5, "not"), ("b", 0.5, "best"))])
    assert weights.tolist() == [1.0, 2.0, 0.0]
    assert [found.outcomes[one] for one in (Origin.CALLED_IN_FULL, Origin.ON_NO_LIST)] == [1, 1]


def test_without_a_list_every_outcome_weighs_one():
    weights, _, found = feedback_of(np.array(["a"]), np.array([CALLED]), np.array([CALLED]), [], TODAY)
    assert (weights, found.outcomes, found.n_taught, found.apart) == (None, {Origin.CALLED_IN_FULL: 1}, 1, {})
    nobody = feedback_of(np.array([]), np.array([], "M8[D]"), np.array([], "M8[D]"), [design(("a", 1, "best"))], TODAY)
    assert nobody == (None, None, Feedback({Origin.CALLED_IN_FULL: 0}))


def test_an_outcome_from_before_its_call_is_no_result_of_it():
    weights, origins, _ = taught([design(("a", 1.0, "best"), ("b", 1.0, "best"))], arrived_on=CALLED - DAY)
    assert (weights, origins) == ([0.0], {Origin.BEFORE_ITS_CALL})


def test_of_the_versions_of_a_list_the_last_one_before_the_call_counts():
    first, second = design(("a", 0.5, "best")), design(("a", 0.25, "explored"), as_of=CALLED, made_at="0")
    later = design(("a", 0.1, "not"), as_of=CALLED + DAY)
    again = replace(second, propensity=np.array([0.2]), made_at="2")
    assert taught([later, second, first])[0] == [4.0]
    assert taught([again, second, first])[0] == [5.0]
    assert taught([first], called_on=FIRST)[0] == [2.0], "the day for which it was made"


def test_a_list_made_again_on_the_day_of_its_calls_replaces_the_version_that_was_followed():
    morning = design(("a", 1.0, "best"), ("b", 1.0, "best"), ("c", 0.02, "explored"), as_of=CALLED, made_at="1")
    noon = design(("a", 0.5, "best"), ("b", 0.0, "not"), as_of=CALLED, made_at="2")
    weights, _, found = taught([morning, noon], "abc")
    assert weights == [2.0, 0.0, 50.0], "by the later version, unless it does not know the contact"
    assert found.outcomes[Origin.NOT_CHOSEN] == 1


def test_a_call_teaches_by_the_version_that_it_names_whichever_was_made_last():
    earlier = design(("a", 0.5, "best"), ("b", 0.5, "best"), ("c", 0.5, "best"), on_record="l-1")
    newest = design(("a", 0.2, "explored"), ("b", 0.2, "not"), ("c", 0.2, "best"), made_at="2", on_record="l-2")
    weights, _, found = taught([newest, earlier], "abc", called_by=["l-1", "l-1", ""])
    assert weights == [2.0, 2.0, 5.0], "without a name by the last version"
    assert (found.calls_due, found.calls_made, found.n_taught) == (3, 3, 3)
    weights, _, found = taught([newest, earlier], "abc", called_by=["l-2", "l-2", "lost"])
    assert weights == [5.0, 0.0, 5.0], "the list that b names had not chosen it"
    assert found.outcomes[Origin.NOT_CHOSEN] == 1


def test_a_call_by_one_of_two_lists_is_no_call_by_the_other():
    one = design(("a", 0.5, "best"), ("b", 0.5, "best"), on_record="l-1")
    other = design(("a", 0.2, "explored"), ("b", 0.2, "explored"), list_id="another", on_record="l-2")
    assert taught([one, other], "ab")[0] == pytest.approx([1 / 0.6] * 2), "nobody says which of them called"
    weights, _, found = taught([one, other], "ab", called_by=["l-1", "l-1"])
    assert (weights, found.on_two_lists, found.calls_due, found.calls_made) == ([2.0, 2.0], 0, 2, 2)
    assert taught([one, other], "ab", called_by=["l-2", "l-2"])[0] == [5.0, 5.0]
    weights, _, found = taught([one, other], "ab", called_by=["l-1", "l-2"])
    assert weights == pytest.approx([1 / 0.6] * 2), "people call by both, and either may have called"
    assert (found.calls_due, found.calls_made, found.explored) == (2, 2, 1)


def test_on_two_lists_a_contact_is_called_if_one_of_them_chooses_it():
    one, other = design(("a", 0.5, "best")), design(("a", 0.2, "not"), ("b", 1.0, "best"), list_id="another")
    weights, _, found = taught([one, other], "ab")
    assert weights == [pytest.approx(1 / (1 - 0.5 * 0.8)), 1.0]
    assert found.on_two_lists == 1


@pytest.mark.parametrize(("made", "explored", "teaches"), [(10, 5, True), (10, 4, False), (4, 5, False), (0, 0, False)])
def test_a_list_teaches_if_half_of_its_best_calls_and_of_its_explorers_were_made(made, explored, teaches):
    best = [(f"b{row}", 1.0, "best") for row in range(10)]
    explorers = [(f"e{row}", 0.1, "explored") for row in range(10)]
    ids = [one for one, *_ in (*best, *explorers)]
    called = [row < made for row in range(10)] + [row < explored for row in range(10)]
    days, arrived = np.full(20, CALLED), np.where(called, CALLED, NOT)
    weights, _, found = feedback_of(np.asarray(ids), days, arrived, [design(*best, *explorers)], TODAY)
    assert (found.calls_due, found.calls_made, found.explored) == (20, made + explored, explored)
    assert found.outcomes[Origin.CALLED_BY_LIST] == (made + explored if teaches else 0)
    assert list(found.apart.values()) == ([] if teaches or not made else [made + explored])
    assert bool(weights.any()) == teaches


def test_a_list_that_nobody_followed_does_not_change_what_another_teaches():
    followed = design(("a", 0.5, "best"))
    ignored = design(("a", 0.5, "not"), ("nobody", 1.0, "best"), list_id="ignored")
    assert taught([followed, ignored])[0] == [2.0]


def test_calls_that_are_not_due_do_not_count_against_a_list():
    rows = [(f"b{row}", 1.0, "best") for row in range(30)]
    later = replace(design(*rows), contact_dates=np.where(np.arange(30) < 3, CALLED, TODAY))
    weights, _, found = taught([later], ["b0"])
    assert (weights, found.calls_due, found.calls_made) == ([1.0], 3, 1)


def test_a_list_is_judged_by_the_months_that_are_read():
    rows = [(f"b{row}", 1.0, "best") for row in range(30)]
    both = replace(design(*rows), contact_dates=np.where(np.arange(30) < 3, CALLED, CALLED + 40 * DAY))
    days = np.array([CALLED + 40 * DAY])
    weights, _, found = feedback_of(np.array(["b9"]), days, days, [both])
    assert (found.calls_due, weights.tolist()) == (27, [0.0])
    weights, _, found = feedback_of(np.array(["b0"]), np.array([CALLED]), np.array([CALLED]), [both], TODAY + 40 * DAY)
    assert (found.calls_due, weights.tolist()) == (3, [1.0]), "the other month may be held at its gate"


def test_weighted_outcomes_have_the_mean_of_everybody():
    """Over many draws of the same list, the weighted rate is that of all contacts, whoever is called."""
    rng, rates = np.random.default_rng(0), []
    ids = np.asarray([f"c{row}" for row in range(400)])
    outcome, is_best = np.arange(400) % 4 == 0, np.arange(400) < 100
    for seed in range(200):
        p = np.where(is_best, 0.9, 0.1)
        is_called = rng.random(400) < p
        made = ListDesign(f"{seed}", FIRST, "1", ids, np.full(400, CALLED), p, is_called, ~is_best)
        w, _, _ = feedback_of(ids, np.full(400, CALLED), np.where(is_called, CALLED, NOT), [made], TODAY)
        rates.append((w * outcome * is_called).sum() / 400)
    assert np.mean(rates) == pytest.approx(0.25, abs=0.01)


@pytest.mark.parametrize(
    ("listed", "called", "weights", "origin"),
    [
        ({"a": "k"}, {"x": "k"}, [20.0], Origin.CALLED_BY_LIST),
        ({"a": "k"}, {"x": "other"}, [0.0], Origin.ON_NO_LIST),
        ({"a": ""}, {"x": ""}, [0.0], Origin.ON_NO_LIST),
        ({"a": "k"}, {"x": "k", "y": "k"}, [0.0, 0.0], Origin.AMBIGUOUS_PERSON),
        ({"a": "k", "b": "k"}, {"x": "k"}, [0.0], Origin.AMBIGUOUS_PERSON),
        ({"a": "k"}, {"a": "k", "x": "k"}, [20.0, 0.0], Origin.ON_NO_LIST),
        ({"a": "k", "b": "k"}, {"a": "k", "x": "k"}, [20.0, 20.0], Origin.CALLED_BY_LIST),
    ],
    ids=["person", "another person", "nobody named", "two calls", "two rows", "called by its own id", "one of each"],
)
def test_a_person_links_a_call_that_no_list_knows_by_its_contact(listed, called, weights, origin):
    made = replace(
        design(*((one, 0.05, "explored") for one in listed)), customer_ids=np.array([*listed.values()], object)
    )
    ids, persons = np.array([*called], object), np.array([*called.values()], object)
    days = np.full(len(ids), CALLED + DAY)
    found = feedback_of(ids, days, days, [made], TODAY, persons)
    assert found[0] == pytest.approx(weights)
    assert found[2].outcomes[origin]
    without = feedback_of(ids, days, days, [replace(made, customer_ids=None)], TODAY)[0]
    assert without.tolist() == [20.0 if one in listed else 0.0 for one in called]
    later = days + 40 * DAY
    assert feedback_of(np.array(["x"]), later[:1], later[:1], [made], TODAY + 50 * DAY, persons[-1:])[0] == [0.0]
