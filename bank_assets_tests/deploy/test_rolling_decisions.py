"""What a roll decides, on replicas whose behaviour a test dictates."""

from dataclasses import dataclass, field

import pytest

from deploy.rolling import Pace, RollingError, RollingResult, roll


@dataclass
class Scripted:
    """A replica whose behaviour a test dictates: which releases become ready."""

    name: str
    good: set[str]
    release: str = "old"
    seen: list = field(default_factory=list)

    def replace(self, release: str) -> None:
        self.release = release
        self.seen.append(release)

    def is_ready(self, release: str) -> bool:
        return release == self.release and release in self.good

    def failure(self) -> str:
        return ""

    def story(self) -> str:
        return "the log's last line"


FAST = Pace(ready_seconds=0.05, return_seconds=0.05, settle_seconds=0, poll_seconds=0.01)


def test_a_failed_migration_touches_no_replica():
    replicas = [Scripted(name, {"old", "new"}) for name in "ab"]

    def fail(_release: str) -> None:
        raise OSError("disk full")

    outcome = roll(replicas, "new", "old", migrate=fail, pace=FAST)
    assert outcome == RollingResult("old", is_updated=False, reason="the migration of new failed: disk full")
    assert [one.seen for one in replicas] == [[], []]


def test_the_second_replica_s_failure_rolls_the_first_back_too():
    replicas = [Scripted("a", {"old", "new"}), Scripted("b", {"old"})]
    outcome = roll(replicas, "new", "old", migrate=lambda _release: None, pace=FAST)
    assert (outcome.release, outcome.is_updated) == ("old", False)
    assert "the log's last line" in outcome.reason
    assert [one.seen for one in replicas] == [["new", "old"], ["new", "old"]]


def test_nothing_is_touched_unless_all_replicas_are_ready():
    replicas = [Scripted("a", {"old", "new"}), Scripted("b", set())]
    with pytest.raises(RollingError, match="expected b to be ready with old"):
        roll(replicas, "new", "old", migrate=lambda _release: None, pace=FAST)
    with pytest.raises(RollingError, match="at least two replicas"):
        roll(replicas[:1], "new", "old", migrate=lambda _release: None, pace=FAST)
    assert [one.seen for one in replicas] == [[], []]


def test_an_old_release_that_does_not_come_back_is_an_error_and_leaves_the_others():
    replicas = [Scripted("a", {"old", "new"}), Scripted("b", {"old"})]
    replicas[1].replace = lambda release: replicas[1].good.clear()
    with pytest.raises(RollingError, match="were left alone"):
        roll(replicas, "new", "old", migrate=lambda _release: None, pace=FAST)
    assert replicas[0].release == "new"
