"""The thread that keeps the champion and the as-of state current. The rollback route wakes it."""

from __future__ import annotations

import logging
import threading
import time

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from bank_assets.core.model.scorer import BundleError
from bank_assets.ledger import states
from bank_assets.store.registry import Registry, RegistryUnavailableError
from serving.champion.champion import ChampionStore, PublishedState

logger = logging.getLogger(__name__)


class Watcher:
    """The thread that keeps a `ChampionStore` current."""

    def __init__(self, store: ChampionStore, registry: Registry, engine: Engine, poll_seconds: float) -> None:
        self._store = store
        self._registry = registry
        self._engine = engine
        self._poll_seconds = poll_seconds
        self._refused = ""
        self._wake = threading.Event()
        self._is_stopping = False
        self._round = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="champion-watcher", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """End after the present round; does not wait for a registry that hangs."""
        self._is_stopping = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout=1.0)

    def wake(self) -> None:
        """Look now instead of at the next poll."""
        self._wake.set()

    def _run(self) -> None:
        while not self._is_stopping:
            started = time.monotonic()
            self.look()
            self._wake.wait(max(0.05, self._poll_seconds - (time.monotonic() - started)))
            self._wake.clear()

    def look(self) -> None:
        """One round: as-of state first (it is a cheap local query), then the alias."""
        with self._round:
            self.look_at_state()
            self.look_at_alias()

    def look_at_state(self) -> None:
        """Take over the as-of state published last."""
        try:
            found = states.latest(self._engine)
            known = self._store.published
            if found is not None and (known is None or known.digest != found.digest):
                self._store.published = PublishedState.of(found)
                logger.info("as-of state in force", extra={"as_of": found.as_of})
        except (SQLAlchemyError, ValueError, KeyError) as error:
            logger.warning("as-of state not read", extra={"error": type(error).__name__})

    def look_at_alias(self) -> None:
        """Take over the champion of the registry, if it verifies."""
        store = self._store
        try:
            version = self._registry.champion()
            store.is_registry_reachable = True
            if version is None:
                store.message = "the registry has no champion; run `make run` to train and promote one"
                return
            store.message = "the registry answers"
            champion = store.champion
            if champion is None or (champion.version, champion.digest) != (version.version, version.digest):
                store.swap(store.obtain(version, self._registry))
            self._refused = ""
        except RegistryUnavailableError as error:
            if store.is_registry_reachable is not False:
                logger.warning("registry not reachable", extra={"error": str(error)})
            store.is_registry_reachable = False
            store.message = str(error)
        except (BundleError, OSError) as error:
            store.message = f"the registered champion was refused: {error}"
            if self._refused != str(error):
                self._refused = str(error)
                logger.critical("champion refused", extra={"error": str(error), "alert": True})
        except Exception:
            # The thread must live on whatever a registry raises; the store keeps the last good model.
            logger.exception("watcher round failed")
            store.message = "the last look at the registry failed; see the log"
