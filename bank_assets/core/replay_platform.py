"""The platform in a replay, and the same platform called by F1 instead of profit.

What lives here: the adapter from a replay's morning to `core.platform_policy.Platform`.
What must not: any decision of its own but the rule by which probabilities become calls.
Called by `core.replay`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from bank_assets.core.metrics import best_f1_threshold
from bank_assets.core.platform_policy import Platform, PlatformConfig
from bank_assets.core.policies import Policy, Rows, call_by_profit
from bank_assets.core.replay_trace import Counts, Trace
from bank_assets.core.replay_world import World


class PlatformReplay(Policy):
    """The product's own policy."""

    def __init__(self, name: str, config: PlatformConfig, clock: Callable[[], float]) -> None:
        """Prepare it.

        Args:
            name: `platform`, or `f1_threshold` to call by the best F1 on outcomes known so far.
            config: settings of the platform.
            clock: a monotonic clock, s.
        """
        super().__init__(name)
        self._platform = Platform(config, clock)

    def decide(self, morning: np.datetime64, rows: Rows, world: World, trace: Trace) -> None:
        """Judge, answer, recalibrate, score, call; before the first model the trailing rate decides."""
        known = world.known_to_platform(trace.unshifted, trace.proba, morning)
        self._platform.morning(morning, known)
        features = world.features_of(rows, morning)
        if self._platform.has_model:
            scores, trace.unshifted[rows] = self._platform.score(features)
            trace.proba[rows], trace.low[rows], trace.high[rows] = scores.probability, scores.low, scores.high
        else:
            trace.proba[rows] = features["subscription_rate_30d"]
        if self.name == "f1_threshold" and bool(known.scored.is_subscribed.any()):
            threshold = best_f1_threshold(known.scored.is_subscribed, known.emitted)
            trace.called[rows] = trace.proba[rows] >= threshold
        else:
            call_by_profit(rows, world, trace)

    def counts(self) -> Counts:
        """What was spent so far."""
        events = self._platform.events
        return Counts(
            trainings=self._platform.trainings,
            searches=self._platform.searches,
            recalibrations=sum(event.kind == "recalibration" for event in events),
            alerts=sum(event.kind == "alert" for event in events),
            events=list(events),
        )

    def snapshot(self) -> dict[str, bytes]:
        """State, counters and bundle."""
        return self._platform.snapshot()

    def restore(self, files: Mapping[str, bytes], world: World) -> None:
        """Go on from a snapshot."""
        self._platform.restore(files, world.daily)
