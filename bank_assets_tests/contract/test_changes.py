"""Contracts that changed: what may change in a home, and what its deliveries and tables contradict."""

from dataclasses import replace

import pytest

from bank_assets.contract.changes import contradictions
from bank_assets.contract.columns import Column, ColumnKind, ColumnRole, KnownWhen
from bank_assets.contract.contract import Contract
from bank_assets.contract.uci import UCI
from bank_assets_tests.world.contracts import TENURE, WIDER, with_column


def changed(name: str, **changes: object) -> Contract:
    """The UCI contract with other attributes of one column."""
    return with_columns(replace(column, **changes) if column.source == name else column for column in UCI.columns)


def with_columns(columns) -> Contract:
    return replace(UCI, version=2, columns=tuple(columns), list_statistics=())


@pytest.mark.parametrize(
    "contract",
    [
        WIDER,
        with_column(replace(TENURE, role=ColumnRole.PREVIOUS_CAMPAIGN)),
        changed("job", categories=(*UCI.by_source["job"].categories, "influencer")),
        changed("age", maximum=120, description="Age.", label="Age in years"),
        replace(UCI, thousands_sign=" ", far_days=30),
    ],
)
def test_what_is_added_or_widened_contradicts_nothing(contract):
    assert list(contradictions(UCI, contract)) == []


@pytest.mark.parametrize(
    ("contract", "found"),
    [
        (with_columns(one for one in UCI.columns if one.source != "balance"), "column balance: expected to stay"),
        (changed("age", kind=ColumnKind.DECIMAL), "column age: expected the type integer, found decimal"),
        (changed("poutcome", known=KnownWhen.POST_CONTACT, role=None, group=""), "expected the knownWhen pre_contact"),
        (changed("contact", role=None), "column contact: expected the role channel, found none"),
        (changed("contact_id", source="Kunde"), "column contact_id: expected the name contact_id, found Kunde"),
        (changed("marital", categories=("single", "married"), words=()), "expected the categories divorced to stay"),
        (with_column(Column("x", "x", ColumnKind.INTEGER, KnownWhen.PRE_CONTACT, "")), "2 or later and a default,"),
        (
            with_column(Column("p", "p", ColumnKind.STRING, KnownWhen.IDENTIFIER, "", role=ColumnRole.CUSTOMER_ID)),
            "expected `since` 2 or later, as stored",
        ),
    ],
)
def test_what_stored_rows_contradict_is_named(contract, found):
    assert found in " ".join(map(str, contradictions(UCI, contract)))
