"""From a fitted estimator to one ONNX graph that includes the encoder.

The graph has one input per feature, in delivery names: float tensors for numbers, string tensors for categories, each
(n, 1). Its output `probabilities` is (n, 2). No pickle is involved.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bank_assets.core.features.feature_set import FeatureSet
from bank_assets.core.training.algorithms import ALGORITHMS, OPSET
from bank_assets.core.training.recipes import Estimator, encode, encoded_names

PARITY_LIMIT: Final = 1e-5
"""Largest allowed |p(estimator) - p(graph)| on any row."""


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


def to_onnx(estimator: Estimator, feature_set: FeatureSet, algorithm: str) -> bytes:
    """Convert a fitted estimator to a serialized ONNX model, deterministic for the same estimator."""
    import onnx
    from onnx import compose, helper

    model = ALGORITHMS[algorithm].to_onnx(estimator, len(encoded_names(feature_set)))
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
    """Return the largest |p(estimator) - p(graph)| over rows; compare it with `PARITY_LIMIT`."""
    return float(np.abs(estimator.predict_proba(encode(features, feature_set))[:, 1] - raw).max(initial=0.0))
