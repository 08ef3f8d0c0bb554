"""A memory makes each value once, and no thread waits for the value of another key."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from serving.web.remembered import Remembered


def test_a_value_is_made_once_while_those_of_other_keys_are_not_kept_waiting():
    memory, began, may_end = Remembered(2), Event(), Event()

    def slow():
        began.set()
        assert may_end.wait(10)
        return "slow"

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(memory.get, "a", slow)
        assert began.wait(10)
        again = pool.submit(memory.get, "a", lambda: "made twice")
        assert memory.get("b", lambda: "quick") == "quick"
        may_end.set()
        assert first.result() == again.result() == "slow"


def test_a_value_that_could_not_be_made_is_made_at_the_next_look_and_the_oldest_is_forgotten():
    memory = Remembered(1)
    with pytest.raises(ZeroDivisionError):
        memory.get("a", lambda: 1 // 0)
    assert [memory.get(key, lambda made=made: made) for key, made in (("a", 1), ("a", 2), ("b", 3), ("a", 4))] == [
        1, 1, 3, 4
    ]  # fmt: skip
