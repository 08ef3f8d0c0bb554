"""One more entry of the registry is all that an algorithm needs: graph, search, export, replays and pages know it.

CatBoost is the proof, since nothing else of the platform knows it. Why it is no candidate: ADR 0036.
"""

import time
from importlib import reload

import numpy as np
import pytest

from bank_assets.assets import evaluation
from bank_assets.assets import training as training_assets
from bank_assets.checks import training as training_checks
from bank_assets.core.features.feature_set import FeatureSet
from bank_assets.core.training.algorithms import ALGORITHMS, Algorithm, Range
from bank_assets.core.training.challenger import fit_deployment
from bank_assets.core.training.export import PARITY_LIMIT, to_onnx
from bank_assets.core.training.recipes import SAMPLERS, Recipe, default_recipes, fit_recipe
from bank_assets.core.training.tuning import tune
from bank_assets.definitions import build_defs
from bank_assets.replay.replay import code_digest
from bank_assets_tests.world.contacts import FIRST, made_contacts
from serving.web.templating import words


def catboost_to_onnx(estimator, width):
    """CatBoost's own graph, with the platform's names, without the map of labels and the time of the fit."""
    from catboost.utils import convert_to_onnx_object
    from onnx import TensorProto, helper

    model = convert_to_onnx_object(estimator)
    graph = model.graph
    graph.input[0].name = graph.node[0].input[0] = "encoded"
    del graph.node[1:], graph.output[:], model.metadata_props[:]
    graph.output.append(helper.make_tensor_value_info("probability_tensor", TensorProto.FLOAT, [None, 2]))
    model.ir_version = 8  # CatBoost writes 3, which knows no constants
    return model


FIFTH = Algorithm(
    name="catboost",
    label="CatBoost",
    description="CatBoost gradient boosting",
    library="catboost",
    estimator="catboost:CatBoostClassifier",
    arguments={"thread_count": 1, "verbose": False, "allow_writing_files": False},
    defaults={"n_estimators": 10, "depth": 4},
    space={"depth": Range(2, 5)},
    to_onnx=catboost_to_onnx,
)
MODULES = (training_assets, training_checks, evaluation)


@pytest.fixture(scope="module")
def digest_before():
    return code_digest()


@pytest.fixture(scope="module", autouse=True)
def _fifth(digest_before):
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(ALGORITHMS, FIFTH.name, FIFTH)
        for module in MODULES:
            reload(module)
        yield
    for module in MODULES:
        reload(module)


@pytest.fixture(scope="module")
def data():
    return made_contacts(120, 20).learning_data(FIRST + np.timedelta64(121, "D"))


def test_the_graph_has_its_asset_its_checks_and_its_arrow():
    graph = build_defs().resolve_asset_graph()
    nodes = {key.to_user_string(): graph.get(key) for key in graph.materializable_asset_keys}
    fifth, other = nodes[FIFTH.name], nodes["lightgbm"]
    assert fifth.group_name == "training"
    assert {key.name for key in fifth.check_keys} == {key.name for key in other.check_keys} != set()
    assert fifth.kinds == {"python", "mlflow", "catboost"}
    assert fifth.key in nodes["challenger"].parent_keys


def test_a_search_compares_it_with_every_sampler():
    assert {one.name for one in default_recipes(0)} >= {f"{FIFTH.name}/{sampler}" for sampler in SAMPLERS}


def test_a_full_search_tunes_it_within_its_space(data):
    assert set(tune(FIFTH.name, data, seconds=60, seed=0, clock=time.monotonic, trials=1)) <= set(FIFTH.space)


def test_its_graph_gives_the_probabilities_of_its_estimator(data):
    (recipe,) = (one for one in default_recipes(0) if one.name == f"{FIFTH.name}/none")
    assert fit_deployment(recipe, data).parity <= PARITY_LIMIT


def test_two_fits_give_the_same_bytes(data):
    first, again, other = (
        to_onnx(fit_recipe(Recipe(FIFTH.name, seed=seed), data), FeatureSet.of(data.contract), FIFTH.name)
        for seed in (0, 0, 1)
    )
    assert first == again != other


def test_pages_call_it_by_its_label():
    assert words(FIFTH.name) == FIFTH.label


def test_a_replay_begins_again_with_another_version_of_its_library(digest_before):
    assert code_digest() != digest_before
