"""Replay: the recorded model version scores the recorded inputs again; the numbers are compared to the last bit."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
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
from bank_assets.ledger.records import Decision, Draft
from bank_assets.store.registry import Registry, RegistryUnavailableError, UnknownVersionError, Version
from serving.champion.champion import Champion, ChampionStore
from serving.decisions.record_schemas import Replay
from serving.decisions.records import decision_on_record
from serving.decisions.schemas import ModelReference
from serving.decisions.scoring import cpu_architecture
from serving.web.problems import NotFoundError
from serving.web.remembered import Remembered

LOADED_VERSIONS: Final = 4
"""Old versions kept in memory: an audit usually looks at neighbours."""
NUMBERS: Final = ("probability", "probability_low", "probability_high")
ENVIRONMENT: Final = ("code", "onnxruntime", "cpu")


@dataclass(frozen=True, slots=True)
class Replayer:
    """Re-runs recorded decisions."""

    engine: Engine
    store: ChampionStore
    registry: Registry
    code_version: str
    _loaded: Remembered[Champion] = field(default_factory=lambda: Remembered(LOADED_VERSIONS))

    def version_of(self, record: Decision | Draft) -> Champion:
        """The model version that a record names, with the digest it names.

        Raises:
            BundleError: the files of that version are not those that decided.
            RegistryUnavailableError: it is not on disk and the registry does not answer.
        """
        key = (record.model_version, record.model_digest)
        in_force = self.store.champion
        if in_force is not None and (in_force.version, in_force.digest) == key:
            return in_force
        version = Version(*key, record.mlflow_run_id)
        return self._loaded.get(key, lambda: self.store.obtain(version, self.registry))

    def decision_document(self, record: Decision) -> dict[str, Any] | None:
        """The decision.json behind a record; None if it is out of reach, which must not hide the record itself."""
        try:
            return self.version_of(record).decision
        except (BundleError, RegistryUnavailableError, UnknownVersionError, OSError):
            return None

    def replay(self, decision_id: str) -> Replay:
        """Run a decision again.

        Raises:
            NotFoundError: no such decision.
            BundleError: the recorded version is not intact.
            RegistryUnavailableError: the recorded version cannot be fetched.
        """
        record = decision_on_record(self.engine, decision_id)
        then = (record.code_version, record.onnxruntime_version, record.cpu_architecture)
        now = (self.code_version, onnxruntime.__version__, cpu_architecture())
        replayed = None if record.payload is None else self._score(record)
        recorded = {name: getattr(record, name) for name in NUMBERS}
        is_identical = None if replayed is None else replayed == recorded
        return Replay(
            id=record.id,
            status="erased" if is_identical is None else "identical" if is_identical else "different",
            identical=is_identical,
            recorded=recorded,
            replayed=replayed,
            model=ModelReference(record.model_name, record.model_version, record.model_digest),
            environment={
                "then": dict(zip(ENVIRONMENT, then, strict=True)),
                "now": dict(zip(ENVIRONMENT, now, strict=True)),
            },
            record_fault=fault_of(self.engine, decision_id) or None,
        )

    def _score(self, record: Decision) -> dict[str, float]:
        champion = self.version_of(record)
        features, state = features_on_record(
            record.payload, record.contact_date, record.as_of_features, champion.contract
        )
        scores = champion.scorer.score(features, log_odds_shift=state.log_odds_shift)
        return dict(
            zip(NUMBERS, (float(part[0]) for part in (scores.probability, scores.low, scores.high)), strict=True)
        )


def features_on_record(
    payload: dict[str, Any] | None, contact_date: str, as_of_features: dict[str, Any], contract: Contract
) -> tuple[dict[str, NDArray[Any]], AsOfState]:
    """The features a decision was made from, built again from its record."""
    if payload is None:
        raise NotFoundError("payload: expected the customer's values on record, found that they were erased.")
    dates = np.array([dt.date.fromisoformat(contact_date)], dtype="datetime64[D]")
    state = AsOfState.from_dict(as_of_features)
    frame = frame_from_deliveries({name: np.array([value]) for name, value in payload.items()}, contract)
    return current_features(frame, dates, state, contract, has_plan=False), state
