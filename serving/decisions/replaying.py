"""Replay: the recorded model version and inputs again, compared with the recorded numbers to the last bit.

What lives here: finding a version (memory, disk, registry), rebuilding the features, comparing. What must not: HTTP.
Called by the predictions route, the audit page and tests. Replays do not change anything.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections import OrderedDict
from typing import Any, Final

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from sqlalchemy import Engine

from bank_assets.contract.contract import Contract
from bank_assets.core.features.as_of import AsOfState
from bank_assets.core.features.contacts import frame_from_deliveries
from bank_assets.core.features.feature_set import current_features
from bank_assets.core.model.scorer import BundleError
from bank_assets.ledger.chain import fault_of
from bank_assets.ledger.decisions import Decision, Draft
from bank_assets.store.registry import Registry, RegistryUnavailableError, UnknownVersionError, Version
from serving.champion.champion import Champion, ChampionStore
from serving.decisions.record_schemas import Replay
from serving.decisions.records import decision_on_record
from serving.decisions.schemas import ModelReference
from serving.decisions.scoring import cpu_architecture
from serving.web.problems import NotFoundError

LOADED_VERSIONS: Final = 4
"""Old versions kept in memory: an audit usually looks at neighbours."""


class Replayer:
    """Re-runs recorded decisions."""

    def __init__(self, engine: Engine, store: ChampionStore, registry: Registry, code_version: str) -> None:
        """Prepare.

        Args:
            engine: the ledger.
            store: champion in force and bundles on disk.
            registry: for versions that are not on disk.
            code_version: revision of this code.
        """
        self._engine = engine
        self._store = store
        self._registry = registry
        self._code_version = code_version
        self._loaded: OrderedDict[tuple[str, str], Champion] = OrderedDict()
        self._lock = threading.Lock()

    def version_of(self, record: Decision | Draft) -> Champion:
        """The model version that a record names, with the digest it names.

        Raises:
            BundleError: the files of that version are not those that decided.
            RegistryUnavailableError: it is not on disk and the registry does not answer.
        """
        key = (record.model_version, record.model_digest)
        in_force = self._store.champion
        if in_force is not None and (in_force.version, in_force.digest) == key:
            return in_force
        with self._lock:
            if key not in self._loaded:
                self._loaded[key] = self._store.obtain(Version(*key, record.mlflow_run_id), self._registry)
                while len(self._loaded) > LOADED_VERSIONS:
                    self._loaded.popitem(last=False)
            self._loaded.move_to_end(key)
            return self._loaded[key]

    def decision_document(self, record: Decision) -> dict[str, Any] | None:
        """The decision.json behind a record; None if it is out of reach, which must not hide the record itself."""
        try:
            return self.version_of(record).decision
        except (BundleError, RegistryUnavailableError, UnknownVersionError, OSError):
            return None

    def replay(self, decision_id: str) -> Replay:
        """Run a decision again.

        Args:
            decision_id: which.

        Returns:
            `identical`, or both numbers; `erased` if its payload is gone.

        Raises:
            NotFoundError: no such decision.
            BundleError: the recorded version is not intact.
            RegistryUnavailableError: the recorded version cannot be fetched.
        """
        record = decision_on_record(self._engine, decision_id)
        recorded = {
            "probability": record.probability,
            "probability_low": record.probability_low,
            "probability_high": record.probability_high,
        }
        model = ModelReference(record.model_name, record.model_version, record.model_digest)
        environment = {
            "then": {
                "code": record.code_version,
                "onnxruntime": record.onnxruntime_version,
                "cpu": record.cpu_architecture,
            },
            "now": {"code": self._code_version, "onnxruntime": onnxruntime.__version__, "cpu": cpu_architecture()},
        }
        fault = fault_of(self._engine, decision_id) or None
        if record.payload is None:
            return Replay(record.id, "erased", None, recorded, None, model, environment, fault)
        replayed = self._score(record)
        is_identical = replayed == recorded
        return Replay(
            record.id,
            "identical" if is_identical else "different",
            is_identical,
            recorded,
            replayed,
            model,
            environment,
            fault,
        )

    def _score(self, record: Decision) -> dict[str, float]:
        champion = self.version_of(record)
        features, state = features_on_record(
            record.payload, record.contact_date, record.as_of_features, champion.contract
        )
        scores = champion.scorer.score(features, log_odds_shift=state.log_odds_shift)
        return {
            "probability": float(scores.probability[0]),
            "probability_low": float(scores.low[0]),
            "probability_high": float(scores.high[0]),
        }


def features_on_record(
    payload: dict[str, Any] | None, contact_date: str, as_of_features: dict[str, Any], contract: Contract
) -> tuple[dict[str, NDArray[Any]], AsOfState]:
    """The features a decision was made from, built again from its record.

    Args:
        payload: recorded payload.
        contact_date: recorded day, ISO.
        as_of_features: recorded as-of state.
        contract: of the model that decided; today's may have other columns, bounds and categories.

    Returns:
        One array (1,) per feature, and the state.

    Raises:
        NotFoundError: the payload was erased.
    """
    if payload is None:
        raise NotFoundError("payload: expected the customer's values on record, found that they were erased.")
    dates = np.array([dt.date.fromisoformat(contact_date)], dtype="datetime64[D]")
    state = AsOfState.from_dict(as_of_features)
    frame = frame_from_deliveries({name: np.array([value]) for name, value in payload.items()}, contract)
    return current_features(frame, dates, state, contract, has_plan=False), state
