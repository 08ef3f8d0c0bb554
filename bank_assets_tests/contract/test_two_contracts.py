"""Two contracts in one process, and decisions, bundles and payloads of the earlier of two versions."""

import json
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from bank_assets.contract.columns import Column, ColumnKind, KnownWhen
from bank_assets.contract.contract import Contract
from bank_assets.contract.errors import ContractError
from bank_assets.contract.file import contract_on_record
from bank_assets.contract.uci import UCI
from bank_assets.core.economics.economics import Economics
from bank_assets.core.features.as_of import AsOfState, StateError
from bank_assets.core.features.contacts import Contacts, LearningData, frame_from_deliveries
from bank_assets.core.features.feature_set import FeatureSet, current_features
from bank_assets.core.model.bundle import ModelLineage, observed_ranges
from bank_assets.core.model.reasons import label_of
from bank_assets.core.model.scorer import Scorer
from bank_assets.core.training.export import to_onnx
from bank_assets.core.training.recipes import Recipe, fit_recipe
from bank_assets.ledger.models import canonical_json
from bank_assets_tests.world.bundles import AS_OF, LINEAGE, made_up_contacts, make_bundle
from bank_assets_tests.world.contracts import WIDER, with_column
from bank_assets_tests.world.customers import DELIVERED
from serving.decisions.form import default_values, form_of
from serving.decisions.payloads import Payloads
from serving.decisions.records import features_on_record
from serving.web.problems import PayloadError

DAY = np.datetime64(AS_OF)
PAYLOAD = {name: DELIVERED[name] for name in UCI.payload_columns}


def learned_under(contract: Contract) -> tuple[Scorer, AsOfState]:
    """A small model under a contract; an optional column has its default in every second row and 7 in the others."""
    frame, dates, y = made_up_contacts(300, seed=1)
    frame = {name: frame.get(name, np.where(np.arange(len(y)) % 2, 7, 0)) for name in contract.payload_columns}
    learned = Contacts(np.arange(len(y)), frame, dates, dates + 1, y, contract)
    history, features = learned.history(), learned.features()
    feature_set = FeatureSet.of(contract)
    estimator = fit_recipe(Recipe("logistic_regression"), LearningData(features, dates, dates + 1, y, DAY, contract))
    lineage = ModelLineage(AS_OF, "s" * 64, len(y), "made up", False, "run", "revision", contract)
    files = make_bundle(
        to_onnx(estimator, feature_set, "logistic_regression"),
        Recipe("logistic_regression"),
        lineage=lineage,
        feature_ranges=observed_ranges(features, contract),
    )
    return Scorer(files), history.state(DAY)


@pytest.fixture(scope="module")
def models() -> dict[int, tuple[Scorer, AsOfState]]:
    """Models of both versions, made in one process."""
    return {contract.version: learned_under(contract) for contract in (UCI, WIDER)}


def scored(scorer: Scorer, state: AsOfState, contract: Contract, payload: dict) -> float:
    frame = frame_from_deliveries({name: np.array([value]) for name, value in payload.items()}, contract)
    return float(scorer.score(current_features(frame, np.array([DAY]), state, contract, has_plan=False)).probability[0])


def test_each_model_takes_the_inputs_of_its_own_contract(models):
    narrow, wide = (set(models[version][0].feature_names) for version in (1, 2))
    assert wide - narrow == {"tenure"}
    assert narrow == set(FeatureSet.of(UCI).names)


def test_a_bundle_says_which_contract_it_was_made_under(models):
    for contract in (UCI, WIDER):
        decision = models[contract.version][0].decision
        assert contract_on_record(decision["contract"]) == contract
        assert decision["contract_digest"] == contract.digest


def test_a_bundle_that_carries_no_contract_was_made_under_the_first():
    files = make_bundle(b"graph", Recipe("lightgbm"), lineage=LINEAGE)
    decision = json.loads(files["decision.json"])
    del decision["contract"]
    assert contract_on_record(decision.get("contract")) == UCI.at(1)


def test_a_model_of_the_earlier_contract_scores_requests_of_the_later_one(models):
    scorer, state = models[1]
    alone = scored(scorer, state, UCI, PAYLOAD)
    assert scored(scorer, state, UCI, {**PAYLOAD, "tenure": 12}) == alone
    assert scored(scorer, state, WIDER, {**PAYLOAD, "tenure": 12}) == alone


def test_a_decision_replays_by_the_contract_of_the_model_that_made_it(models):
    for version, contract, payload in ((1, UCI, PAYLOAD), (2, WIDER, {**PAYLOAD, "tenure": 12})):
        scorer, state = models[version]
        recorded = scored(scorer, state, contract, payload)
        read = contract_on_record(json.loads(json.dumps(scorer.decision["contract"])))
        features, again = features_on_record(payload, AS_OF, state.to_dict(), read)
        assert float(scorer.score(features, log_odds_shift=again.log_odds_shift).probability[0]) == recorded


def test_a_state_that_lacks_a_statistic_of_the_model_is_refused_in_a_sentence(models):
    scorer, state = models[1]
    typical = dict(list(state.typical_plan.items())[:-1])
    with pytest.raises(StateError, match=r"expected the statistic plan_\w+, .* run the pipeline once"):
        scored(scorer, replace(state, typical_plan=typical), UCI, PAYLOAD)


def test_a_payload_without_the_optional_column_has_its_default(models):
    scorer, state = models[2]
    assert scored(scorer, state, WIDER, PAYLOAD) == scored(scorer, state, WIDER, {**PAYLOAD, "tenure": 0})
    assert scored(scorer, state, WIDER, PAYLOAD) != scored(scorer, state, WIDER, {**PAYLOAD, "tenure": 90})


def test_a_contract_says_which_inputs_of_another_it_lacks():
    columns = (
        replace(column, kind=ColumnKind.CATEGORY, categories=("a", "b"), minimum=None, maximum=None, default="a")
        if column.source == "age"
        else column
        for column in UCI.columns
    )
    of_text = replace(UCI, columns=tuple(columns), list_statistics=())
    assert (UCI.lacking(WIDER), WIDER.lacking(UCI), of_text.lacking(UCI)) == (("tenure",), (), ("age",))


def test_contacts_without_a_column_of_the_model_are_refused_in_a_sentence(models):
    frame = frame_from_deliveries({name: np.array([value]) for name, value in PAYLOAD.items()}, UCI)
    day, state = np.array([DAY]), models[2][1]
    with pytest.raises(ContractError, match="found none of the name tenure; read them by that contract"):
        current_features(frame, day, state, WIDER, has_plan=False)


def test_requests_of_both_contracts_are_read_side_by_side():
    narrow, wide = Payloads.of(UCI), Payloads.of(WIDER)
    with pytest.raises(PayloadError, match="tenure"):
        narrow.request_of({**PAYLOAD, "tenure": 3})
    assert getattr(wide.request_of({**PAYLOAD, "tenure": 3}), wide.attributes["tenure"]) == 3
    assert json.loads(wide.text_of(wide.request_of(PAYLOAD)))["tenure"] == 0
    assert "tenure" not in json.loads(narrow.text_of(narrow.request_of(PAYLOAD)))
    assert wide.frame_of([wide.request_of(PAYLOAD)])["tenure"].tolist() == [0.0]
    with pytest.raises(PayloadError, match="a whole number from 0 to 100 years"):
        wide.request_of({**PAYLOAD, "tenure": 300})


def test_schema_form_and_words_follow_from_the_contract():
    schema = msgspec.json.schema(Payloads.of(WIDER).struct)["$defs"]["PredictionRequest"]
    assert "tenure" not in schema["required"]
    assert schema["properties"]["tenure"]["maximum"] == 100
    fields = {
        field.name: (group.legend, field.label)
        for group in form_of({**default_values(AS_OF, Economics(), WIDER)}, WIDER).groups
        for field in group.fields
    }
    assert fields["tenure"] == ("Further details", "Tenure")
    assert fields["age"] == ("Customer", "Age")
    assert label_of("tenure", {"tenure": 1.0}, WIDER) == "Tenure: 1"


def test_names_that_are_no_python_names_and_values_that_need_escaping():
    odd = Column(
        "emp.var%rate",
        "employment_variation",
        ColumnKind.CATEGORY,
        KnownWhen.PRE_CONTACT,
        "Quarterly indicator.",
        categories=('"up"', "down"),
        default="down",
    )
    for column in (odd, replace(odd, categories=("up", "down"))):
        payloads = Payloads.of(with_column(column))
        payload = {**PAYLOAD, "emp.var%rate": column.categories[0]}
        assert payloads.text_of(payloads.request_of(payload)) == canonical_json(payload)
