"""Decisions of a scored campaign; the distribution over Spark is tested with the registry's bundles."""

import numpy as np

from bank_assets.core.economics.economics import Economics
from bank_assets.core.economics.suppression import SuppressionList
from bank_assets.spark.scoring import decisions_of


def test_a_customer_who_objected_is_not_called_at_any_probability():
    proba = np.array([0.9, 0.9, 0.01])
    found = decisions_of(["a", "b", "c"], proba, Economics.constant(5.0, 50.0), {}, SuppressionList.of(["b"]))
    assert found == ["call", "do_not_call", "do_not_call"]
    rows = {"customer_id": np.array(["k", None, "l"], dtype=object)}
    found = decisions_of(["a", "b", "c"], proba, Economics.constant(0.1, 50.0), rows, SuppressionList.of(["k", "b"]))
    assert found == ["do_not_call", "do_not_call", "call"]
