"""The one scoring path: from an ONNX bundle to calibrated probabilities and ranges, with numpy and onnxruntime alone.

Evaluation, batch scoring, replay and serving share it, so the same row and version give the same number everywhere.
ONNX Runtime runs with one thread: with two or more the results differ by batch size by 2e-7 to 6e-7 (measured), so a
decision could not be re-run to the identical number. Parallelism is over chunks of rows.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from bank_assets.core.arrays import FloatArray, checked_version

BUNDLE_FILES: Final = ("model.onnx", "decision.json", "reference_profile.json", "model_card.md")
BUNDLE_SCHEMA_VERSION: Final = 1
CHUNK_ROWS: Final = 8_192
"""Rows per ONNX call: large enough to hide the call, small enough for flat memory (measured in benchmarks/)."""
_OUTPUT: Final = ["probabilities"]
EPSILON: Final = 1e-6
"""Probabilities are kept inside [EPSILON, 1 - EPSILON] before a logit."""


class BundleError(ValueError):
    """A bundle is incomplete, corrupt or not the expected one; keep the model in use and fetch it again."""


@dataclass(frozen=True, slots=True)
class Scores:
    """Result of scoring n contacts, each (n,): calibrated probability, its range, and the graph's raw probability."""

    probability: FloatArray
    low: FloatArray
    high: FloatArray
    raw: FloatArray


def logit(proba: FloatArray) -> FloatArray:
    """Return log-odds of probabilities, clipped away from 0 and 1 by `EPSILON`."""
    clipped = np.clip(np.asarray(proba, dtype=np.float64), EPSILON, 1.0 - EPSILON)
    return np.log(clipped) - np.log1p(-clipped)


def expit(log_odds: FloatArray) -> FloatArray:
    """Return probabilities of log-odds, without overflow."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * np.asarray(log_odds, dtype=np.float64))), dtype=np.float64)


def apply_calibrator(raw: FloatArray, steps: Sequence[Mapping[str, Any]]) -> FloatArray:
    """Apply the `calibrator` of decision.json to raw probabilities, (n,).

    The only kind of step is `affine`, Platt scaling: log-odds * slope + intercept.
    """
    log_odds = logit(raw)
    for step in steps:
        if step["kind"] != "affine":
            raise BundleError(
                f"calibrator: expected a step of kind affine, found {step['kind']!r}; "
                "the bundle was made by another version, upgrade this program."
            )
        log_odds = log_odds * float(step["slope"]) + float(step["intercept"])
    return expit(log_odds)


def apply_ranges(probability: FloatArray, table: Mapping[str, Any]) -> tuple[FloatArray, FloatArray]:
    """Look up the range of each probability.

    Args:
        probability: calibrated probabilities, (n,).
        table: the `ranges` entry of decision.json: knots `probability` (m,), `low` (m,), `high` (m,).

    Returns:
        Lower and upper ends, each (n,), with low <= probability <= high.
    """
    knots = np.asarray(table["probability"], float)
    low = np.interp(probability, knots, np.asarray(table["low"], float))
    high = np.interp(probability, knots, np.asarray(table["high"], float))
    return np.minimum(low, probability), np.maximum(high, probability)


def digest_files(files: Mapping[str, bytes]) -> str:
    """Return the digest of a bundle: sha256 over the sorted names and sha256 of its files."""
    outer = hashlib.sha256()
    for name in sorted(files):
        outer.update(f"{name}:{hashlib.sha256(files[name]).hexdigest()}\n".encode())
    return outer.hexdigest()


def read_bundle(folder: Path) -> dict[str, bytes]:
    """Read a bundle's files, all of which must be there."""
    missing = [name for name in BUNDLE_FILES if not (folder / name).is_file()]
    if missing:
        raise BundleError(
            f"bundle {folder.name}: expected the files {list(BUNDLE_FILES)}, missing {missing}; "
            "download the model version again."
        )
    return {name: (folder / name).read_bytes() for name in BUNDLE_FILES}


class Scorer:
    """A loaded bundle that scores contacts.

    `decision` is the content of decision.json. `digest` is recorded with every decision. `feature_names` are the
    graph's inputs, in order.
    """

    def __init__(self, files: Mapping[str, bytes], *, expected_digest: str | None = None) -> None:
        self.digest = digest_files(files)
        if expected_digest is not None and expected_digest != self.digest:
            raise BundleError(
                f"bundle digest: expected {expected_digest}, found {self.digest}; "
                "the files are not those that were registered, fetch the version again."
            )
        try:
            self.decision: dict[str, Any] = json.loads(files["decision.json"])
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise BundleError(f"decision.json: expected JSON, found {error}; fetch the version again.") from error
        remedy = "use the program version that made it"
        checked_version(self.decision, BUNDLE_SCHEMA_VERSION, "decision.json", remedy, BundleError)
        self._session = self._open(files["model.onnx"])
        self._kinds = {f["name"]: f["kind"] for f in self.decision["features"]}
        self.feature_names: tuple[str, ...] = tuple(node.name for node in self._session.get_inputs())
        numeric = [name for name in self.feature_names if self._kinds.get(name) == "numeric"]
        others = [name for name in self.feature_names if name not in numeric]
        self._inputs = [
            (np.dtype(kind), names) for kind, names in ((np.float32, numeric), (np.object_, others)) if names
        ]
        # As arrays: making them of the document's lists costs each call more than looking them up.
        self._ranges = {name: np.asarray(knots, float) for name, knots in self.decision["ranges"].items()}
        self._calibrator = self.decision["calibrator"]
        if set(self.feature_names) != set(self._kinds):
            raise BundleError(
                f"bundle: expected graph inputs {sorted(self._kinds)}, found "
                f"{sorted(self.feature_names)}; model.onnx and decision.json are not of one version."
            )

    @staticmethod
    def _open(model: bytes) -> ort.InferenceSession:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime raises its own family of undocumented types
            raise BundleError(
                f"model.onnx: expected a loadable ONNX graph, found {error}; fetch the version again."
            ) from error

    @classmethod
    def load(cls, folder: Path, expected_digest: str | None = None) -> Scorer:
        """Load a bundle from a folder and verify its digest, if one is expected."""
        return cls(read_bundle(folder), expected_digest=expected_digest)

    def raw_probability(self, features: Mapping[str, NDArray[Any]]) -> FloatArray:
        """Run the graph and return its probability of subscription, (n,).

        `features` holds one array (n,) per name of `feature_names`, numbers (NaN for missing) or strings for
        categories; further names are ignored.
        """
        missing = [name for name in self.feature_names if name not in features]
        if missing:
            raise BundleError(
                f"features: expected {list(self.feature_names)}, missing {missing}; "
                "make the features under the model's own contract, or use a model made under theirs."
            )
        n_rows = len(features[self.feature_names[0]])
        if n_rows <= CHUNK_ROWS:
            return self._run(features, n_rows)
        result = np.empty(n_rows, dtype=np.float64)
        for start in range(0, n_rows, CHUNK_ROWS):
            chunk = {name: features[name][start : start + CHUNK_ROWS] for name in self.feature_names}
            result[start : start + CHUNK_ROWS] = self._run(chunk, min(CHUNK_ROWS, n_rows - start))
        return result

    def _run(self, features: Mapping[str, NDArray[Any]], n_rows: int) -> FloatArray:
        """One call of the graph, (n_rows,)."""
        feeds: dict[str, NDArray[Any]] = {}
        for dtype, names in self._inputs:
            # One conversion for all columns of a type: thirty small ones cost a single request 25 us.
            block = np.array([features[name] for name in names], dtype)
            if n_rows == 1:
                # One row takes another matrix kernel than two or more, and differs by up to 6e-8 in 40 % of the rows
                # of a logistic regression (measured); two equal rows give the bits that the row has in any batch.
                block = np.repeat(block, 2, axis=1)
            feeds.update(zip(names, block[:, :, np.newaxis], strict=True))
        output = self._session.run(_OUTPUT, feeds)[0][:n_rows]
        return np.asarray(output[:, 1] if output.ndim == 2 else output, dtype=np.float64)

    def score(self, features: Mapping[str, NDArray[Any]], *, log_odds_shift: float = 0.0) -> Scores:
        """Score contacts: graph, calibrator, recalibration, range.

        `log_odds_shift` is the recalibration of the as-of state, added after the calibrator.
        """
        raw = self.raw_probability(features)
        probability = apply_calibrator(raw, self._calibrator)
        if log_odds_shift:
            probability = expit(logit(probability) + log_odds_shift)
        low, high = apply_ranges(probability, self._ranges)
        return Scores(probability=probability, low=low, high=high, raw=raw)
