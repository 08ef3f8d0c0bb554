"""Graph, bundle and scorer: equal to the estimator, the same whatever the batch, closed to what does not fit."""

import dataclasses
import json

import numpy as np
import pytest

from bank_assets.contract.uci import UCI
from bank_assets.core.features.feature_set import FeatureSet
from bank_assets.core.model.scorer import (
    BUNDLE_FILES,
    BundleError,
    Scorer,
    apply_calibrator,
    apply_ranges,
    digest_files,
    expit,
    logit,
    read_bundle,
)
from bank_assets.core.training.algorithms import ALGORITHMS
from bank_assets.core.training.challenger import graph_scorer
from bank_assets.core.training.export import PARITY_LIMIT, parity, to_onnx
from bank_assets.core.training.recipes import Recipe, fit_recipe
from bank_assets_tests.world.bundles import make_bundle
from bank_assets_tests.world.contacts import FIRST, made_contacts

FEATURE_SET = FeatureSet.of(UCI)

AS_OF = FIRST + np.timedelta64(50, "D")
RANGES = {"probability": [0.0, 0.5, 1.0], "low": [0.0, 0.3, 0.9], "high": [0.2, 0.7, 1.0]}


@pytest.fixture(scope="module")
def data():
    return made_contacts(50, 20).learning_data(AS_OF)


def fitted(data, algorithm="lightgbm"):
    return fit_recipe(Recipe(algorithm), data)


@pytest.fixture(scope="module")
def graph(data):
    return to_onnx(fitted(data), FEATURE_SET, "lightgbm")


def files_of(graph, calibrator=(), ranges=RANGES):
    reference = {"schema_version": 1}
    return make_bundle(graph, Recipe("lightgbm"), reference=reference, calibrator=list(calibrator), ranges=ranges)


@pytest.fixture(scope="module")
def files(graph):
    return files_of(graph)


class TestExport:
    @pytest.mark.parametrize("algorithm", ALGORITHMS)
    def test_the_graph_equals_the_estimator_on_every_row(self, data, algorithm):
        estimator = fitted(data, algorithm)
        scorer = graph_scorer(to_onnx(estimator, FEATURE_SET, algorithm), Recipe(algorithm), UCI)
        assert parity(estimator, scorer.raw_probability(data.features), data.features, FEATURE_SET) <= PARITY_LIMIT

    @pytest.mark.parametrize("algorithm", [name for name in ALGORITHMS if name != "logistic_regression"])
    def test_neighbouring_float32_values_go_the_same_way_in_the_graph(self, data, algorithm):
        """The same rate, summed in another order. The outcome depends on it, so trees split exactly between both."""
        is_upper = np.arange(len(data)) % 2 == 1
        outcome = is_upper ^ (np.arange(len(data)) % 7 == 0)
        for base in np.float32([0.2, 0.24589119, 0.31, 0.47]):
            lower = [base, np.nextafter(base, np.float32(1))]  # whose last bit is even, and odd
            for value in lower:
                rate = np.where(is_upper, np.nextafter(value, np.float32(1)), value).astype(np.float64)
                other = dataclasses.replace(
                    data, features={**data.features, "subscription_rate_7d": rate}, is_subscribed=outcome
                )
                estimator = fitted(other, algorithm)
                scorer = graph_scorer(to_onnx(estimator, FEATURE_SET, algorithm), Recipe(algorithm), UCI)
                assert (
                    parity(estimator, scorer.raw_probability(other.features), other.features, FEATURE_SET)
                    <= PARITY_LIMIT
                )

    def test_parity_sees_a_difference(self, data, graph):
        raw = graph_scorer(graph, Recipe("lightgbm"), UCI).raw_probability(data.features)
        raw[7] += 1e-3
        assert parity(fitted(data), raw, data.features, FEATURE_SET) > PARITY_LIMIT

    def test_the_same_estimator_gives_the_same_bytes(self, data):
        estimator = fitted(data)
        assert to_onnx(estimator, FEATURE_SET, "lightgbm") == to_onnx(estimator, FEATURE_SET, "lightgbm")

    def test_no_pickle_in_a_graph(self, graph):
        assert b"sklearn" not in graph
        assert b"pickle" not in graph


class TestScorer:
    def test_any_batch_gives_the_same_numbers(self, data, files):
        scorer = Scorer(files)
        whole = scorer.raw_probability(data.features)
        for rows in (slice(0, 1), slice(3, 10), slice(100, 613)):
            part = scorer.raw_probability({name: column[rows] for name, column in data.features.items()})
            np.testing.assert_array_equal(part, whole[rows])

    def test_more_rows_than_a_chunk(self, data, files, monkeypatch):
        whole = Scorer(files).raw_probability(data.features)
        monkeypatch.setattr("bank_assets.core.model.scorer.CHUNK_ROWS", 64)
        np.testing.assert_array_equal(Scorer(files).raw_probability(data.features), whole)

    def test_calibrator_then_shift_then_range(self, data, graph):
        step = {"kind": "affine", "slope": 0.5, "intercept": -1.0}
        scores = Scorer(files_of(graph, [step])).score(data.features, log_odds_shift=0.3)
        np.testing.assert_allclose(scores.probability, expit(0.5 * logit(scores.raw) - 1.0 + 0.3), rtol=1e-12)
        assert (scores.low <= scores.probability).all()
        assert (scores.probability <= scores.high).all()

    def test_an_unknown_category_is_scored_as_none_of_them(self, data, files):
        odd = {name: column[:1].copy() for name, column in data.features.items()}
        odd["job"][0] = "astronaut"
        assert 0.0 < Scorer(files).raw_probability(odd)[0] < 1.0

    def test_a_missing_feature_is_named(self, data, files):
        features = {name: column for name, column in data.features.items() if name != "age"}
        with pytest.raises(BundleError, match=r"missing \['age'\]"):
            Scorer(files).score(features)

    def test_no_rows(self, data, files):
        assert len(Scorer(files).score({name: column[:0] for name, column in data.features.items()}).probability) == 0


class TestBundle:
    def test_another_digest_is_refused(self, files):
        Scorer(files, expected_digest=digest_files(files))
        with pytest.raises(BundleError, match="expected 0000"):
            Scorer(files, expected_digest="0000")

    @pytest.mark.parametrize("name", BUNDLE_FILES)
    def test_every_file_is_in_the_digest(self, files, name):
        assert digest_files({**files, name: files[name] + b" "}) != digest_files(files)

    def test_a_corrupt_graph_and_a_corrupt_document_are_refused(self, files):
        with pytest.raises(BundleError, match=r"model\.onnx"):
            Scorer({**files, "model.onnx": files["model.onnx"][:100]})
        with pytest.raises(BundleError, match=r"decision\.json"):
            Scorer({**files, "decision.json": b"{"})

    def test_a_document_of_another_version_is_refused(self, files):
        content = json.loads(files["decision.json"]) | {"schema_version": 99}
        with pytest.raises(BundleError, match="schema_version"):
            Scorer({**files, "decision.json": json.dumps(content).encode()})

    def test_graph_and_document_must_be_of_one_version(self, files):
        content = json.loads(files["decision.json"])
        content["features"] = content["features"][:-1]
        with pytest.raises(BundleError, match="not of one version"):
            Scorer({**files, "decision.json": json.dumps(content).encode()})

    def test_written_and_read(self, files, tmp_path):
        for name, content in files.items():
            (tmp_path / name).write_bytes(content)
        assert Scorer.load(tmp_path, digest_files(files)).feature_names
        (tmp_path / "model_card.md").unlink()
        with pytest.raises(BundleError, match=r"missing \['model_card.md'\]"):
            read_bundle(tmp_path)

    def test_the_document_says_what_decides(self, files):
        content = json.loads(files["decision.json"])
        assert [feature["name"] for feature in content["features"]] == list(FEATURE_SET.names)
        assert content["thresholds"]["profit"] == pytest.approx(0.1)
        assert content["training"]["is_real"] is False
        assert b"simulated" in files["model_card.md"]

    def test_numbers_that_are_none_cannot_be_written(self, graph):
        with pytest.raises(ValueError, match="JSON"):
            make_bundle(graph, Recipe("lightgbm"), f1_threshold=float("nan"))


class TestSteps:
    def test_an_unknown_step_is_refused(self):
        with pytest.raises(BundleError, match="kind affine, found 'quantum'"):
            apply_calibrator(np.asarray([0.5]), [{"kind": "quantum"}])

    def test_certainty_stays_finite(self):
        assert np.isfinite(logit(np.asarray([0.0, 1.0]))).all()
        assert (expit(np.asarray([-1e9, 1e9])) == [0.0, 1.0]).all()

    def test_ranges_always_hold_the_probability(self):
        proba = np.linspace(0, 1, 101)
        low, high = apply_ranges(proba, {"probability": [0.0, 1.0], "low": [0.5, 0.5], "high": [0.5, 0.5]})
        assert (low <= proba).all()
        assert (proba <= high).all()
