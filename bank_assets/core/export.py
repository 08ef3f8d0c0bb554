"""From a fitted estimator to one ONNX graph with the encoder inside.

What lives here: conversion and the parity check.
What must not: fitting, files, MLflow.
Called by training and replay. The graph has one input per feature, in delivery names: float tensors for numbers,
string tensors for categories, each (n, 1); its output `probabilities` is (n, 2). No pickle is involved anywhere.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bank_assets.core.candidates import Estimator, encode, encoded_names
from bank_assets.core.features import FeatureSet

PARITY_LIMIT: Final = 1e-5
"""Largest allowed |p(estimator) - p(graph)| on any row."""
OPSET: Final = {"": 18, "ai.onnx.ml": 3}


@cache
def _register_converters() -> None:
    from lightgbm import LGBMClassifier
    from onnxmltools.convert.lightgbm.operator_converters.LightGbm import convert_lightgbm
    from onnxmltools.convert.xgboost.operator_converters.XGBoost import convert_xgboost
    from skl2onnx import update_registered_converter
    from skl2onnx.common.shape_calculator import calculate_linear_classifier_output_shapes
    from xgboost import XGBClassifier

    options = {"nocl": [True, False], "zipmap": [True, False, "columns"]}
    for model, alias, converter in (
        (LGBMClassifier, "LightGbmLGBMClassifier", convert_lightgbm),
        (XGBClassifier, "XGBoostXGBClassifier", convert_xgboost),
    ):
        update_registered_converter(model, alias, calculate_linear_classifier_output_shapes, converter, options=options)


def _encoder_nodes(feature_set: FeatureSet) -> tuple[list[Any], list[Any], list[Any]]:
    """Graph of the encoder: categories to one-hot by LabelEncoder + comparison, numbers passed through."""
    from onnx import TensorProto, helper, numpy_helper

    nodes, initializers, inputs, parts = [], [], [], []
    for name in feature_set.numeric:
        inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 1]))
        parts.append(name)
    for name in feature_set.category:
        values = feature_set.categories_of(name)
        inputs.append(helper.make_tensor_value_info(name, TensorProto.STRING, [None, 1]))
        nodes.append(
            helper.make_node(
                "LabelEncoder",
                [name],
                [f"{name}__code"],
                domain="ai.onnx.ml",
                keys_strings=list(values),
                values_int64s=list(range(len(values))),
                default_int64=-1,
            )
        )
        codes = np.arange(len(values), dtype=np.int64).reshape(1, -1)
        initializers.append(numpy_helper.from_array(codes, f"{name}__codes"))
        nodes.append(helper.make_node("Equal", [f"{name}__code", f"{name}__codes"], [f"{name}__is"]))
        nodes.append(helper.make_node("Cast", [f"{name}__is"], [f"{name}__onehot"], to=TensorProto.FLOAT))
        parts.append(f"{name}__onehot")
    nodes.append(helper.make_node("Concat", parts, ["encoded"], axis=1))
    return nodes, initializers, inputs


def _with_float32_thresholds(estimator: Any) -> Any:
    """The same LightGBM model with each threshold rounded down to a float32; any other estimator as it is.

    A graph compares in float32, and its converter rounds to the nearest. LightGBM splits in the middle between two
    values that it saw: between neighbouring float32 numbers (the same subscription rate, summed in another order) the
    nearest is one of them, and half of the time the upper one, which then goes the wrong way (seen: p off by 0.007).
    For float32 inputs `x <= t` and `x <= floor32(t)` are the same.
    """
    from lightgbm import Booster, LGBMClassifier

    if not isinstance(estimator, LGBMClassifier):
        return estimator
    lines = estimator.booster_.model_to_string().split("\n")
    # Lengths of the trees as text, which change; LightGBM reads without them, and past the end with wrong ones.
    lines = [line for line in lines if not line.startswith("tree_sizes=")]
    for position, line in enumerate(lines):
        if line.startswith("threshold="):
            exact = np.array(line.removeprefix("threshold=").split(), dtype=np.float64)
            nearest = exact.astype(np.float32)
            floored = np.where(nearest > exact, np.nextafter(nearest, np.float32(-np.inf)), nearest)
            lines[position] = "threshold=" + " ".join(f"{value:.17g}" for value in floored)
    twin = copy.copy(estimator)
    twin._Booster = Booster(model_str="\n".join(lines))  # noqa: SLF001 - the converter asks for `booster_`, its getter
    return twin


def to_onnx(estimator: Estimator, feature_set: FeatureSet) -> bytes:
    """Convert a fitted estimator, with the encoder in front, to a serialized ONNX model.

    Args:
        estimator: result of `core.candidates.fit_recipe`.
        feature_set: what it was fitted on.

    Returns:
        The serialized model, deterministic for the same estimator.
    """
    import onnx
    from onnx import compose, helper
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType

    _register_converters()
    exact = _with_float32_thresholds(estimator)
    final = exact.steps[-1][1] if hasattr(exact, "steps") else exact
    model = convert_sklearn(
        exact,
        initial_types=[("encoded", FloatTensorType([None, len(encoded_names(feature_set))]))],
        options={id(final): {"zipmap": False}},
        target_opset=OPSET,
    )
    opsets = [helper.make_opsetid(domain, version) for domain, version in OPSET.items()]
    del model.opset_import[:]  # converters name the lowest version they need, and both halves must agree
    model.opset_import.extend(opsets)
    nodes, initializers, inputs = _encoder_nodes(feature_set)
    encoded = helper.make_tensor_value_info("encoded", onnx.TensorProto.FLOAT, [None, len(encoded_names(feature_set))])
    encoder = helper.make_model(
        helper.make_graph(nodes, "encoder", inputs, [encoded], initializers),
        opset_imports=opsets,
        ir_version=model.ir_version,
    )
    probabilities = next(o.name for o in model.graph.output if "prob" in o.name.lower())
    model = compose.add_prefix(model, "estimator__")
    merged = compose.merge_models(
        encoder, model, io_map=[("encoded", "estimator__encoded")], outputs=[f"estimator__{probabilities}"]
    )
    merged.graph.node.append(helper.make_node("Identity", [f"estimator__{probabilities}"], ["probabilities"]))
    merged.graph.output[0].name = "probabilities"
    merged.graph.name = "bank_marketing"
    merged.graph.doc_string = ""  # the converter writes a random number there, and with it into every digest
    merged.producer_name = "bank-marketing-platform"
    onnx.checker.check_model(merged)
    return bytes(merged.SerializeToString(deterministic=True))


def parity(
    estimator: Estimator, raw: NDArray[np.float64], features: Mapping[str, NDArray[Any]], feature_set: FeatureSet
) -> float:
    """Largest |p(estimator) - p(graph)| over rows.

    Args:
        estimator: the fitted estimator.
        raw: the graph's probabilities of the same rows, (n,).
        features: one array (n,) per feature.
        feature_set: which features there are.

    Returns:
        The largest absolute difference; compare with `PARITY_LIMIT`.
    """
    return float(np.abs(estimator.predict_proba(encode(features, feature_set))[:, 1] - raw).max(initial=0.0))
