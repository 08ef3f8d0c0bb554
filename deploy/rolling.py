"""Rolls a new version over the app's replicas without a failed request, and rolls it back if it does not become ready.

`python3 -m deploy.rolling <image tag>` rolls the Compose deployment with the standard library alone.
bank_assets_tests/deploy/test_rolling.py rolls real processes under load.

1. If a replica is not ready, nothing is touched.
2. The new version's migration runs once. It only adds, so the old version keeps working
   (bank_assets/ledger/migrations).
3. Each replica in turn reports "not ready", answers until the proxy has noticed, and finishes what it accepted; then
   the new version takes its place. The next one follows only when this one is ready and has received requests.
4. A replica that does not become ready in time goes back to the old version, and so do those before it. The schema
   stays.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol


class RollingError(RuntimeError):
    """The replicas are in an inconsistent state; the message says which version serves where and what to do."""


class Instance(Protocol):
    """One replica, whatever runs it."""

    name: str

    def replace(self, release: str) -> None:
        """Stop what runs, letting it end what it accepted, and start a release."""

    def is_ready(self, release: str) -> bool:
        """Whether this release reports ready."""

    def failure(self) -> str:
        """Why it cannot become ready any more, "" if it may."""

    def story(self) -> str:
        """The last lines of its log."""


@dataclass(frozen=True)
class Pace:
    """How long to wait.

    Attributes:
        ready_seconds: for a replica of the new release to become ready.
        return_seconds: for a replica of the old release that is restored; giving up early would gain nothing.
        settle_seconds: for the proxy to notice that it is: its check interval times its successes, and a margin.
        poll_seconds: between looks.
    """

    ready_seconds: float = 120.0
    return_seconds: float = 300.0
    settle_seconds: float = 5.0
    poll_seconds: float = 0.2


@dataclass(frozen=True)
class RollingResult:
    """What became of a rolling update.

    Attributes:
        release: the version that serves now.
        is_updated: True if it is the requested one.
        reason: why it is not.
    """

    release: str
    is_updated: bool
    reason: str = ""


def roll(
    instances: Sequence[Instance],
    new: str,
    old: str,
    *,
    migrate: Callable[[str], None],
    pace: Pace | None = None,
    say: Callable[[str], None] = lambda _text: None,
) -> RollingResult:
    """Roll a release over replicas.

    Args:
        instances: replicas behind one proxy, at least two.
        new: release to go to.
        old: release that serves now, gone back to if the new one does not become ready.
        migrate: runs the new release's migration; raises if it fails.
        pace: how long to wait.
        say: receives each step.

    Returns:
        What serves now; a release that was taken back is an outcome, not an exception.

    Raises:
        RollingError: nothing was touched because a replica was not ready, or the old release did not come back.
    """
    pace = pace or Pace()
    if len(instances) < 2:
        raise RollingError(f"rolling: expected at least two replicas, found {len(instances)}; one cannot be spared.")
    for instance in instances:
        if not instance.is_ready(old):
            raise RollingError(
                f"rolling: expected {instance.name} to be ready with {old} before anything is touched, found that it "
                f"is not; bring it up first.\n{instance.story()}"
            )
    say(f"migrating with {new}")
    try:
        migrate(new)
    except Exception as error:
        # Whatever the migration raised: it runs in one transaction, so nothing was changed and the old version serves.
        return RollingResult(old, is_updated=False, reason=f"the migration of {new} failed: {error}")
    for n_done, instance in enumerate(instances):
        say(f"{instance.name}: {old} -> {new}")
        reason = _put(instance, new, pace.ready_seconds, pace)
        if reason:
            say(f"{instance.name}: {reason}; going back to {old}")
            _go_back([instance, *reversed(instances[:n_done])], old, pace, say)
            return RollingResult(old, is_updated=False, reason=f"{instance.name}: {reason}")
        say(f"{instance.name}: ready")
    return RollingResult(new, is_updated=True)


def _put(instance: Instance, release: str, limit_seconds: float, pace: Pace) -> str:
    """Start a release on a replica and wait until it has received requests; "" or why it is not ready."""
    instance.replace(release)
    deadline = time.monotonic() + limit_seconds
    while not instance.is_ready(release):
        if failure := instance.failure():
            return f"{failure}\n{instance.story()}"
        if time.monotonic() >= deadline:
            return f"expected it to be ready within {limit_seconds:g} s, found that it is not\n{instance.story()}"
        time.sleep(pace.poll_seconds)
    time.sleep(pace.settle_seconds)
    return ""


def _go_back(instances: Sequence[Instance], old: str, pace: Pace, say: Callable[[str], None]) -> None:
    for instance in instances:
        reason = _put(instance, old, pace.return_seconds, pace)
        if reason:
            # The others still serve: better one replica of the new release than none at all.
            raise RollingError(
                f"rolling: expected {instance.name} to be ready with {old} again, found: {reason}\nThe other replicas "
                "serve and were left alone; look at this one's log."
            )
        say(f"{instance.name}: {old} again")


def main(arguments: Sequence[str] | None = None) -> int:
    """Roll the Compose deployment of this folder.

    Returns:
        0 if the new version serves, 1 if the old one does, 2 if a person must act.
    """
    from deploy.instances import Compose

    parser = argparse.ArgumentParser(prog="python3 -m deploy.rolling", description="Roll a version without downtime.")
    parser.add_argument("tag", help="image tag to go to")
    parser.add_argument("--ready-seconds", type=float, default=Pace.ready_seconds)
    parsed = parser.parse_args(arguments)
    compose = Compose()
    try:
        old = compose.release()
        outcome = roll(
            compose.instances(),
            parsed.tag,
            old,
            migrate=compose.migrate,
            pace=Pace(ready_seconds=parsed.ready_seconds),
            say=print,
        )
    except (RollingError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    if not outcome.is_updated:
        print(f"{outcome.release} serves: {outcome.reason}", file=sys.stderr)
        return 1
    compose.keep(parsed.tag)
    print(f"{outcome.release} serves")
    return 0


if __name__ == "__main__":
    sys.exit(main())
