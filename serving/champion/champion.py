"""The champion: verified, kept on disk as the last good one, swapped atomically between requests.

A bundle whose digest is not the registered one is refused, and the old champion stays. When the registry is down, the
last good champion continues and readiness reports it. A request reads `store.current` once, so it never mixes versions.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from bank_assets.contract.contract import Contract
from bank_assets.contract.file import contract_on_record
from bank_assets.contract.names import MODEL_NAME
from bank_assets.core.features.as_of import AsOfState
from bank_assets.core.model.scorer import BundleError, Scorer
from bank_assets.ledger import states
from bank_assets.ledger.engine import utc_now
from bank_assets.ledger.models import canonical_json
from bank_assets.store.atomic_files import write_atomic
from bank_assets.store.bundles import BundleCache
from bank_assets.store.registry import Registry, Version
from serving.web.problems import ChampionUnavailableError, StateUnavailableError

logger = logging.getLogger(__name__)

LAST_GOOD: Final = "champion.json"
KEPT_VERSIONS: Final = 20  # bundles kept on disk for replays; older ones are fetched from the registry again


@dataclass(frozen=True, slots=True)
class Champion:
    """One loaded model version."""

    version: str
    digest: str
    run_id: str | None
    scorer: Scorer
    loaded_at: str
    contract: Contract

    @property
    def decision(self) -> dict[str, Any]:
        """The content of decision.json."""
        return self.scorer.decision

    @property
    def is_on_probation(self) -> bool:
        """Whether it decides although the gate of a first model refused."""
        return bool(self.decision.get("is_on_probation", False))


@dataclass(frozen=True, slots=True)
class PublishedState:
    """The current as-of state."""

    state: AsOfState
    as_of: str
    text: str
    digest: str
    recalibration: dict[str, Any] | None = None

    @classmethod
    def of(cls, published: states.RecordedState) -> PublishedState:
        """Read a published row."""
        state = AsOfState.from_dict(published.state)
        text = canonical_json(state.to_dict())
        return cls(state, published.as_of, text, published.digest, published.state.get("recalibration"))


class ChampionStore:
    """The current champion and as-of state; reading is one attribute access, so it cannot block."""

    def __init__(self, folder: Path, contract: Contract) -> None:
        self._folder = folder
        self._contract = contract
        self._bundles = BundleCache(folder / "bundles")
        self.champion: Champion | None = None
        self.published: PublishedState | None = None
        self.is_registry_reachable: bool | None = None
        self.message = "the registry was not read yet"
        self.swaps = 0

    @property
    def current(self) -> Champion:
        """The champion."""
        if self.champion is None:
            raise ChampionUnavailableError(
                f"model: expected a champion of {MODEL_NAME}, found none ({self.message.rstrip('.')}); "
                "one is taken over within seconds of its promotion."
            )
        return self.champion

    @property
    def state(self) -> PublishedState:
        """The as-of state."""
        if self.published is None:
            raise StateUnavailableError(
                "as-of state: expected one published by the pipeline, found none; run "
                "`make run`, it is picked up within seconds."
            )
        return self.published

    def load_last_good(self) -> bool:
        """Decide by the last good bundle of an earlier run."""
        try:
            kept = json.loads((self._folder / LAST_GOOD).read_text())
            version = Version(kept["version"], kept["digest"], kept["run_id"])
            files = self._bundles.read(version.version, version.digest)
            if files is None:
                return False
            self.champion = self._with_inputs(self._champion(version, files))
        except FileNotFoundError:
            return False
        except (BundleError, OSError, KeyError, TypeError, ValueError) as error:
            logger.critical("last good model refused", extra={"error": str(error)})
            return False
        return True

    def obtain(self, version: Version, registry: Registry) -> Champion:
        """Load a version from disk, or fetch and verify it.

        Raises:
            BundleError: it does not verify; nothing is kept.
            RegistryUnavailableError: it cannot be fetched.
        """
        if not version.digest:
            raise BundleError(
                f"version {version.version}: expected the tag bank/digest, found none; register it again."
            )
        files = self._bundles.obtain(version.version, version.digest, lambda: registry.fetch(version.version))
        spared = self.champion or version
        self._bundles.prune(KEPT_VERSIONS, spare=(spared.version, spared.digest))
        return self._champion(version, files)

    def usable(self, version: Version, registry: Registry) -> Champion:
        """`obtain` a version, and refuse it with `BundleError` if requests lack an input of it."""
        return self._with_inputs(self.obtain(version, registry))

    def _champion(self, version: Version, files: Mapping[str, bytes]) -> Champion:
        scorer = Scorer(files, expected_digest=version.digest)
        probe = {
            feature["name"]: np.array(["" if feature["kind"] == "category" else 0.0], dtype=object)
            for feature in scorer.decision["features"]
        }
        scores = scorer.score(probe)
        if not bool(np.isfinite([scores.probability, scores.low, scores.high]).all()):
            raise BundleError(
                f"version {version.version}: expected finite probabilities, found {scores.probability}; "
                "roll back to another version."
            )
        return Champion(
            version.version,
            scorer.digest,
            version.run_id,
            scorer,
            utc_now(),
            contract_on_record(scorer.decision.get("contract")),
        )

    def _with_inputs(self, champion: Champion) -> Champion:
        lacking = self._contract.lacking(champion.contract)
        if lacking:
            mine, its = (f"{one.name} {one.version}" for one in (self._contract, champion.contract))
            raise BundleError(
                f"version {champion.version}: expected a model of the columns of contract {mine}, found one that also "
                f"takes {', '.join(lacking)} (contract {its}); start the app with that contract, or roll back."
            )
        return champion

    def swap(self, champion: Champion) -> None:
        """Swap; requests that already read the old one finish with it.

        Raises:
            BundleError: requests lack an input of the model.
        """
        before = self.champion.version if self.champion is not None else None
        self.champion = self._with_inputs(champion)
        kept = {"version": champion.version, "digest": champion.digest, "run_id": champion.run_id}
        write_atomic(self._folder / LAST_GOOD, json.dumps(kept).encode())
        self.swaps += before is not None
        logger.info(
            "champion in force", extra={"model_version": champion.version, "digest": champion.digest, "before": before}
        )
