"""A contract is a value: derived views, versions, canonical form; and what it refuses."""

import json
from dataclasses import replace

import pytest

from bank_assets.contract.columns import ColumnKind, ColumnRole, KnownWhen, NumberSigns
from bank_assets.contract.contract import Contract
from bank_assets.contract.errors import LEAKAGE_RULE, ContractError, LeakageError
from bank_assets.contract.file import contract_on_record
from bank_assets.contract.uci import UCI, UCI_FILE_COLUMNS
from bank_assets.contract.values import is_identifier
from bank_assets.sources.undated import contact_id_of
from bank_assets_tests.world.contracts import TENURE, WIDER, with_column


def test_the_views_of_the_uci_contract():
    assert UCI.payload_columns == (
        "age", "job", "marital", "education", "default", "balance", "housing", "loan", "contact", "campaign", "pdays",
        "previous", "poutcome",
    )  # fmt: skip
    assert UCI.numeric_columns == ("age", "balance", "campaign", "pdays", "previous")
    assert UCI.outcome_columns == ("contact_id", "y", "duration", "arrived_at")
    assert UCI.delivery_columns == ("contact_id", "contact_date", *UCI_FILE_COLUMNS)
    assert set(UCI.delivery_columns) - set(UCI.campaign_columns) == {"duration", "y"}
    assert UCI.calendar_columns == ("day", "month")
    assert UCI.optional_columns == ()
    assert (UCI.find("y"), UCI.find("is_subscribed"), UCI.find("nothing")) == (UCI.target, UCI.target, None)


def test_the_digest_of_the_first_contract_stays_as_it_is():
    """Old bundles and records name no contract and are read by this one, so a change needs a new version."""
    assert UCI.at(1).digest[:16] == "c0d4378c6c8ebd72"
    assert UCI.rows_digest[:16] == "8def6fba4d911d60"
    assert contract_on_record(None) == UCI.at(1)


def test_a_contract_reads_back_from_its_canonical_form():
    read = Contract.from_dict(json.loads(WIDER.canonical))
    assert (read, read.columns, read.digest) == (WIDER, WIDER.columns, WIDER.digest)
    assert contract_on_record(WIDER.to_dict()) == WIDER
    assert WIDER.digest != UCI.digest


def test_an_earlier_version_lacks_the_columns_that_came_later():
    assert WIDER.at(1) == UCI.at(1)
    assert WIDER.optional_columns == ("tenure",)
    assert "tenure" in WIDER.payload_columns


def test_limits_are_stated_only_if_they_differ_from_the_defaults():
    stricter = replace(UCI, far_days=90)
    assert UCI.digest == UCI.at(1).digest != stricter.digest
    assert UCI.rows_digest != stricter.rows_digest
    assert Contract.from_dict(stricter.to_dict()).far_days == 90


def test_columns_that_must_agree_follow_from_roles_or_are_declared():
    assert [(a.source, b.source) for a, b in UCI.agreements] == [("pdays", "previous")]
    previous = replace(UCI.by_source["previous"], implies=("poutcome",))
    declared = replace(UCI, columns=tuple(previous if c.source == "previous" else c for c in UCI.columns))
    assert ("previous", "poutcome") in [(a.source, b.source) for a, b in declared.agreements]
    assert Contract.from_dict(declared.to_dict()) == declared
    wrong = replace(previous, implies=("poutcom",))
    with pytest.raises(ContractError, match="implied columns of this contract, found"):
        replace(UCI, columns=tuple(wrong if c.source == "previous" else c for c in UCI.columns))


def test_columns_known_after_the_call_are_refused_in_both_spellings():
    UCI.refuse_post_contact(UCI.payload_columns)
    with pytest.raises(LeakageError, match=LEAKAGE_RULE):
        UCI.refuse_post_contact(["age", "duration_seconds"])
    with pytest.raises(LeakageError, match="'y'"):
        UCI.refuse_post_contact(["y"])


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ((*UCI.columns, UCI.columns[2]), "column age: expected every source name once, found 'age'"),
        (UCI.columns[1:], "one column with the role contact_id, found none;"),
        ((*UCI.columns[:-1], replace(UCI.target, role=None)), "one column with the role target"),
        ((*UCI.columns, TENURE), "column tenure: expected columns up to version 1, from 1 on"),
    ],
)
def test_what_is_no_contract_is_refused(columns, message):
    with pytest.raises(ContractError, match=message):
        replace(UCI, columns=columns)


@pytest.mark.parametrize("name", ["", " ", "n" * 51, "a\u200bb", " bank"])
def test_the_name_is_part_of_identifiers(name):
    with pytest.raises(ContractError, match="expected a name of 1 to 50 visible characters"):
        replace(UCI, name=name)
    assert is_identifier(contact_id_of(9_999_999, replace(UCI, name="n" * 50)))


def test_an_optional_column_needs_a_default():
    with pytest.raises(ContractError, match="column tenure: expected a default"):
        with_column(replace(TENURE, default=None))


@pytest.mark.parametrize("document", [{}, {"name": "a", "version": 1, "first_month": "2020-01", "columns": [{"x": 1}]}])
def test_a_document_that_is_no_contract_is_refused(document):
    with pytest.raises(ContractError, match="expected what `to_dict` writes"):
        Contract.from_dict(document)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"decimal_sign": ",", "thousands_sign": ","}, "contract uci: expected different decimal and thousands signs"),
        ({"thousands_sign": "x"}, "contract uci: expected the decimal sign . or ,"),
        ({"encoding": "utf-16"}, "contract uci: expected an encoding that contains ASCII, like cp1252, found 'utf-16'"),
        ({"encoding": "klingon"}, "contract uci: expected an encoding that contains ASCII"),
        ({"columns": (*UCI.columns[:-1], replace(TENURE, since=1, thousands_sign="."), UCI.target)}, "column tenure: "),
    ],
)
def test_signs_and_encodings_that_give_a_text_two_meanings_are_refused(changed, message):
    with pytest.raises(ContractError, match=message):
        replace(UCI, **changed)


def test_a_column_may_have_signs_of_its_own_and_signs_are_part_of_the_contract():
    own = replace(TENURE, since=1, decimal_sign=".", thousands_sign="")
    german = replace(UCI, columns=(*UCI.columns[:-1], own, UCI.target), decimal_sign=",", thousands_sign=".")
    assert (german.signs(), german.signs(own)) == (NumberSigns(",", "."), NumberSigns())
    assert german.signs(german.by_source["age"]) == NumberSigns(",", ".")
    read = Contract.from_dict(json.loads(german.canonical))
    assert (read, read.decimal_sign, read.signs(read.by_source["tenure"])) == (german, ",", NumberSigns())
    assert german.rows_digest != replace(german, thousands_sign="").rows_digest


def test_the_customer_is_the_contact_unless_a_column_says_otherwise():
    person = replace(
        TENURE, source="person", table="person", kind=ColumnKind.STRING, since=1, known=KnownWhen.IDENTIFIER
    )
    person = replace(person, minimum=None, maximum=None, default=None, unit="", role=ColumnRole.CUSTOMER_ID)
    assert UCI.customer_id == UCI.contact_id
    assert replace(UCI, columns=(person, *UCI.columns)).customer_id == person
    with pytest.raises(ContractError, match="expected no default for the role customer_id"):
        replace(UCI, columns=(replace(person, default="k-0"), *UCI.columns))
    with pytest.raises(ContractError, match="expected the role customer_id once, found it on person, other"):
        replace(UCI, columns=(person, replace(person, source="other", table="other"), *UCI.columns))


def test_roles_are_found_by_role_not_by_name():
    renamed = replace(
        UCI,
        list_statistics=(),
        columns=tuple(
            replace(column, source="channel_of_call") if column.role is ColumnRole.CHANNEL else column
            for column in UCI.columns
        ),
    )
    assert renamed.role(ColumnRole.CHANNEL).source == "channel_of_call"
