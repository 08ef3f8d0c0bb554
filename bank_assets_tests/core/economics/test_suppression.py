"""The suppression list and the frequency rules."""

from dataclasses import asdict

import numpy as np
import pytest

from bank_assets.contract.uci import UCI
from bank_assets.core.economics.suppression import (
    ALLOWED,
    CONTACTED_TOO_RECENTLY,
    FrequencyRules,
    SuppressionError,
    SuppressionList,
    excluded_by_rules,
)


def test_a_person_is_known_by_every_spelling():
    listed = SuppressionList.of(["K-7", "\u200bc9"])
    assert all(listed.covers(spelling) for spelling in ("k-7", " K-7 ", "K\u200b-7", "K\u00ad-7", "C9"))
    assert not listed.covers("k7", None)
    assert excluded_by_rules(["k-7", "k-8"], {}, UCI, listed, FrequencyRules()).tolist() == ["suppressed", ALLOWED]


def test_digest_names_the_list_whatever_its_order():
    assert SuppressionList.of(["a", "b"]).digest == SuppressionList.of(["b", "a", "a"]).digest
    assert SuppressionList.of(["a"]).digest != SuppressionList.of(["b"]).digest


def test_identifiers_that_are_numbers_are_compared_as_text():
    reasons = excluded_by_rules(np.array([17, 18]), {}, UCI, SuppressionList.of([17]), FrequencyRules())
    assert reasons.tolist() == ["suppressed", ALLOWED]


def test_a_person_objects_under_every_contact_and_a_contact_alone():
    rows = {"customer_id": np.array(["k1", "k1", "k2", None, "k3"], dtype=object)}
    contacts = ["c1", "c2", "c3", "k1", "c5"]
    reasons = excluded_by_rules(contacts, rows, UCI, SuppressionList.of(["k1", "c5"]), FrequencyRules())
    assert reasons.tolist() == ["suppressed", "suppressed", ALLOWED, "suppressed", "suppressed"]


def test_never_contacted_passes_the_gap_rule_and_missing_does_not():
    rules = FrequencyRules(min_days_since_previous_contact=10)
    columns = {"pdays": np.array([-1, 9, 10, np.nan])}
    reasons = excluded_by_rules(["a", "b", "c", "d"], columns, UCI, SuppressionList(), rules)
    assert reasons.tolist() == [ALLOWED, CONTACTED_TOO_RECENTLY, ALLOWED, CONTACTED_TOO_RECENTLY]


@pytest.mark.parametrize("columns", [{}, {"campaign": np.array([1])}])
def test_rule_without_its_column_is_refused(columns):
    with pytest.raises(SuppressionError, match="campaign"):
        excluded_by_rules(["a", "b"], columns, UCI, SuppressionList(), FrequencyRules(max_contacts_in_campaign=2))


@pytest.mark.parametrize("limit", [0, -1, 1.5, True, "3"])
def test_unusable_rule_is_refused(limit):
    with pytest.raises(SuppressionError, match="max_contacts_in_campaign"):
        FrequencyRules(max_contacts_in_campaign=limit)


def test_rules_have_a_json_form():
    assert asdict(FrequencyRules(3, 0)) == {
        "max_contacts_in_campaign": 3,
        "min_days_since_previous_contact": 0,
    }
